"""Rows to label: what those that `to_label` chooses are worth beside rows drawn at random.

    python benchmarks/to_label.py banking77|adult FOLDER [--runs 3]

A model of few rows chooses among many; with the labels of what it chose it is fitted again (the
linear learner, one trial), and scored on rows kept apart. Told are the gains over the first model,
by `to_label`, by uncertainty alone and at random, in accuracy points, the mean over the runs.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from slices import HEADS

import tunesmith as ts

SETS = {"banking77": (600, 300), "adult": (200, 100)}
"""Rows of the first model, and rows that are labelled then."""
MANY = 5_000


def rows_of(name: str, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    if name == "adult":
        whole = pd.read_csv(folder / "train.csv", names=HEADS, skipinitialspace=True)
        return whole.iloc[:20_000], whole.iloc[20_000:26_000], "income"
    return pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv"), "category"


def fitted(rows: pd.DataFrame, target: str, seed: int) -> ts.Predictor:
    folder = Path(tempfile.mkdtemp()) / "run"
    return ts.fit(rows, target, trials=1, learners=["linear"], seed=seed, folder=folder, folds=0)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("name", choices=SETS)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--runs", type=int, default=3)
    options = asked.parse_args()
    warnings.simplefilter("ignore")
    train, test, target = rows_of(options.name, options.folder)
    few, count = SETS[options.name]
    gains: dict[str, list[float]] = {"to_label": [], "uncertainty": [], "random": []}
    for seed in range(options.runs):
        dice = np.random.default_rng(seed)
        order = dice.permutation(len(train))
        known, pool = train.iloc[order[:few]], train.iloc[order[few : few + MANY]]
        first = fitted(known, target, seed)
        base = float((first.predict(test) == test[target]).mean())
        unsure = np.sort(first.predict_proba(pool.drop(columns=target)).to_numpy(), axis=1)
        chosen = {
            "to_label": first.to_label(pool.drop(columns=target), count)["line"].to_numpy() - 1,
            "uncertainty": np.argsort(unsure[:, -1] - unsure[:, -2])[:count],
            "random": dice.permutation(len(pool))[:count],
        }
        for how, rows in chosen.items():
            again = fitted(pd.concat([known, pool.iloc[rows]]), target, seed)
            gains[how].append(float((again.predict(test) == test[target]).mean()) - base)
    for how, each in gains.items():
        told = ", ".join(f"{100 * one:+.1f}" for one in each)
        print(f"{options.name}, {few} + {count} rows: {how:12} {100 * np.mean(each):+.2f} ({told})")


if __name__ == "__main__":
    main()
