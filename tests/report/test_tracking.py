"""What MLflow and TensorBoard are told is what the leaderboard says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError, DataWarning
from tunesmith.core.events import Event
from tunesmith.report.tracking import TensorBoard, trackers
from tunesmith.tasks.classification import reviews


@pytest.fixture
def table() -> pd.DataFrame:
    made = reviews(np.random.default_rng(0), 120)
    return pd.DataFrame({name: made.cells[name] for name in ("text", "label")})


def test_mlflow_has_a_run_for_the_fit_and_one_for_each_trial(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    model = ts.fit(
        table, "label", trials=4, folder=tmp_path / "run", learners=["linear"], track=["mlflow"]
    )
    client = tracking.MlflowClient()
    experiment = client.get_experiment_by_name("tunesmith")
    found = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if run is not parent]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics[f"test_{model.summary['metric']}"] == model.summary["score"]
    told = sorted(run.data.metrics["score"] for run in children)
    assert told == sorted(row["score"] for row in model.leaderboard())
    assert {run.data.params["learner"] for run in children} == {"linear"}


def test_tensorboard_finds_its_files_in_the_run(table: pd.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    folder = tmp_path / "run"
    ts.fit(table, "label", trials=3, folder=folder, learners=["linear"], track=["tensorboard"])
    (file,) = (folder / "tensorboard").glob("events.out.tfevents*")
    content = file.read_bytes()
    assert b"scores/linear" in content
    assert b"test/" in content


def test_a_tracker_that_breaks_says_so_once_and_the_run_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    (tmp_path / "tensorboard").write_text("in the way")
    tracker, event = TensorBoard(tmp_path), Event("note", 1.0, {"text": "hello"})
    with pytest.warns(DataWarning, match="TensorBoard takes no more events"):
        tracker(event)
    tracker(event)


def test_a_tracker_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mlflow'"):
        trackers(["mlfow"], tmp_path)
