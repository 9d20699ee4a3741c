"""The scorecard beside the model: its price in score, saved, read, asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.fit import fit_lines
from tunesmith.core.errors import ConfigError


def table(rows: int = 300) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    cells = dice.normal(size=(rows, 3))
    shop = dice.choice(["a", "b", "c"], rows)
    bad = cells @ [1.5, -1.0, 0.0] + (shop == "c") + dice.normal(size=rows) > 0.8
    named = pd.DataFrame(cells, columns=["x", "y", "z"])
    return named.assign(shop=shop, label=np.where(bad, "bad", "good"))


def test_a_run_tells_the_price_of_a_model_that_can_be_read(tmp_path: Path) -> None:
    model = ts.fit(table(), "label", trials=3, folder=tmp_path / "run", metric="roc_auc")
    price = model.summary["interpretable"]
    assert price["low"] <= price["gain"] <= price["high"]
    assert np.isclose(price["gain"], price["score"] - price["against"])
    assert np.isclose(price["against"], model.summary["score"])
    assert price["message"] in fit_lines(model.summary)
    card = model.scorecard()
    assert {"feature", "bin", "points"} <= set(card.columns)
    assert card["points"].dtype == np.int64
    points = model.scorecard_points(table())
    assert (points["points"] == points.drop(columns="points").sum(axis=1)).all()
    alone = ts.load(tmp_path / "run" / "interpretable")
    answers = alone.predict_proba(table())["good"]
    sign = 1 if answers.corr(points["points"]) > 0 else -1
    assert np.allclose(answers.rank(), (sign * points["points"]).rank())
    pd.testing.assert_frame_equal(alone.scorecard(), card)


def test_where_none_was_tried_there_is_none(tmp_path: Path) -> None:
    model = ts.fit(table(), "label", trials=1, learners=["linear"], folder=tmp_path / "run")
    assert "interpretable" not in model.summary
    with pytest.raises(ConfigError, match="holds no scorecard"):
        model.scorecard()
