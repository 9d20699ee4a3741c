"""`tunesmith terms`: the tables of a model that can be read, short, whole, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts

Command = Callable[..., Any]


def table() -> pd.DataFrame:
    dice = np.random.default_rng(0)
    x, shop = dice.normal(size=200), dice.choice(["a", "b"], 200)
    label = np.where(x + (shop == "b") + dice.normal(size=200) > 0.5, "bad", "good")
    return pd.DataFrame({"x": x, "shop": shop, "label": label})


@pytest.mark.parametrize("kind", ["ebm", "scorecard"])
def test_the_tables_are_printed(kind: str, tmp_path: Path, command: Command) -> None:
    if kind == "ebm":
        pytest.importorskip("interpret")
    folder = str(tmp_path / "run")
    ts.fit(table(), "label", trials=1, folds=0, learners=[kind], interpretable=kind, folder=folder)
    short = command("terms", folder).out
    assert "feature" in short
    assert any(line.startswith("x ") and " to below " in line for line in short.splitlines())
    whole = command("terms", folder, "--bins", "0").out
    assert len(whole.splitlines()) > len(short.splitlines()) if kind == "ebm" else whole == short
    told = json.loads(command("terms", folder, "--json").out)["terms"]
    assert {line["feature"] for line in told} >= {"x", "shop"}


def test_where_nothing_can_be_read_it_says_so(tmp_path: Path, command: Command) -> None:
    folder = str(tmp_path / "run")
    ts.fit(table(), "label", trials=1, folds=0, learners=["linear"], folder=folder)
    ran = command("terms", folder)
    assert ran.status == 2
    assert "no scorecard or other model" in " ".join(ran.err.split())
