"""An explainable boosting machine beside the model that answers: chosen, priced, saved, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.fit import fit_lines
from tunesmith.core.errors import ConfigError

pytest.importorskip("interpret")


def table(rows: int = 240) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    cells = dice.normal(size=(rows, 2))
    shop = dice.choice(["a", "b", "c"], rows)
    bad = cells @ [1.5, -1.0] + (shop == "c") + dice.normal(size=rows) > 0.8
    named = pd.DataFrame(cells, columns=["x", "y"])
    return named.assign(shop=shop, label=np.where(bad, "bad", "good"))


def test_a_run_tells_the_price_of_the_model_that_was_asked_for(tmp_path: Path) -> None:
    model = ts.fit(
        table(),
        "label",
        trials=2,
        folds=0,
        folder=tmp_path / "run",
        learners=["linear"],
        interpretable="ebm",
        sensitive=["shop"],
        metric="roc_auc",
    )
    price = model.summary["interpretable"]
    assert price["learner"] == "ebm"
    assert price["low"] <= price["gain"] <= price["high"]
    assert "an explainable boosting machine has roc_auc" in price["message"]
    lines = fit_lines(model.summary)
    assert price["message"] in lines
    told = price["fairness"]["shop"]["message"]
    assert "an input of an explainable boosting machine" in told
    assert f"fairness: {told}" in lines
    alone = ts.load(tmp_path / "run" / "interpretable")
    added = model.contributions(table()).sum(axis=1)
    odds = np.log(1 / alone.predict_proba(table())["bad"] - 1)
    assert np.allclose(odds, added)
    terms = model.terms()
    assert {"feature", "bin", "log odds of 'good'", "rows"} == set(terms.columns)
    assert {"intercept", "x", "y"} <= set(terms["feature"])


def test_what_cannot_be_fitted_to_be_read_is_told_before_any_work(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"'scorecard' or 'ebm', True or False; not 'tree'"):
        ts.fit(table(), "label", trials=1, folder=folder, interpretable="tree")
    numbers = table().assign(label=np.arange(240.0))
    with pytest.raises(ConfigError, match=r"'scorecard', cannot be fitted: .* two classes"):
        ts.fit(numbers, "label", trials=1, folder=folder, interpretable="scorecard")
    pins = {"ebm": {"rising": "z"}}
    with pytest.raises(ConfigError, match="no column of numbers or dates 'z'"):
        ts.fit(table(), "label", trials=1, folder=tmp_path / "other", space=pins)


def test_none_stands_beside_where_none_is_wanted(tmp_path: Path) -> None:
    wanted = ["linear", "scorecard"]
    model = ts.fit(
        table(),
        "label",
        trials=2,
        folds=0,
        folder=tmp_path / "run",
        learners=wanted,
        interpretable=False,
    )
    assert "interpretable" not in model.summary
