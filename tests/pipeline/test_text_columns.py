"""A fit of a table with texts beside other columns: the encoder reads a text once for all learners,
and its weights are saved once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.events import read_journal
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline import artifact, embedding, plan
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import Pins
from tunesmith.pipeline.results import kind_of
from tunesmith.tasks.classification import reviews


@pytest.fixture(scope="module")
def problem() -> Problem:
    data = reviews(np.random.default_rng(0), 160)
    return frame(data.with_columns(["text", "age", "label"]), "label", folds=0)


def planned(problem: Problem, pins: Pins | None = None) -> list[tuple[str, str]]:
    found, _ = plan.plan(problem, wanted=None, pins=pins or {}, clock=Clock(), offline=True)
    return [(one.learner, str(one.config.get("text", ""))) for one in found]


def test_after_the_probe_trees_see_what_the_encoder_made_of_the_texts(
    problem: Problem, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "lightest", lambda problem: (checkpoint, ""))
    both = {name: {"backbone": checkpoint} for name in ("probe", "neural")}
    order = planned(problem, both)
    place = order.index(("lightgbm", "both"))
    assert [order[place - 1][0], order[place + 1][0]] == ["probe", "neural"]
    assert ("lightgbm", "topics") in order[place:]
    pinned = planned(problem, {**both, "lightgbm": {"text": "topics"}})
    assert [one for one in pinned if one[0] == "lightgbm"] == [("lightgbm", "topics")]
    asked = {**both, "lightgbm": {"text": "embedding"}}
    found, _ = plan.plan(problem, wanted=None, pins=asked, clock=Clock(), offline=True)
    reads = [one.config["text_backbone"] for one in found if one.learner == "lightgbm"]
    assert reads == [checkpoint]


def test_without_a_checkpoint_the_plan_says_that_texts_are_topics(
    problem: Problem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    found, notes = plan.plan(problem, wanted=None, pins={}, clock=Clock(), offline=True)
    assert [c.config["text"] for c in found if c.learner == "lightgbm"] == ["topics"]
    assert "of texts beside other columns lightgbm sees topics: no pretrained weights" in str(notes)


def fit(table: pd.DataFrame, checkpoint: str, folder: Path, **more: Any) -> ts.Predictor:
    reads = {"text": "embedding", "text_backbone": checkpoint, "lr": 0.2, "rounds": 8}
    return ts.fit(
        table,
        "label",
        trials=2,
        folder=folder,
        offline=True,
        kinds={"text": "text"},
        learners=["probe", "lightgbm"],
        space={"probe": {"backbone": checkpoint, "strength": 0.1}, "lightgbm": reads},
        **more,
    )


def test_a_fit_reads_each_text_once_for_the_probe_and_the_trees(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_STORE", str(tmp_path / "store"))
    data = reviews(np.random.default_rng(0), 160)
    table = pd.DataFrame({name: data.cells[name] for name in ("text", "age", "label")})
    model = fit(table, checkpoint, tmp_path / "first")
    fit(table, checkpoint, tmp_path / "again")
    for name, most in (("first", len(table)), ("again", 0)):
        events = read_journal(tmp_path / name / "journal.jsonl")
        (told,) = [event.facts for event in events if event.kind == "store"]
        assert told["frozen_rows"] <= most
    board = json.loads((tmp_path / "again" / "leaderboard.json").read_text())
    assert {row["backbone"] for row in board if row["learner"] == "lightgbm"} == {checkpoint}
    shutil.rmtree(tmp_path / "store")
    alone = shutil.copytree(model.place, tmp_path / "elsewhere")
    rows = table.drop(columns="label").head(5)
    assert list(ts.load(alone).predict(rows)) == list(model.predict(rows))


def test_members_that_read_by_one_checkpoint_save_and_open_it_once(
    problem: Problem, checkpoint: str, tmp_path: Path
) -> None:
    members = []
    for name, pins in (
        ("probe", {"backbone": checkpoint}),
        ("lightgbm", {"text": "embedding", "text_backbone": checkpoint}),
    ):
        learner = learners[name]
        watch = Watch(Clock(), lambda score, progress: True)
        fitted = learner.fit(problem, default(learner.config, pins), 0, watch)
        (tmp_path / name).mkdir()
        fitted.save(tmp_path / name)
        members.append(Member(name, checkpoint, tmp_path / name, 0.5, 1))
    with FROZEN.checking():
        artifact.save(tmp_path / "made", problem, members, {}, {})
        probe, trees = (fitted for fitted, _ in artifact.load(tmp_path / "made").members)
    first, second = sorted((tmp_path / "made").rglob("encoder.safetensors"))
    assert first.samefile(second)
    assert probe.encoder is trees.embeddings[0].reads.encoder  # type: ignore[attr-defined]


def test_trees_that_read_are_a_kind_apart_from_those_that_do_not() -> None:
    config = {"text": "both", "text_backbone": "some"}
    reads = Result(Trial(1, "lightgbm", config, "", 0), "done")
    plain = Result(Trial(2, "lightgbm", {**config, "text": "topics"}, "", 0), "done")
    assert kind_of(reads) == ("lightgbm", "some")
    assert kind_of(plain) == ("lightgbm", "")
