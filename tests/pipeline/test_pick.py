"""A quicker or smaller model of a run is picked within limits, and is a whole artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

import tunesmith as ts
from tunesmith.core.costs import Costs, RowCosts
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.predictions import ClassScores
from tunesmith.core.runfolder import RunFolder
from tunesmith.pipeline.validation import Validation
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


def test_a_picked_model_is_calibrated_by_its_own_answers(
    model: ts.Predictor, table: pd.DataFrame
) -> None:
    limit = min(row["size_mb"] for row in model.leaderboard())
    picked = model.pick(max_size_mb=limit)
    trial = picked.summary["best"]["trial"]
    place = RunFolder.open(model.folder).trial(trial)
    answers = load_file(place / "predictions.safetensors")["valid"]
    known = picked.model.after.known()
    assert known.rows == len(answers)
    kept = np.array(known.codes)
    after = replace(picked.model.after, conformal=None)
    seen = after.apply(ClassScores(picked.model.classes, answers))
    own = seen.array()[np.arange(len(kept)), kept]
    np.testing.assert_allclose(known.given, own, atol=1e-6)
    assert picked.summary["reasons"]["calibration"]
    held = picked.coverage(table, 0.8)["held"]
    assert held >= 0.75
    assert len(picked.predict(table, abstain=0.2)) == len(table)


def test_validation_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    costs = Costs(((0.0, 1.0), (0.0, 0.0)), ((1, 0, 1.0, "amount"),))
    amounts, dice = np.array([0.0, 0.5, 2.0, 3.0]), np.random.default_rng(0)
    written = Validation(
        "cost",
        ("no", "yes"),
        7,
        np.array([0, 2, 3, 5]),
        np.array([0, 1, 1, 0]),
        dice.random(4),
        RowCosts(np.array(costs.fixed), ((1, 0, amounts),)),
    )
    written.write(tmp_path)
    read = Validation.read(tmp_path, metric="cost", classes=("no", "yes"), costs=costs)
    assert read is not None
    whole = ClassScores(("no", "yes"), np.full((6, 2), 0.5))
    decided = [one.answered(whole) for one in (written, read)]
    codes = [one.codes().tolist() for one in decided if isinstance(one, ClassScores)]
    assert codes == [[0, 0, 1, 1], [0, 0, 1, 1]]
    np.testing.assert_array_equal(read.weights, written.weights)
    assert read.seed == 7
    assert Validation.read(tmp_path / "none", metric="cost", classes=(), costs=None) is None
    (tmp_path / "validation.safetensors").write_bytes(b"broken")
    with pytest.raises(DataError, match="cannot be understood"):
        Validation.read(tmp_path, metric="cost", classes=("no", "yes"), costs=costs)


def test_what_none_can_do_is_told_with_how_far_they_go(model: ts.Predictor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the smallest has"):
        model.pick(max_size_mb=1e-9)
    with pytest.raises(ConfigError, match="positive"):
        model.pick(max_latency_ms=0)
    RunFolder.create(tmp_path / "new")
    with pytest.raises(DataError, match="no final model yet"):
        ts.Predictor(tmp_path / "new").pick()
