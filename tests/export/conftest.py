"""A table whose names and labels are written to break out of a script, and runs on it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.records import Problem
from tunesmith.export._answers import PLAIN, Answers
from tunesmith.export._data import reading
from tunesmith.export._ensembles import Part
from tunesmith.export._scores import measure
from tunesmith.export._script import write

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


@pytest.fixture(scope="session")
def laid_out() -> Callable[[Path], str]:
    """What a formatter and a linter say of a script; empty where they say nothing."""

    def told(script: Path) -> str:
        tool = Path(sys.executable).with_name("ruff")
        commands = (
            ["format", "--diff", "-q", "--line-length", "88"],
            ["check", "-q", "--select", "F,I,B,UP"],
        )
        return "".join(
            subprocess.run(
                [tool, *command, "--isolated", script], capture_output=True, text=True
            ).stdout
            for command in commands
        )

    return told


@pytest.fixture(scope="session")
def written(data: Path, load: Load, laid_out: Callable[[Path], str]) -> Callable[..., ModuleType]:
    """Writes the script of recipes for a problem of the table, well laid out, and opens it."""

    def made(
        problem: Problem, folder: Path, *parts: Part, source: Path = data, after: Answers = PLAIN
    ) -> ModuleType:
        place = str(source)
        how, found = (
            reading(place, (place,), problem.data),
            measure(problem.metric, len(problem.classes)),
        )
        assert found is not None
        script = write(
            *(problem, how, how.table((place,)), [(part, 1 / len(parts)) for part in parts]),
            metric=problem.metric,
            measure=found,
            version="test",
            after=after,
        )
        (folder / "train.py").write_text(script.code)
        folds = {"folds": [held.tolist() for _, held in problem.folds]} if problem.folds else {}
        rows = {name: rows.tolist() for name, rows in problem.parts.items()}
        told = {"rows": len(problem.data), **rows, **folds}
        (folder / "split.json").write_text(json.dumps(told))
        assert laid_out(folder / "train.py") == ""
        return load(folder)

    return made
