"""A fit tells the architecture of what answers: in its folder, its report and at the command
line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.main import main
from tunesmith.core.architecture import Architecture
from tunesmith.tasks.classification import reviews


def table(rows: int = 240) -> pd.DataFrame:
    made = reviews(np.random.default_rng(0), rows)
    return pd.DataFrame({name: made.values(name) for name in ("text", "label")})


def fit(folder: Path, checkpoint: str, **more: Any) -> ts.Predictor:
    told: dict[str, Any] = {"learners": ["probe"], "trials": 1, "space": {}}
    told |= more
    told["space"] = {**told["space"], "probe": {"backbone": checkpoint}}
    return ts.fit(table(), "label", folder=folder, offline=True, **told)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(one) for one in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_fitted_network_is_told_drawn_and_written(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fit(tmp_path / "run", checkpoint)
    found = model.architecture
    assert found is not None
    assert (found.learner, found.backbone, len(found.blocks)) == ("probe", checkpoint, 2)
    measured = found.measured
    assert measured.metric == model.summary["metric"]
    assert measured.score == pytest.approx(model.leaderboard()[0]["score"])
    assert measured.parameters
    assert measured.latency_ms
    best = tmp_path / "run" / "best"
    assert Architecture.from_dict(json.loads((best / "architecture.json").read_text())) == found
    assert (best / "architecture.svg").read_text().startswith("<svg")
    assert "Architecture" in model.report().read_text()

    assert ts.load(tmp_path / "run").architecture == found
    capsys.readouterr()
    files = tmp_path / "found.svg", tmp_path / "found.json"
    run = ("architecture", tmp_path / "run", "--svg", files[0], "--json", files[1])
    assert command(*run) == 0
    assert capsys.readouterr().out == found.text() + "\n"
    assert files[0].read_text() == (best / "architecture.svg").read_text()
    assert json.loads(files[1].read_text()) == found.to_dict()


def test_who_is_no_network_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ts.fit(table(), "label", learners=["linear"], trials=1, folder=tmp_path / "run")
    assert run.architecture is None
    assert command("architecture", tmp_path / "run") == 2
    assert "no network" in capsys.readouterr().err
