"""A script fits a model for each fold, by the rows' weights, and decides by what answers cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts

WEIGHT, AMOUNT, TARGET = '"); import os #', "it's {amount}", "'''label"
ROWS = 400


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dice = np.random.default_rng(0)
    bad = dice.random(ROWS) < 0.3
    table = pd.DataFrame(
        {
            "x": dice.normal(size=ROWS) + 1.5 * bad,
            "level": np.where(bad ^ (dice.random(ROWS) < 0.3), "a", "b"),
            AMOUNT: dice.integers(1, 50, ROWS),
            WEIGHT: dice.choice([0.5, 1.0, 4.0], ROWS),
            TARGET: np.where(bad, "bad\n{0}", 'so "good"'),
            "price": 2 * bad + dice.normal(size=ROWS),
        }
    )
    place = tmp_path_factory.mktemp("rows") / "data.csv"
    table.to_csv(place, index=False)
    return place


def run(train: ModuleType, monkeypatch: pytest.MonkeyPatch, out: Path, *more: str) -> float:
    """The score that a script tells."""
    monkeypatch.setattr(sys, "argv", ["train.py", "--out", str(out), *more])
    train.main()
    return float(json.loads((out / "score.json").read_text())["score"])


def test_folds_weights_and_costs_are_those_of_the_run(
    file: Path,
    tmp_path: Path,
    load: Callable[[Path], ModuleType],
    laid_out: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = ts.fit(
        file,
        TARGET,
        trials=2,
        learners=["linear"],
        folds=3,
        weights=WEIGHT,
        costs={"bad\n{0}": {'so "good"': AMOUNT}, 'so "good"': {"bad\n{0}": 5}},
        folder=tmp_path / "run",
    )
    facts = predictor.export_code(tmp_path / "code", check=False)
    assert facts["metric"] == "cost"
    assert facts["notes"] == []
    train = load(tmp_path / "code")
    value = run(train, monkeypatch, tmp_path / "model", "--all-rows")
    assert facts["winner"]["low"] <= value <= facts["winner"]["high"]
    assert laid_out(tmp_path / "code" / "train.py") == ""
    table = train.read(train.DATA)
    shares = train.predict_proba(table, tmp_path / "model")
    assert np.abs(shares - predictor.predict_proba(file).to_numpy()).mean() < 0.02
    same = train.predict(table, tmp_path / "model") == predictor.predict(file)
    assert same.mean() > 0.95
