"""What `auto` is worth on real fine-tuning: the time after which it has the score that plain random
search has at the end of the same seconds, in the same space.

    python benchmarks/finetuning.py FOLDER_OF_DATA [--sets banking77 clothing german]
        [--seeds 3] [--keep FILE]

Random draws a learner, then a config of it with a checkpoint, and fits that in full; it has the
same data, the same parts, an activation store of its own, and the same machinery for one trial.
`auto` is `tunesmith.fit` as it comes. Scores are of the validation rows, by the problem's own
metric; each run is a process of its own, with an empty store. FILE keeps what was run, so that it
can go on. Told as well: the score of each on test rows that neither saw; of random it is its
best trial's, of `auto` that of the model handed over. Last, for each set, the same of the mean over
the seeds, as the regret over evaluations is taken elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from reviews import halves
from sklearn.model_selection import train_test_split

import tunesmith as ts
from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Study
from tunesmith.core.dimensions import dimensions
from tunesmith.core.events import Journal, read_journal
from tunesmith.core.records import Trial
from tunesmith.core.runfolder import RunFolder
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import Choice, sample, to_dict
from tunesmith.data.read import read
from tunesmith.evaluate.scores import score
from tunesmith.learners import learners
from tunesmith.learners._folded import open_model
from tunesmith.metrics import get
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import fixed
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.trial import Job, run_trial
from tunesmith.search import searchers

SECONDS = {"banking77": 120.0, "clothing": 90.0, "german": 30.0}
LEAST_SECONDS = 1.0
PATIENT_SECONDS = 180.0


def parts(name: str, folder: Path, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test rows, the target in the column label."""
    if name == "clothing":
        return halves(seed)
    if name == "banking77":
        found = [pd.read_csv(folder / name / f"{part}.csv") for part in ("train", "test")]
        train, test = (one.rename(columns={"category": "label"}) for one in found)
        return train, test
    table = pd.read_csv(folder / "german_credit" / "german.csv", header=None).add_prefix("c")
    table = table.rename(columns={"c20": "label"})
    table["label"] = table["label"].map({1: "good", 2: "bad"})
    train, test = train_test_split(
        table, train_size=700, stratify=table["label"], random_state=seed
    )
    return train, test


def automatic(train: Path, test: Path, seconds: float, seed: int, place: Path) -> dict[str, Any]:
    """Scores by time of `tunesmith.fit`."""
    began = time.monotonic()
    model = ts.fit(train, "label", budget=seconds, seed=seed, offline=True, folder=place)
    spent = time.monotonic() - began
    metric = model.summary["metric"]
    course = [
        (event.seconds, event.facts["score"])
        for event in read_journal(place / "journal.jsonl")
        if event.kind == "best"
    ]
    found = model.evaluate(test, metrics=[metric])[metric].value
    return {"metric": metric, "course": course, "seconds": spent, "test": found}


def randomly(train: Path, test: Path, seconds: float, seed: int, place: Path) -> dict[str, Any]:
    """Scores by time of learners and configs drawn at random, each fitted in full."""
    began = time.monotonic()
    clock = Clock(seconds, time.monotonic, began)
    folder = RunFolder.create(place)
    run = Run(folder, Journal(folder.journal, clock), clock, seed, offline=True)
    problem = frame(read(train), "label", seed=seed)
    dice = generator(seed, "learner")
    studies = {name: study for name in learners if (study := _study(name, problem, seed))}
    names, number = sorted(studies), 0
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    course: list[tuple[float, float]] = []
    best, kept = -np.inf, None
    with using(open_store()):
        while clock.left() > LEAST_SECONDS:
            number += 1
            name = names[dice.integers(len(names))]
            _, values = studies[name].ask()
            pins = fixed(name, problem, {})
            config = to_dict(sample(learners[name].config, lambda p, m, v=values: v[p], pins))
            trial = Trial(number, name, config, "drawn", derive(seed, "trial", number))
            result = run_trial(run, problem, Job(trial, clock.left()), "none")
            if result.score is None or clock.left() < 0:
                continue
            if sign * result.score.value > best:
                best, kept = sign * result.score.value, result
                course.append((clock.elapsed(), result.score.value))
        if kept is None:
            return {"metric": problem.metric, "course": [], "trials": number, "test": None}
        fitted = open_model(kept.trial.learner, Path(kept.folder))
        data = read(test)
        answers = fitted.predict(data.with_columns((*problem.inputs, "label")))
    truth = np.array([problem.classes.index(cell) for cell in data.values("label")])
    found = score(problem.metric, truth, answers, seed=seed, resamples=10).value
    spent = time.monotonic() - began
    facts = {"metric": problem.metric, "course": course, "seconds": spent, "test": found}
    return {**facts, "trials": number, "winner": kept.trial.learner}


def _study(name: str, problem: Any, seed: int) -> Study | None:
    """A random search of what `auto` may search of a learner; None where there is nothing."""
    if learners[name].suits(problem):
        return None
    ranges = dimensions(learners[name].config, fixed(name, problem, {}))
    if "backbone" in ranges:
        ranges["backbone"] = Choice(*(card.name for card in zoo.cards("text") if zoo.is_here(card)))
    return searchers["random"].begin(ranges, seed=derive(seed, name)) if ranges else None


WAYS = {"auto": automatic, "random": randomly}


def in_a_process(way: str, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """What one way comes to, in a process and with a store of its own; a trial that goes far beyond
    the time is ended with it."""
    out = folder / f"{way}.json"
    command = [sys.executable, __file__, str(folder), "--way", way, "--seconds", str(seconds)]
    subprocess.run(
        [*command, "--seed", str(seed), "--out", str(out)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=seconds + PATIENT_SECONDS,
        env={**os.environ, "TUNESMITH_STORE": str(folder / f"store-{way}")},
    )
    return json.loads(out.read_text())


def reached(course: list[list[float]], wanted: float, sign: float) -> float | None:
    """The second at which a score was there; None where it never was."""
    return next((seconds for seconds, value in course if sign * value >= sign * wanted), None)


def tell(rows: list[dict[str, Any]]) -> None:
    """The table, and the geometric mean of the shares of time."""
    shares = []
    print(
        "set        seed  metric     random  at s   auto there at s  share  auto  test: random auto"
    )
    for row in rows:
        first, second = row["random"], row["auto"]
        sign = 1.0 if get(first["metric"]).higher_is_better else -1.0
        wanted = first["course"][-1][1]
        there = reached(second["course"], wanted, sign)
        share = (there if there is not None else 2 * row["budget"]) / row["budget"]
        shares.append(share)
        told = f"{there:15.1f}" if there is not None else "          never"
        print(
            f"{row['set']:10} {row['seed']:4}  {first['metric']:9} {wanted:7.4f} "
            f"{first['course'][-1][0]:5.1f} {told} {share:6.2f} {second['course'][-1][1]:.4f} "
            f"{first['test']:.4f} {second['test']:.4f}"
        )
    within = sum(share <= 1 / 3 for share in shares)
    print(
        f"share of the time: geometric mean {np.exp(np.mean(np.log(shares))):.3f}, median "
        f"{np.median(shares):.3f}, worst {max(shares):.2f} (2: never); a third or less in "
        f"{within} of {len(shares)}"
    )


def mean_there(courses: list[list[list[float]]], wanted: float, sign: float) -> float | None:
    """The second at which the mean over seeds of the best score so far was there. Before its first
    score a run counts as its worst."""
    times = sorted({seconds for course in courses for seconds, _ in course})
    for now in times:
        values = [
            max((sign * value for seconds, value in course if seconds <= now), default=None)
            for course in courses
        ]
        known = [
            value if value is not None else min(sign * value for _, value in course)
            for value, course in zip(values, courses, strict=True)
        ]
        if np.mean(known) >= sign * wanted:
            return now
    return None


def tell_means(rows: list[dict[str, Any]]) -> None:
    """For each set the seeds together: when the mean of `auto` is where that of random ends."""
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        sign = 1.0 if get(own[0]["random"]["metric"]).higher_is_better else -1.0
        wanted = float(np.mean([row["random"]["course"][-1][1] for row in own]))
        there = mean_there([row["auto"]["course"] for row in own], wanted, sign)
        told = "never" if there is None else f"after {there:.1f} s"
        share = "" if there is None else f", {there / own[0]['budget']:.2f} of the time"
        print(
            f"{name}, mean of {len(own)} seeds: random ends with {wanted:.4f}; there {told}{share}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SECONDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        files = (asked.data / "train.csv", asked.data / "test.csv")
        told = WAYS[asked.way](*files, asked.seconds, asked.seed, asked.data / asked.way)
        asked.out.write_text(json.dumps(told))
        return
    rows: list[dict[str, Any]] = []
    if asked.keep and asked.keep.exists():
        rows = [json.loads(line) for line in asked.keep.read_text().splitlines()]
    done = {(row["set"], row["seed"]) for row in rows}
    for name in asked.sets:
        for seed in range(asked.seeds):
            if (name, seed) in done:
                continue
            with tempfile.TemporaryDirectory() as made:
                for part, table in zip(
                    ("train", "test"), parts(name, asked.data, seed), strict=True
                ):
                    table.to_csv(Path(made) / f"{part}.csv", index=False)
                found = {way: in_a_process(way, SECONDS[name], seed, Path(made)) for way in WAYS}
            rows.append({"set": name, "seed": seed, "budget": SECONDS[name], **found})
            if asked.keep:
                with asked.keep.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
            tell(rows[-1:])
    tell(rows)
    tell_means(rows)


if __name__ == "__main__":
    main()
