"""What a run's export refuses, what it leaves out, and that it says where a script differs."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.contracts import Exporter
from tunesmith.export import exporters


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("export") / "data.csv"
    dice = np.random.default_rng(0)
    x = dice.normal(size=100)
    label = np.where(x + dice.normal(size=100) > 0, "a", "b")
    pd.DataFrame({"x": x.round(3), "label": label}).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def run(table: Path) -> ts.Predictor:
    return ts.fit(
        table, "label", trials=2, learners=["majority", "linear"], folder=table.parent / "run"
    )


def exported(run: ts.Predictor, folder: Path, **options: object) -> dict[str, object]:
    return run.export_code(folder, check=False, **options)


def test_a_folder_that_holds_something_is_left_alone(run: ts.Predictor, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ts.ConfigError, match="not an empty folder"):
            exported(run, place)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_no_run_is_refused(tmp_path: Path, run: ts.Predictor) -> None:
    for place, told in ((tmp_path / "no", "no run folder"), (run.folder / "best", "not a run")):
        with pytest.raises(ts.DataError, match=told):
            exported(ts.Predictor(place), tmp_path / "out")


def test_data_that_is_gone_or_changed_is_refused(
    run: ts.Predictor, table: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(table)
    changed = tmp_path / "changed.csv"
    rows.assign(x=rows["x"] + 1).to_csv(changed, index=False)
    with pytest.raises(ts.DataError, match="does not hold what this run was fitted to"):
        exported(run, tmp_path / "a", source=changed)
    with pytest.raises(ts.DataError, match="There is no file"):
        exported(run, tmp_path / "b", source=tmp_path / "gone.csv")
    moved = tmp_path / "moved.csv"
    shutil.copy(table, moved)
    exported(run, tmp_path / "c", source=moved)
    assert str(moved) in (tmp_path / "c" / "train.py").read_text()


def test_an_object_in_memory_needs_a_file(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    run = ts.fit(rows, "label", trials=1, learners=["majority"], folder=tmp_path / "run")
    with pytest.raises(ts.ConfigError, match="object in memory"):
        exported(run, tmp_path / "a")
    assert exported(run, tmp_path / "b", source=table)["metric"] == "accuracy"


def test_without_an_exporter_the_best_model_that_has_one_is_written(
    run: ts.Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Exporter] = {"majority": exporters["majority"]}
    monkeypatch.setattr(exporters, "_plugins", kept)
    facts = exported(run, tmp_path / "code")
    assert [one["learner"] for one in facts["left_out"]] == ["linear"]  # type: ignore[index, attr-defined]
    assert [one["learner"] for one in facts["models"]] == ["majority"]  # type: ignore[index, attr-defined]
    # It is compared with what that model itself scores, not with the run's best.
    assert facts["winner"]["score"] < run.summary["score"]  # type: ignore[index]
    monkeypatch.setattr(exporters, "_plugins", {})
    with pytest.raises(ts.ConfigError, match="no exporter for the learner 'linear'"):
        exported(run, tmp_path / "none")


def test_a_score_beyond_the_interval_is_said_aloud(
    run: ts.Predictor, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tunesmith.cli.main import main

    other = tmp_path / "run"
    shutil.copytree(run.folder, other)
    file = other / "best" / "metrics.json"
    told = json.loads(file.read_text())
    told["test"]["accuracy"] |= {"score": 0.1, "low": 0.05, "high": 0.15}
    file.write_text(json.dumps(told))
    manifest = json.loads((other / "best" / "manifest.json").read_text())
    content = file.read_bytes()

    manifest["files"]["metrics.json"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (other / "best" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit) as end:
        main(["export", str(other), "--code", str(tmp_path / "code"), "--check"])
    assert end.value.code == 1
    assert "DIFFERS" in capsys.readouterr().out
    facts = json.loads((tmp_path / "code" / "export.json").read_text())
    assert facts["agrees"] is False
    assert facts["script"]["score"] == pytest.approx(run.summary["score"], abs=0.05)
