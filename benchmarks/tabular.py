"""The network for tables beside gradient boosting with its defaults, and what their mean gains.

    python benchmarks/tabular.py FOLDER [--set network=RealMLP] [--splits 10] [--only adult]

FOLDER holds adult/ (train.csv, test.csv; the first 10,000 rows of each are taken) and
german_credit/ (german.csv; 70 % to learn from). A fifth of the rows to learn from ends the training
of the network; boosting is fitted to the same four fifths ("train") and to all ("all").
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.pins import read_pins
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._tabular_inputs import TabularInputs
from tunesmith.pipeline.frame import frame

ADULT_ROWS = 10_000


def adult(folder: Path) -> Problem:
    train, test = (
        pd.read_csv(
            folder / "adult" / f"{name}.csv",
            header=None,
            skipinitialspace=True,
            na_values="?",
            nrows=ADULT_ROWS,
        ).add_prefix("a")
        for name in ("train", "test")
    )
    test["a14"] = test["a14"].str.rstrip(".")
    return problem(train, test, "a14", 0)


def german(folder: Path, seed: int) -> Problem:
    whole = pd.read_csv(folder / "german_credit" / "german.csv", header=None).add_prefix("a")
    whole["a20"] = whole["a20"].map({1: "good", 2: "bad"})
    train, test = train_test_split(whole, test_size=0.3, stratify=whole["a20"], random_state=seed)
    return problem(train, test, "a20", seed)


def problem(train: pd.DataFrame, test: pd.DataFrame, target: str, seed: int) -> Problem:
    data = read(pd.concat([train, test], ignore_index=True))
    rows, labels = np.arange(len(train)), train[target].to_numpy()
    fitted, valid = train_test_split(rows, test_size=0.2, stratify=labels, random_state=seed)
    parts = {"train": np.sort(fitted), "valid": np.sort(valid)}
    parts["test"] = np.arange(len(train), len(data))
    return replace(frame(data, target, seed=seed), metric="roc_auc", parts=parts)


def boosted(given: Problem, parts: tuple[str, ...]) -> np.ndarray:
    """What LightGBM with its defaults gives the test rows, fitted to some parts."""
    rows = np.concatenate([given.parts[part] for part in parts])
    inputs = TabularInputs.fit(given.data.take(rows), given.inputs, "robust", 0)
    numbers = len(inputs.scales)
    model = lightgbm.LGBMClassifier(verbose=-1).fit(
        inputs.raw(given.data.take(rows)),
        given.encode(given.data.values(given.target)[rows]),
        categorical_feature=list(range(numbers, numbers + len(inputs.levels))),
    )
    return np.asarray(model.predict_proba(inputs.raw(given.part("test"))))[:, 1]


def measured(given: Problem, pins: dict[str, Any]) -> tuple[float, ...]:
    """ROC AUC of boosting on train and on all, of the network, of its mean with the former; and
    the seconds that the network took."""
    truth = given.truth("test")
    some, all_ = boosted(given, ("train",)), boosted(given, ("train", "valid"))
    began = time.perf_counter()
    config = default(learners["tabular"].config, pins)
    model = learners["tabular"].fit(given, config, 0, Watch(Clock(), lambda score, share: True))
    seconds = time.perf_counter() - began
    network = model.predict(given.part("test")).array()[:, 1]
    found = (some, all_, network, (some + network) / 2)
    return (*(float(roc_auc_score(truth, one)) for one in found), seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[], help="field=value of the config")
    parser.add_argument("--splits", type=int, default=10, help="of the German credit table")
    parser.add_argument("--only", choices=("adult", "german"))
    told = parser.parse_args()
    fields = dict(one.split("=", 1) for one in told.set)
    pins = {
        path: _value(value) for path, value in read_pins({"tabular": fields})["tabular"].items()
    }
    print("data  boosting: train  all  network  mean  seconds")
    for name, given in _problems(told.folder, told.splits, told.only):
        found = np.array([measured(one, pins) for one in given])
        spread = 1.96 * found.std(axis=0, ddof=1) / len(found) ** 0.5 if len(found) > 1 else None
        print(name, *(f"{value:.4f}" for value in found.mean(axis=0)))
        if spread is not None:
            print("±", *(f"{value:.4f}" for value in spread))


def _problems(
    folder: Path, splits: int, only: str | None
) -> Iterator[tuple[str, Iterator[Problem]]]:
    if only != "german":
        yield "adult", iter([adult(folder)])
    if only != "adult":
        yield "german", (german(folder, seed) for seed in range(splits))


def _value(text: Any) -> Any:
    try:
        return float(text) if "." in str(text) or "e" in str(text) else int(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
