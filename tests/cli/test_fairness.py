"""A fit with sensitive columns tells their gaps; so does `evaluate --by`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError, DataError

Command = Callable[..., Any]


def table(rows: int = 1_000) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    sex = dice.choice(["f", "m"], rows)
    income = dice.normal(size=rows) + (sex == "m")
    label = np.where(income + dice.normal(scale=0.5, size=rows) > 0.5, "yes", "no")
    named = pd.DataFrame({"income": income, "sex": sex, "name": [f"n{i:04d}" for i in range(rows)]})
    return named.assign(label=label)


def test_sensitive_columns_are_in_the_summary_the_metrics_and_the_table(
    tmp_path: Path, command: Command
) -> None:
    run, file = tmp_path / "run", tmp_path / "data.csv"
    data = table()
    data.to_csv(file, index=False)
    model = ts.fit(
        file, "label", trials=2, learners=["linear"], folder=run, sensitive=["sex", "name"]
    )
    found = model.summary["fairness"]
    assert "'sex' is an input" in found["sex"]["message"]
    assert "'name' is not an input" in found["name"]["message"]
    assert found["name"]["gaps"] == {}
    assert found["sex"]["gaps"]["demographic parity difference"]["value"] > 0.1
    saved = json.loads((run / "best" / "metrics.json").read_text())
    assert saved["fairness"]["sex"]["gaps"].keys() == found["sex"]["gaps"].keys()

    model.fairness(data, ["sex", "name"])
    with pytest.raises(DataError, match="no column 'sexe'"):
        model.fairness(data, ["sexe"])
    with pytest.raises(ConfigError, match="no label 'maybe'"):
        model.fairness(data, ["sex"], positive="maybe")

    shown = command("evaluate", run, file, "--by", "sex")
    assert shown.status == 0
    assert "By 'sex'; selected: 'yes'" in shown.out
    assert "equalised odds difference" in shown.out
    told = command("evaluate", run, file, "--by", "sex", "--json")
    assert set(json.loads(told.out)["sex"]) == {"column", "positive", "groups", "gaps"}
    wrong = command("evaluate", run, file, "--by", "sexe")
    assert wrong.status == 2
    assert "Traceback" not in wrong.err


def test_a_sensitive_column_that_is_not_there_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'sexe'"):
        ts.fit(table(), "label", trials=1, folder=tmp_path / "run", sensitive=["sexe"])
    assert not (tmp_path / "run").exists()
