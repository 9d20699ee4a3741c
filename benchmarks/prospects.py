"""Does more buy what a fit says it will? Text data sets fitted at a budget, in trials and in
seconds, and at the double; on a half and a fifth of the training rows, and on all of them; and
searches of tables with ground truth after 20 evaluations, and after 40 and 100. Told are how often
what came lay in the interval of 80 %, how far from it the expected score was, without regard to
sign and with it, and how far the present score was.

    python benchmarks/prospects.py FOLDER_OF_DATA [--rows 1500] [--trials 10] [--seconds 6]
        [--learners majority linear] [--only trials seconds rows]
    python benchmarks/prospects.py FOLDER_OF_TABLES --only tables [--search random tpe auto]

FOLDER_OF_DATA as in scout.py, FOLDER_OF_TABLES as in tables.py. All scores of fits are of the
validation rows, the same for both; those of tables are divided by (best - median), as regret is.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _tables import tables
from sklearn.model_selection import train_test_split

import tunesmith as ts
from scout import data_sets
from tunesmith.evaluate.prospects import of_search
from tunesmith.metrics import get
from tunesmith.search import searchers

HELD_SHARE = 0.2
EVALUATIONS, FACTORS = 20, (2, 5)
FIRST_SEED = 10
"""Draws of the rows that nothing was tried on before."""
FIXED_TRIALS = 3
"""Majority, and the linear model on words and on pairs of them: the same on any number of rows."""


@dataclass(frozen=True)
class Case:
    """A data set with its parts given, and how it is to be fitted."""

    name: str
    table: pd.DataFrame
    seed: int
    learners: list[str]

    def fit(self, more_trials: int = 0, **budget: Any) -> list[dict[str, Any]]:
        """The summary of a fit with an activation store of its own, and of the same gone on with
        for so many trials, which ends as a fit with all of them would."""
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "run"
            model = ts.fit(
                self.table,
                "label",
                split="part",
                seed=self.seed,
                offline=True,
                cache=False,
                learners=self.learners,
                folder=folder,
                **budget,
            )
            told = [model.summary]
            if more_trials:
                told.append(ts.resume(folder, trials=more_trials, source=self.table).summary)
            return told

    def fewer(self, factor: int) -> Case:
        """The same with one in so many of the training rows."""
        train = np.flatnonzero(self.table["part"] == "train")
        labels = self.table["label"].iloc[train]
        kept, _ = train_test_split(
            train, train_size=1 / factor, stratify=labels, random_state=self.seed
        )
        rows = np.sort(np.r_[kept, np.flatnonzero(self.table["part"] != "train")])
        table = self.table.iloc[rows].reset_index(drop=True)
        return Case(self.name, table, self.seed, self.learners)


@dataclass(frozen=True)
class Found:
    """What was told, and what came."""

    kind: str
    case: str
    now: float
    then: float
    told: dict[str, Any] | None
    reason: str

    @property
    def is_inside(self) -> bool:
        assert self.told is not None
        return bool(self.told["low"] - 1e-9 <= self.then <= self.told["high"] + 1e-9)

    def __str__(self) -> str:
        if self.told is None:
            return f"{self.case}: {self.reason}; {self.now:.4f} became {self.then:.4f}"
        expected, low, high = (self.told[name] for name in ("expected", "low", "high"))
        return (
            f"{self.case}: {self.now:.4f} became {self.then:.4f}, told {expected:.4f} "
            f"[{low:.4f}, {high:.4f}]{'' if self.is_inside else ' MISSED'}"
        )


def cases(folder: Path, rows: int, seeds: int, learners: list[str]) -> Iterator[Case]:
    for name, table in data_sets(folder):
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            most = min(rows, len(table))
            drawn = table.sample(most, random_state=seed).reset_index(drop=True)
            dice = np.random.default_rng(seed)
            parts = np.array(["train"] * most, dtype=object)
            held = dice.permutation(most)[: 2 * round(HELD_SHARE * most)]
            parts[held[::2]], parts[held[1::2]] = "valid", "test"
            yield Case(f"{name}, {seed}", drawn.assign(part=parts), seed, learners)


def found(
    kind: str, case: Case, told: dict[str, Any], factor: int, now: float, then: float
) -> Found:
    """What came beside what was told of so many times as much."""
    expected = {one["factor"]: one for one in told["expected"]}
    return Found(kind, case.name, now, then, expected.get(factor), told["reason"])


def of_trials(case: Case, trials: int) -> Iterator[Found]:
    """A fit, gone on with for as many trials again."""
    yield _doubled("trials", case, *case.fit(trials, trials=trials))


def of_seconds(case: Case, seconds: float) -> Iterator[Found]:
    """A fit, and another with twice the time."""
    yield _doubled("seconds", case, *case.fit(budget=seconds), *case.fit(budget=2 * seconds))


def _doubled(kind: str, case: Case, first: dict[str, Any], second: dict[str, Any]) -> Found:
    now, then = (one["prospects"]["score"] for one in (first, second))
    return found(kind, case, first["prospects"]["budget"], 2, now, then)


def of_rows(case: Case) -> Iterator[Found]:
    """The same cheap model on a part of the rows and on all."""
    (summary,) = case.fit(trials=FIXED_TRIALS)
    whole = {one["trial"]: one["score"] for one in summary["leaderboard"]}
    for factor in FACTORS:
        (summary,) = case.fewer(factor).fit(trials=FIXED_TRIALS)
        told = summary["prospects"]["rows"]
        if told["curve"]:
            now, then = told["curve"][-1]["score"], whole[told["trial"]]
            yield found(f"rows, {factor} times", case, told, factor, now, then)


def of_tables(folder: Path, search: str, seeds: int) -> Iterator[Found]:
    """Searches of tables, each told of after a few evaluations."""
    for table in tables(folder):
        is_loss = bool(np.nanmax(table.scores) <= 0)
        metric = get("rmse" if is_loss else "accuracy")
        share = 100 if np.nanmax(table.scores) > 1.5 else 1
        marks = (table.means.max(), np.median(table.means))
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            study, scores = searchers[search].begin(table.ranges, seed=seed), []
            for _ in range(max(FACTORS) * EVALUATIONS):
                proposal, values = study.ask()
                scores.append(float(table.means[table.row(values)]) / share)
                study.tell(proposal, scores[-1:])
            best = np.maximum.accumulate(scores)
            sign, unit = (-1 if is_loss else 1), float(np.ptp(marks)) / share
            spent = range(1, EVALUATIONS + 1)
            turned = [sign * one for one in scores[:EVALUATIONS]]
            outlook = of_search(metric, turned, spent, factors=FACTORS, seed=seed)
            for one in outlook.prospects:
                ends = sorted((sign * one.low, sign * one.high))
                told = dict(zip(("low", "high"), np.array(ends) / unit, strict=True))
                told["expected"] = sign * one.expected / unit
                now, then = best[[EVALUATIONS - 1, int(one.factor) * EVALUATIONS - 1]] / unit
                kind = f"{search}, {one.factor} times"
                yield Found(kind, f"{table.name}, {seed}", now, then, told, "")


def row(kind: str, all_found: list[Found]) -> str:
    """A row of the table."""
    told = [one for one in all_found if one.told is not None]
    inside = sum(one.is_inside for one in told)
    off = np.mean([abs(one.told["expected"] - one.then) for one in told])
    same = np.mean([abs(one.now - one.then) for one in told])
    width = np.mean([one.told["high"] - one.told["low"] for one in told])
    ahead, behind = (
        np.mean([one.told["expected"] - one.then for one in told]),
        np.mean([one.now - one.then for one in told]),
    )
    return (
        f"| {kind} | {len(told)} of {len(all_found)} | {inside} of {len(told)} | {width:.4f} | "
        f"{off:.4f}, {same:.4f} | {ahead:+.4f}, {behind:+.4f} |"
    )


def every(asked: argparse.Namespace) -> Iterator[Found]:
    if "tables" in asked.only:
        for search in asked.search:
            yield from of_tables(asked.folder, search, asked.seeds)
        return
    for case in cases(asked.folder, asked.rows, asked.seeds, asked.learners):
        is_first = case.seed == FIRST_SEED  # one seed of the dear ones is enough
        if "trials" in asked.only and is_first:
            yield from of_trials(case, asked.trials)
        if "seconds" in asked.only and is_first:
            yield from of_seconds(case, asked.seconds)
        if "rows" in asked.only:
            yield from of_rows(case)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--learners", nargs="*", default=["majority", "linear"])
    parser.add_argument("--search", nargs="*", default=["random", "tpe", "auto"])
    parser.add_argument("--only", nargs="*", default=["trials", "seconds", "rows"])
    asked = parser.parse_args()
    seen: dict[str, list[Found]] = {}
    for one in every(asked):
        seen.setdefault(one.kind, []).append(one)
        if "tables" not in asked.only:
            print(f"{one.kind}: {one}", flush=True)
    print("| more of | told | inside | width | off by: told, no change | bias: told, no change |")
    print("|---|---|---|---|---|---|")
    for kind, all_found in seen.items():
        print(row(kind, all_found))


if __name__ == "__main__":
    main()
