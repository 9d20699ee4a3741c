"""A fit of rows that mix pictures, texts and columns: everything is read once, the model opens
alone, and the run can be taken apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("timm")

import tunesmith as ts
from tunesmith.core.events import read_journal
from tunesmith.core.records import Problem

KINDS = {"front": "image", "said": "text", "title": "text"}


def test_a_fit_reads_every_content_once_and_its_model_opens_alone(
    mixed: Problem,
    checkpoint: str,
    picture_checkpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNESMITH_STORE", str(tmp_path / "store"))
    names = ["front", "said", "title", "age", "label"]
    table = pd.DataFrame({name: mixed.data.values(name) for name in names})
    table.to_csv(tmp_path / "rows.csv", index=False)
    reads = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    model = ts.fit(
        tmp_path / "rows.csv",
        "label",
        trials=4,
        folder=tmp_path / "run",
        offline=True,
        kinds=KINDS,
        learners=["fusion", "lightgbm"],
        space={"fusion": {**reads, "batch_size": 32}, "lightgbm": {"rounds": 10}},
    )
    board = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    assert [row["status"] for row in board] == ["done"] * 4
    both = f"{checkpoint}, {picture_checkpoint}"
    assert {row["backbone"] for row in board if row["learner"] == "fusion"} == {both}
    assert both in {row["backbone"] for row in board if row["learner"] == "lightgbm"}
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    (told,) = [event.facts for event in events if event.kind == "store"]
    assert told["frozen_rows"] <= 2 * len(table)
    worth = model.ablation().set_index("what")
    assert set(worth.index) == {"front", "said", "title", "texts", "age"}
    assert worth.attrs["read_by"] == {"text": checkpoint, "image": picture_checkpoint}
    shutil.rmtree(tmp_path / "store")
    alone = shutil.copytree(model.place, tmp_path / "elsewhere")
    rows = table.drop(columns="label").head(8)
    found = ts.load(alone).predict_proba(rows).to_numpy()
    assert np.allclose(found, model.predict_proba(rows).to_numpy(), atol=0.05)
    rows.loc[:, ["front", "said"]] = None
    assert len(ts.load(alone).predict(rows)) == 8
