"""Planning of rows that mix pictures with other columns: who reads them, and at which size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("timm")

from tunesmith.core.clock import Clock
from tunesmith.core.records import Candidate, Problem, Result, Score, Trial
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.pipeline import embedding, plan
from tunesmith.pipeline.export_models import Chosen, _refusal
from tunesmith.pipeline.plan import Pins
from tunesmith.pipeline.standing import as_read


def planned(
    problem: Problem, pins: Pins, wanted: list[str] | None = None, seconds: float = 600.0
) -> tuple[list[Candidate], str]:
    clock = Clock(seconds, lambda: 0.0)
    found, notes = plan.plan(problem, wanted=wanted, pins=pins, clock=clock, offline=True)
    return list(found), str(notes)


def test_after_the_probe_trees_see_its_pictures_at_its_size(
    mixed: Problem, picture_checkpoint: str
) -> None:
    problem = replace(mixed, inputs=("front", "age"))
    pins = {"probe": {"backbone": picture_checkpoint, "size": 96}}
    found, _ = planned(problem, pins, ["probe", "lightgbm"])
    assert [one.learner for one in found] == ["lightgbm", "probe", "lightgbm"]
    config = found[2].config
    assert config["pictures"] == "embedding"
    assert config["picture_backbone"] == picture_checkpoint
    assert config["picture_size"] == 96
    assert "pictures" in found[2].reason
    pinned, _ = planned(problem, {**pins, "lightgbm": {"pictures": "none"}}, ["probe", "lightgbm"])
    assert [one.learner for one in pinned] == ["lightgbm", "probe"]


def test_without_a_checkpoint_the_plan_says_that_pictures_are_not_seen(
    mixed: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.zoo.is_here", lambda card: False)
    found, notes = planned(replace(mixed, inputs=("front", "age")), {}, ["lightgbm"])
    assert [one.config["pictures"] for one in found] == ["none"]
    assert "of pictures beside other columns lightgbm sees none: no pretrained weights" in notes


def test_under_a_deadline_pictures_are_read_smaller(
    mixed: Problem, picture_checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "lightest_of_pictures", lambda problem: (picture_checkpoint, ""))
    monkeypatch.setattr(embedding, "reading_seconds", lambda card, problem: 100.0)
    problem = replace(mixed, inputs=("front", "age"))
    sizes = [
        planned(problem, {}, ["lightgbm"], seconds)[0][-1].config["picture_size"]
        for seconds in (60.0, 200.0, 3600.0)
    ]
    assert sizes == [64, 96, 0]


def test_pictures_beside_texts_are_fused_and_trees_read_as_the_fusion_does(
    mixed: Problem, checkpoint: str, picture_checkpoint: str
) -> None:
    reads = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    found, notes = planned(mixed, {"fusion": reads})
    names = [one.learner for one in found]
    ways = [one.config["fusion"] for one in found if one.learner == "fusion"]
    assert len(ways) == 3
    assert "probe" not in names
    place = names.index("fusion")
    assert names[place : place + 4] == ["fusion", "fusion", "lightgbm", "fusion"]
    trees = found[place + 2]  # once the heads that are quick have been tried
    assert trees.config["text_backbone"] == checkpoint
    assert trees.config["picture_backbone"] == picture_checkpoint
    assert "fusion is left out" not in notes
    pinned, _ = planned(mixed, {"fusion": {**reads, "fusion": "Gated"}})
    assert len([one for one in pinned if one.learner == "fusion"]) == 1


def test_one_column_of_pictures_beside_numbers_is_for_the_probe_unless_fusion_is_asked_for(
    mixed: Problem, picture_checkpoint: str
) -> None:
    problem = replace(mixed, inputs=("front", "age"))
    pins = {name: {"backbone": picture_checkpoint} for name in ("probe", "neural")}
    found, _ = planned(problem, pins)
    assert "fusion" not in [one.learner for one in found]
    asked, _ = planned(problem, {"fusion": {"picture_backbone": picture_checkpoint}}, ["fusion"])
    assert [one.learner for one in asked] == ["fusion"] * 3


def test_without_a_checkpoint_for_pictures_fusion_is_left_out_with_the_reason(
    mixed: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.zoo.is_here", lambda card: False)
    found, notes = planned(mixed, {})
    assert "fusion" not in [one.learner for one in found]
    assert "fusion is left out: no pretrained weights" in notes


def test_a_network_for_one_kind_is_left_out_beside_a_fusion_unless_asked_for(
    mixed: Problem, checkpoint: str, picture_checkpoint: str
) -> None:
    reads = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    found, notes = planned(mixed, {"fusion": reads})
    assert not {"probe", "neural"} & {one.learner for one in found}
    assert "asked for, it reads one kind by itself" in notes
    pins = {"neural": {"backbone": picture_checkpoint, **reads}}
    asked, _ = planned(mixed, pins, ["neural"])
    assert {one.learner for one in asked} == {"neural"}
    assert asked[0].config["text_backbone"] == checkpoint


def test_a_search_reads_what_is_stored_and_no_picture_for_the_first_time(
    mixed: Problem, checkpoint: str, picture_checkpoint: str
) -> None:
    def done(number: int, learner: str, value: float, **config: Any) -> Result:
        score = Score("accuracy", value, value, value, 10)
        return Result(Trial(number, learner, config, "", 0), "done", score=score)

    nothing = done(1, "linear", 0.5, pictures="none", picture_backbone="", picture_size=0)
    assert as_read(mixed, [nothing]) == {"pictures": "none"}
    both = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    fused = done(2, "fusion", 0.6, **both, picture_size=96)
    trees = done(3, "lightgbm", 0.7, text="topics", pictures="embedding", **both, picture_size=64)
    assert as_read(mixed, [nothing, fused]) == {**both, "picture_size": 96}
    assert as_read(mixed, [nothing, fused, trees]) == {**both, "picture_size": 64}
    probe = done(4, "probe", 0.8, backbone=picture_checkpoint, size=128)
    found = as_read(mixed, [nothing, probe])
    assert found["backbone"] == found["picture_backbone"] == picture_checkpoint
    assert found["picture_size"] == 128


def test_code_is_written_of_one_column_of_pictures_alone(mixed: Problem) -> None:
    config = to_dict(default(learners["probe"].config, {"backbone": "mobilenet-v2"}))
    probe = Chosen("probe", config, 1.0, 1, 1.0)
    told = "no code for pictures beside texts or other pictures"
    assert told in _refusal(mixed, probe)
    assert told in _refusal(replace(mixed, inputs=("front", "back")), probe)
    assert told not in _refusal(replace(mixed, inputs=("front", "age")), probe)
