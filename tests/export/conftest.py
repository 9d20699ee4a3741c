"""A table whose names and labels are written to break out of a script, and runs on it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts

NUMBER, LEVEL, DAY, TARGET = '"); import os #', 'it\'s "odd"\n{name}', "day\\", "'''label"
LABELS = ('say "no"\n', "it's '''yes'''")
Load = Callable[[Path], ModuleType]


def table(rows: int = 240) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    good = dice.random(rows) < 0.5
    words = np.where(good ^ (dice.random(rows) < 0.25), "lovely soft", "awful torn")
    amount = (dice.normal(size=rows) + good).round(3).astype(str)
    amount[::9] = "?"
    day = pd.Timestamp("2024-01-31") + pd.to_timedelta(dice.integers(0, 900, rows), "D")
    return pd.DataFrame(
        {
            "first": [f"{word} dress number {i}" for i, word in enumerate(words)],
            "second": [f"size {i} of {i * i} fits" if i % 4 else "" for i in range(rows)],
            NUMBER: amount,
            LEVEL: dice.choice(["TRUE", "1.0", "b", " NA"], rows),
            DAY: day.strftime("%d.%m.%Y"),
            TARGET: np.where(good, LABELS[1], LABELS[0]),
            "amount": 2 * good + dice.normal(size=rows).round(3) + (np.arange(rows) % 7),
        }
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("nasty") / 'it\'s "the" {data}.csv'
    table().to_csv(file, index=False)
    return file


@pytest.fixture(scope="session")
def run(data: Path) -> ts.Predictor:
    """Labels told apart by a blend or one of two linear models."""
    return ts.fit(
        data, TARGET, trials=2, learners=["linear"], metric="log_loss", folder=data.parent / "run"
    )


@pytest.fixture(scope="session")
def load() -> Load:
    """Opens `train.py` of a folder as a module."""

    def opened(folder: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location("train", folder / "train.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return opened
