"""Which rows the saved model should learn once the folds have settled everything.

    python benchmarks/refits.py FOLDER_OF_DATA [--only NAME ...] [--draws 3]
        [--learners lightgbm xgboost linear tabular quick]

Small tables of `table_fits.py`, 70 % of the rows to learn from. Every learner is fitted with its
first config to the folds of a fit, as a trial is; with what these settled it is then fitted again:
to five folds of all rows, to one model that knows all, to four of other seeds, and to four that
each leave out another tenth. The log loss, or RMSE, is that of the 30 % of the rows that none has
seen. Below, the mean over draws of each way against the folds of the trial, in shares of what these
have, and how much longer or shorter it took; and the quick network of few rows in shares of the
usual one for tables.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from table_fits import twelve

import tunesmith.nn.tabular  # noqa: F401 - loads torch before anything is timed
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default, from_dict, to_dict
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._folded import beside_in_folds, fit_again, fit_whole, settled
from tunesmith.metrics import get
from tunesmith.pipeline.folds import crossed
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import QUICK_NETWORK, quicker

WAYS = ("folds", "five folds of all", "one", "four seeds", "four of nine tenths")
LEARNERS = ("lightgbm", "xgboost", "linear", "tabular", "quick")
MOST_ROWS = 3_000


def fits(name: str, problem: Problem) -> dict[str, tuple[Fitted, float]]:
    """The models of each way, with the seconds that they took."""
    learner: Learner = learners["tabular" if name == "quick" else name]
    config = default(learner.config, QUICK_NETWORK if name == "quick" else quicker(name, problem))
    watch = Watch(Clock(), lambda value, progress: True, offline=True)
    beside = beside_in_folds(learner, problem)
    found = {}

    def timed(way: str, model: Fitted, began: float) -> None:
        found[way] = model, time.monotonic() - began

    began = time.monotonic()
    timed("folds", fit_whole(learner, problem, config, 0, watch)[0], began)
    again = from_dict(learner.config, {**to_dict(config), **settled(found["folds"][0])})
    fives = crossed(problem, count=5, rows=problem.rows).folds[:5]
    tenths = crossed(problem, count=10, rows=problem.rows).folds[:4]
    for way, rows in (
        ("five folds of all", [train for train, _ in fives]),
        ("one", [problem.rows]),
        ("four seeds", [problem.rows] * 4),
        ("four of nine tenths", [train for train, _ in tenths]),
    ):
        began = time.monotonic()
        model = fit_again(learner, problem, again, rows, 0, watch, beside=min(len(rows), beside))
        timed(way, model, began)
    return found


def told(name: str, table: pd.DataFrame, target: str, draw: int, names: list[str]) -> pd.DataFrame:
    """A row for each learner and way: its score on the rows kept apart, and its seconds."""
    is_class = not pd.api.types.is_numeric_dtype(table[target])
    data = read(table, target=target)
    train, test = train_test_split(
        np.arange(len(table)),
        train_size=0.7,
        stratify=table[target] if is_class else None,
        random_state=draw,
    )
    metric = "log_loss" if is_class else "rmse"
    problem = frame(data.take(np.sort(train)), target, seed=0, metric=metric)
    apart = replace(problem, data=data, parts={**problem.parts, "test": np.sort(test)})
    rows = []
    for learner in names:
        for way, (model, seconds) in fits(learner, problem).items():
            value = get(metric).score(apart.truth("test"), model.predict(apart.part("test")), None)
            rows.append((name, draw, learner, way, value, seconds))
    found = pd.DataFrame(rows, columns=["table", "draw", "learner", "way", "score", "seconds"])
    shown = found.pivot(index="learner", columns="way", values="score")[[*WAYS]]
    print(f"{name}, draw {draw}\n{shown.round(4).to_string()}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--learners", nargs="*", default=[*LEARNERS])
    asked = parser.parse_args()
    found = []
    for name, (table, target) in twelve(asked.folder):
        if len(table) > MOST_ROWS or (asked.only and name not in asked.only):
            continue
        if not pd.api.types.is_numeric_dtype(table[target]):
            table = table[table[target].map(table[target].value_counts()) > 5]
        for draw in range(asked.draws):
            rows = table.reset_index(drop=True)
            found.append(told(name, rows, target, draw, asked.learners))
    whole = pd.concat(found)
    each = whole.pivot(
        index=["table", "draw", "learner"], columns="way", values=["score", "seconds"]
    )
    for value in ("score", "seconds"):
        shares = each[value].div(each[value]["folds"], axis=0)[[*WAYS]]
        print(f"{value}, in shares of what folds have, geometric means")
        for by in ("table", "learner"):
            means = np.exp(np.log(shares).groupby(level=by).mean())
            print(means.round(3).to_string())
        print("all", np.exp(np.log(shares).mean()).round(3).to_dict(), flush=True)
        if {"quick", "tabular"} <= {*asked.learners}:
            pair = each[value]["folds"].unstack("learner")
            ratio = np.log(pair["quick"] / pair["tabular"])
            print("the quick network, in shares of the usual one")
            print(np.exp(ratio.groupby(level="table").mean()).round(3).to_string())
            print("all", round(float(np.exp(ratio.mean())), 3), flush=True)


if __name__ == "__main__":
    main()
