"""From a CSV to a fine-tuned, proven, saved model that opens elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import UnsafeArtifact

from .conftest import Python, last_json

pytestmark = pytest.mark.weights
NEURAL = {"depth": 0.34, "epochs": 1, "max_length": 64}


@pytest.fixture(scope="module")
def fitted(weights: str, tables: Path, tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    """Every learner once, on real reviews and real weights."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    space = {"neural": {**NEURAL, "backbone": weights}, "probe": {"backbone": weights}}
    return ts.fit(
        tables / "train.csv",
        target="recommended",
        trials=6,
        space=space,
        metric="roc_auc",
        folder=folder,
        offline=True,
    )


def test_every_learner_was_tried_and_says_how_good_it_is(fitted: ts.Predictor) -> None:
    board = fitted.leaderboard()
    tried = {row["learner"] for row in board}
    assert tried == {"majority", "linear", "probe", "lightgbm", "neural"}
    assert all(row["status"] == "done" for row in board)
    assert all(row["low"] <= row["score"] <= row["high"] for row in board)
    assert all(row["predict_ms_per_row"] > 0 for row in board)
    majority = next(row for row in board if row["learner"] == "majority")
    assert board[0]["score"] > majority["score"] + 0.2


def test_the_score_is_of_rows_that_selected_nothing(fitted: ts.Predictor) -> None:
    summary = fitted.summary
    low, high = summary["interval"]
    assert low <= summary["score"] <= high
    assert summary["score_is"].startswith("test")
    assert summary["score_rows"] == summary["rows"]["test"]
    assert {"task", "metric", "split", "backbone", "winner"} <= set(summary["reasons"])
    problem = json.loads((fitted.folder / "problem.json").read_text())
    parts = [set(problem["parts"][name]) for name in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 400


def test_new_rows_are_answered_and_scored(fitted: ts.Predictor, tables: Path) -> None:
    answers = fitted.predict(tables / "test.csv")
    assert len(answers) == 300
    assert set(answers) <= {"yes", "no"}
    shares = fitted.predict_proba(pd.read_csv(tables / "test.csv"))
    assert list(shares.columns) == ["no", "yes"]
    assert np.allclose(shares.sum(axis=1), 1)
    found = fitted.evaluate(tables / "test.csv", metrics=["accuracy", "roc_auc"])
    assert found["roc_auc"].value > 0.75
    table = fitted.confusion(tables / "test.csv")
    assert table.to_numpy().sum() == 300
    assert float(np.trace(table)) / 300 == pytest.approx(found["accuracy"].value)


def test_one_row_is_answered_like_the_same_row_in_a_table(
    fitted: ts.Predictor, tables: Path
) -> None:
    row = pd.read_csv(tables / "test.csv").iloc[0].to_dict()
    alone = fitted.predict_proba(row).to_numpy()
    table = fitted.predict_proba(pd.DataFrame([row])).to_numpy()
    assert np.allclose(alone, table, atol=5e-3)


def test_a_new_process_without_a_network_gives_the_same_numbers(
    fitted: ts.Predictor, tables: Path, python: Python
) -> None:
    code = (
        "import json, tunesmith as ts\n"
        "model = ts.load(sys.argv[1])\n"
        "print(json.dumps(model.predict_proba(sys.argv[2])['yes'].tolist()))\n"
    )
    ran = python(code, str(fitted.folder), str(tables / "test.csv"))
    assert ran.returncode == 0, ran.stderr
    here = fitted.predict_proba(tables / "test.csv")["yes"]
    assert json.loads(ran.stdout) == here.tolist()


def test_the_artifact_moves_and_a_changed_byte_is_refused(
    fitted: ts.Predictor, tables: Path, tmp_path: Path
) -> None:
    shutil.copytree(fitted.folder / "best", tmp_path / "model")
    moved = ts.load(tmp_path / "model")
    table = tables / "test.csv"
    assert np.array_equal(moved.predict(table), fitted.predict(table))
    file = next((tmp_path / "model" / "members").rglob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UnsafeArtifact, match="was changed"):
        ts.load(tmp_path / "model")


OLD_SPELLING = """
from tunesmith import TextPrediction as task
train_data = task.Dataset(file_path='train.csv')
test_data = task.Dataset(file_path='test.csv')
predictor = task.fit(train_data=train_data, label='label', eval_metric='accuracy', auto_stack=True)
predictions = predictor.predict(test_data)
accuracy = predictor.evaluate(test_data, metrics=['accuracy'])
print(len(predictions), float(accuracy['accuracy']))
"""


def test_the_older_spelling_runs_as_it_stands(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: Python
) -> None:
    for name in ("train.csv", "test.csv"):
        frame = pd.read_csv(tables / name)[["text", "recommended"]]
        frame.rename(columns={"recommended": "label"}).to_csv(tmp_path / name, index=False)
    monkeypatch.setenv("TUNESMITH_BUDGET", "8s")
    ran = python(OLD_SPELLING, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    count, accuracy = ran.stdout.split()
    assert count == "300"
    assert 0.6 < float(accuracy) <= 1


def start(tables: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tunesmith", "fit", str(tables / "train.csv")]
    options = ["--target", "recommended", "--folder", str(folder), "--offline", *more]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path: Path, seconds: float = 60.0) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.05)


def test_killed_at_any_moment_the_best_so_far_opens(
    weights: str, tables: Path, tmp_path: Path
) -> None:
    process = start(tables, tmp_path / "run", "--budget", "60s")
    wait_for(tmp_path / "run" / "best" / "manifest.json")
    time.sleep(1.0)
    process.kill()
    process.communicate()
    model = ts.load(tmp_path / "run")
    assert len(model.predict(tables / "test.csv")) == 300
    assert model.summary["score_is"] == "validation"


def test_ctrl_c_ends_with_the_best_so_far(weights: str, tables: Path, tmp_path: Path) -> None:
    process = start(tables, tmp_path / "run", "--budget", "120s", "--json")
    wait_for(tmp_path / "run" / "trials" / "0002" / "result.json")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "interrupted" in err
    summary = last_json(out)
    assert summary["seconds"] < 60
    assert len(ts.load(tmp_path / "run").predict(tables / "test.csv")) == 300


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [20, 60])
def test_a_budget_is_kept(weights: str, tables: Path, tmp_path: Path, seconds: int) -> None:
    began = time.monotonic()
    process = start(tables, tmp_path / "run", "--budget", f"{seconds}s", "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert time.monotonic() - began <= seconds + max(2.0, 0.03 * seconds)
    assert last_json(out)["trials"] >= 3
