"""A quicker or smaller model of a run is picked within limits, and is a whole artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.runfolder import RunFolder
from tunesmith.tasks.classification import reviews


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    made = reviews(np.random.default_rng(0), 200)
    return pd.DataFrame({name: made.cells[name] for name in ("text", "age", "label")})


@pytest.fixture(scope="module")
def model(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("runs") / "one"
    return ts.fit(table, "label", trials=10, folder=folder, learners=["linear"])


def test_the_front_holds_who_is_beaten_by_none(model: ts.Predictor) -> None:
    board = [row for row in model.leaderboard() if row["rank"]]
    on_front = [row for row in board if row["pareto"]]
    assert 1 <= len(on_front) < len(board)
    best = max(row["score"] for row in board)
    assert any(row["score"] == best for row in on_front)
    smallest = min(row["size_mb"] for row in board)
    assert any(row["pareto"] for row in board if row["size_mb"] == smallest)


def test_without_limits_the_final_model_is_picked(model: ts.Predictor) -> None:
    assert model.pick().folder == model.place


def test_within_a_limit_the_best_single_model_is_a_whole_artifact(
    model: ts.Predictor, table: pd.DataFrame
) -> None:
    sizes = {row["trial"]: row["size_mb"] for row in model.leaderboard()}
    limit = sorted(sizes.values())[len(sizes) // 2]
    picked = model.pick(max_size_mb=limit)
    trial = picked.summary["best"]["trial"]
    assert sizes[trial] <= limit
    within = [row for row in model.leaderboard() if row["rank"] and row["size_mb"] <= limit]
    assert picked.summary["score"] == pytest.approx(max(row["score"] for row in within))
    again = ts.load(picked.folder)
    np.testing.assert_array_equal(again.predict(table), picked.predict(table))
    assert model.pick(max_size_mb=limit).folder == picked.folder


def test_what_none_can_do_is_told_with_how_far_they_go(model: ts.Predictor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the smallest has"):
        model.pick(max_size_mb=1e-9)
    with pytest.raises(ConfigError, match="positive"):
        model.pick(max_latency_ms=0)
    RunFolder.create(tmp_path / "new")
    with pytest.raises(DataError, match="no final model yet"):
        ts.Predictor(tmp_path / "new").pick()
