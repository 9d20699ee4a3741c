"""Pictures are read small at first, and larger ones for what ranks best there."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("timm")

import tunesmith as ts  # noqa: E402
from tunesmith.core.clock import Clock  # noqa: E402
from tunesmith.core.contracts import Curve  # noqa: E402
from tunesmith.core.events import Journal, read_journal  # noqa: E402
from tunesmith.core.predictions import Values  # noqa: E402
from tunesmith.core.records import Candidate, Problem, Result, Score, Trial  # noqa: E402
from tunesmith.core.space import Choice, Int, default, to_dict  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.learners.fusion import FusionConfig  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402
from tunesmith.pipeline.gain import gain_of_larger, gain_of_one_more  # noqa: E402
from tunesmith.pipeline.history import History  # noqa: E402
from tunesmith.pipeline.larger import Growth  # noqa: E402
from tunesmith.pipeline.plan import fixed, plan  # noqa: E402
from tunesmith.pipeline.results import Results  # noqa: E402
from tunesmith.pipeline.run import Run  # noqa: E402
from tunesmith.pipeline.searching import Search  # noqa: E402
from tunesmith.pipeline.sides import (  # noqa: E402
    FIELDS,
    Ladder,
    begun_small,
    pictures_side,
    sides_worth,
)
from tunesmith.pipeline.standing import rank_key  # noqa: E402
from tunesmith.pipeline.tune import _is_fair  # noqa: E402

USUAL = Choice(0, 64, 96, 128, 160, 224, 288, 384)
TRIALS = 7


@pytest.fixture(scope="module")
def checkpoint(picture_checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ResNet of four small blocks with random weights, for pictures of 160 pixels."""
    folder = tmp_path_factory.mktemp("middling") / "resnet"
    shutil.copytree(picture_checkpoint, folder)
    told = json.loads((folder / "config.json").read_text())
    told["pretrained_cfg"]["input_size"] = [3, 160, 160]
    (folder / "config.json").write_text(json.dumps(told))
    return str(folder)


@pytest.fixture(scope="module")
def photographed(photos: Path) -> Problem:
    return frame(read(photos), "label", seed=0)


def growth(run: Run, problem: Problem, *found: Result, pins: Any = None, on: bool = True) -> Growth:
    results = Results(rank_key(problem))
    for one in found:
        results.add(one)
    return Growth(run, problem, pins or {}, results, on)


def made(number: int, checkpoint: str, size: int, value: float, **facts: Any) -> Result:
    """A trial of the probe that read at a side; `strength` tells configs apart."""
    pins = {"backbone": checkpoint, "size": size, "strength": facts.pop("strength", 0.01 * number)}
    config = to_dict(default(learners[facts.get("learner", "probe")].config, pins))
    trial = Trial(number, facts.pop("learner", "probe"), config, "", 0)
    score = Score("accuracy", value, value - 0.02, value + 0.02, 100)
    return Result(trial, "done", score=score, prediction=Values(np.zeros(2)), **facts)


def sides(ladder: Ladder) -> list[int]:
    return [pixels for _, pixels in ladder.rungs]


def test_under_a_deadline_fine_tuning_goes_on_at_the_side_that_it_began_with(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    read_by = {"backbone": checkpoint}
    begun = made(1, checkpoint, 128, 0.8, learner="neural")
    for limit, side in ((Clock(600.0), 128), (Clock(), 96)):
        timed = growth(replace(run, clock=limit), photographed, begun)
        assert timed.first("neural", read_by) == {"size": side}
        assert timed.first("probe", read_by) == {"size": 96}


def test_the_usual_sides_double_the_pixels_and_stop_where_nothing_more_is_to_be_seen() -> None:
    assert sides(Ladder.of(USUAL, 224, 640, is_asked=False)) == [96, 160, 224, 384]
    assert sides(Ladder.of(USUAL, 260, 640, is_asked=False)) == [96, 160, 260, 384]
    assert sides(Ladder.of(USUAL, 224, 28, is_asked=False)) == [96, 160, 224]
    assert Ladder.of(USUAL, 224, 28, is_asked=False).rungs[-1] == (0, 224)
    assert not Ladder.of(USUAL, 32, 28, is_asked=False)
    assert not Ladder.of(Choice(64, 96), 224, 28, is_asked=False), "no time for more"
    by_patches = Ladder.of(USUAL, 518, 640, lambda side: round(side / 14) * 14, is_asked=False)
    assert all(side % 14 == 0 for side in sides(by_patches))


def test_sides_that_are_asked_for_are_those_that_are_tried() -> None:
    assert sides(Ladder.of(Choice(384, 64, 72), 224, 28, is_asked=True)) == [64, 72, 384]
    whole = sides(Ladder.of(Int(50, 300), 224, 28, is_asked=True))
    assert whole[-1] == 300
    assert all(50 <= side <= 300 for side in whole)


def test_the_work_is_told_by_the_area() -> None:
    ladder = Ladder.of(USUAL, 224, 640, is_asked=False)
    assert ladder.share(96) == pytest.approx(1 / 16)
    assert ladder.share(384) == 1
    assert ladder.above(96) == (160, 160)
    assert ladder.above(160) == (0, 224)
    assert ladder.above(384) is None


def test_how_large_pictures_are_is_read_from_their_headers(
    photographed: Problem, tmp_path: Path
) -> None:
    assert pictures_side(photographed) == 40
    assert sides_worth(photographed, (0, 96, 224, 384)) == (0, 96, 224)
    for number in range(40):
        Image.new("RGB", (500, 300 + number % 3), (number, 0, 0)).save(tmp_path / f"{number}.png")
    cells = [str(tmp_path / f"{number}.png") for number in range(40)]
    large = frame(read({"image": cells, "label": ["a", "b"] * 20}), "label", seed=0)
    assert pictures_side(large) == 301
    assert sides_worth(large, (0, 288, 384)) == (0, 288)
    (tmp_path / "3.png").write_bytes(b"")
    assert pictures_side(replace(large, seed=1)) == 301


def test_who_ranks_best_at_a_side_is_tried_at_the_next_once(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    found = [made(n, checkpoint, 96, 0.5 + n / 100, fit_seconds=2.0) for n in range(1, 7)]
    found += [made(9, checkpoint, 0, 0.9, fit_seconds=2.0)]
    grown = growth(run, photographed, *found)
    several = list(grown.larger("probe", lambda config: False))
    assert [one.result.trial.number for one in several] == [6, 5], "a third of six"
    first = several[0]
    assert first.config == {**first.result.trial.config, "size": 0}
    told = first.told(in_seconds=True)
    assert told.startswith("trial 6 ranked 1 of 6 at 96 px; 160 px is forecast at ")
    tried = [first.config]
    left = list(grown.larger("probe", lambda config: config in tried))
    assert [one.result.trial.number for one in left] == [5]
    assert not list(growth(run, photographed, found[0]).larger("probe", lambda c: False))


def test_a_fusion_stays_at_the_side_that_is_read_until_its_best_is_worth_a_larger_one(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    read_by = {"picture_backbone": checkpoint, "picture_size": 96}
    found = []
    for number, components in enumerate((0, 64), 1):
        config = to_dict(default(FusionConfig, {**read_by, "components": components}))
        one = made(number, checkpoint, 96, 0.6 + number / 10, fit_seconds=1.0)
        found.append(replace(one, trial=replace(one.trial, learner="fusion", config=config)))
    grown = growth(run, photographed, *found)
    assert grown.first("fusion", read_by) == {"picture_size": 96}
    (larger,) = grown.larger("fusion", lambda config: False)
    assert larger.result is found[1]
    assert (larger.config["picture_size"], larger.pixels) == (0, 160)


def test_what_is_forecast_grows_with_the_area_and_is_read_once(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    seen = {"fit_seconds": 5.0, "stored_seconds": 4.5}
    read_by = made(1, checkpoint, 96, 0.7, **seen)
    other = made(2, checkpoint, 96, 0.6, fit_seconds=0.5)
    grown = growth(run, photographed, read_by, other)
    assert grown.seconds(other, 160) == pytest.approx(0.5 + 4.5 * (160 / 96) ** 2)
    again = growth(run, photographed, read_by, other, made(3, checkpoint, 0, 0.7, **seen))
    assert again.seconds(other, 160) == pytest.approx(0.5), "160 pixels are stored"
    tuned = made(4, checkpoint, 96, 0.7, learner="neural", strength=0.0, fit_seconds=10.0)
    assert again.seconds(tuned, 160) == pytest.approx(10 * (160 / 96) ** 2)


def test_what_others_gained_by_a_step_is_what_the_next_should_gain(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    best = made(3, checkpoint, 96, 0.80, strength=0.3)
    pair = [made(1, checkpoint, 96, 0.70, strength=0.1)]

    def gain(*more: Result) -> float:
        grown = growth(run, photographed, best, *pair, *more)
        (larger, *_) = grown.larger("probe", lambda config: False)
        assert larger.result is best
        gained = grown.gained()
        return gain_of_larger(photographed, grown.results, larger, gained, in_seconds=False).gain

    unknown = gain()
    rose = gain(made(4, checkpoint, 0, 0.76, strength=0.1))
    fell = gain(made(4, checkpoint, 0, 0.60, strength=0.1))
    assert fell < unknown < rose
    grown = growth(run, photographed, best, *pair, made(4, checkpoint, 0, 0.76, strength=0.1))
    assert grown.gained().of("neural", 96, 160) == [pytest.approx(0.06)], "of the probe, at first"
    assert grown.levelled("probe") == [pytest.approx(one) for one in (0.86, 0.76, 0.76)]
    with_rise = gain_of_one_more(
        photographed, grown.results, "probe", 1.0, grown.levelled("probe")
    ).gain
    assert with_rise > gain_of_one_more(photographed, grown.results, "probe", 1.0).gain


def test_small_pictures_are_known_to_the_model_as_a_share_of_the_work(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    pins = {"probe": {"backbone": checkpoint}}
    history = History(run, photographed, lambda found: None)
    search = Search(run, photographed, pins, history, ["probe"], "auto", "median", (), lambda: 0.0)
    for number, side in enumerate((0, 96, 0), 1):
        history.results.add(made(number, checkpoint, side, 0.7))
    move = search.next(())
    assert move is not None
    assert move.asked is not None
    assert move.config["size"] == 96
    assert "at 96 px first" in move.reason
    seen = {(one.values.get("size"), one.share) for one in move.asked[0].seen}  # type: ignore[attr-defined]
    assert sorted(seen, key=str) == [(None, pytest.approx(0.36)), (None, 1.0)]


def test_a_side_that_is_pinned_or_a_search_that_knows_no_shares_tries_nothing_larger(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    pinned = growth(run, photographed, pins={"probe": {"backbone": checkpoint, "size": 96}})
    assert not pinned.ladder("probe", checkpoint)
    assert pinned.ladder("neural", checkpoint)
    assert not growth(run, photographed, on=False).ladder("probe", checkpoint)
    narrowed = growth(run, photographed, pins={"probe": {"size": Choice(64, 128)}})
    assert sides(narrowed.ladder("probe", checkpoint)) == [64, 128]
    assert narrowed.first("probe", {"backbone": checkpoint}) == {"size": 64}


def test_under_a_deadline_the_first_configs_are_small_unless_a_side_is_asked_for(
    photographed: Problem, checkpoint: str
) -> None:
    def begun(
        clock: Clock, search: str = "auto", **pins: Any
    ) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
        told = {name: {"backbone": checkpoint, **pins} for name in ("probe", "cell", "neural")}
        wanted = ["probe", "neural"]
        planned, _ = plan(photographed, wanted=wanted, pins=told, clock=clock, offline=True)
        embedded = {"pictures": "embedding", "picture_backbone": checkpoint, "picture_size": 0}
        cells = to_dict(default(learners["cell"].config, told["cell"]))
        found = (
            *planned,
            Candidate("cell", cells, "cells"),
            Candidate("lightgbm", embedded, "trees"),
        )
        limit = clock.limit_seconds
        small = begun_small(
            found,
            photographed,
            told,
            lambda name: fixed(name, photographed, told, limit),
            clock,
            search,
        )
        return found, small

    before, small = begun(Clock(600.0))
    frozen = ("probe", "cell")
    read_small = [one.config["size"] for one in small if one.learner in frozen]
    assert read_small
    assert set(read_small) == {96}
    tuned = [[c for c in every if c.learner == "neural"] for every in (before, small)]
    assert tuned[0] == tuned[1], "what is fine-tuned begins at the side there is time for"
    assert any("at 96 px, larger ones where they gain" in one.reason for one in small)
    beside = [one.config for one in small if one.config.get("pictures") == "embedding"]
    assert [config["picture_size"] for config in beside] == [96], "what the probe has read"
    probes = [next(c for c in found if c.learner == "probe") for found in (before, small)]
    assert probes[1].cost_seconds <= probes[0].cost_seconds
    narrowed = begun(Clock(600.0), size=Choice(128, 72))[1]
    assert {one.config["size"] for one in narrowed if one.learner in frozen} == {72}
    for untouched in (begun(Clock()), begun(Clock(600.0), "random"), begun(Clock(600.0), size=160)):
        assert untouched[0] == untouched[1]


def test_networks_of_one_size_alone_begin_with_it(photographed: Problem, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from tunesmith.zoo import pictures

    told = {
        "architecture": "swin_tiny_patch4_window7_224",
        "pretrained_cfg": {"input_size": [3, 224, 224]},
        "model_args": {"embed_dim": 12, "depths": [1, 1], "img_size": 224},
    }
    torch.manual_seed(0)
    weights = pictures._made(told, tmp_path).state_dict()
    save_file({n: w.contiguous() for n, w in weights.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(told))
    pins = {"probe": {"backbone": str(tmp_path)}}
    config = to_dict(default(learners["probe"].config, pins["probe"]))
    found = (Candidate("probe", config, "frozen features, about 60 s", 60.0),)
    clock = Clock(600.0)
    assert begun_small(found, photographed, pins, lambda name: pins[name], clock, "auto") == found


@pytest.mark.parametrize("name", ["neural", "fusion"])
def test_who_saw_larger_pictures_ends_no_trial(run: Run, problem: Problem, name: str) -> None:
    usual, (_, path) = to_dict(default(learners[name].config, {})), FIELDS[name]
    history = History(run, problem, lambda found: None)
    for number, side in enumerate((96, 160, 0), 1):
        trial = Trial(number, name, {**usual, path: side}, "", 0)
        history.place(trial)
        history.results.add(Result(trial, "failed"))
    mine = Trial(9, name, {**usual, path: 160}, "", 0)
    assert [_is_fair(mine, history, Curve(place, ())) for place in range(3)] == [True, True, False]


def test_a_side_that_is_the_checkpoints_own_counts_as_that(
    run: Run, problem: Problem, checkpoint: str
) -> None:
    usual = {**to_dict(default(learners["neural"].config, {})), "backbone": checkpoint}
    history = History(run, problem, lambda found: None)
    for number, side in enumerate((0, 224), 1):
        trial = Trial(number, "neural", {**usual, "size": side}, "", 0)
        history.place(trial)
        history.results.add(Result(trial, "failed"))
    for mine, fair in ((0, [True, False]), (160, [True, False]), (128, [False, False])):
        trial = Trial(9, "neural", {**usual, "size": mine}, "", 0)
        assert [_is_fair(trial, history, Curve(place, ())) for place in range(2)] == fair


SCRIPT = """
import os, signal, sys, tunesmith as ts
count = 0
def listen(event):
    global count
    count += event.kind == "trial"
    if count == {at}: os.kill(os.getpid(), signal.SIGKILL)
ts.fit({photos!r}, "label", trials={trials}, folder={folder!r}, offline=True,
       learners=["probe"], space={space!r}, listeners=[listen])
"""


def scores(folder: Path) -> list[tuple[int, int, str, float]]:
    told = json.loads((folder / "leaderboard.json").read_text())
    return [(one["trial"], one["config"]["size"], one["reason"], one["score"]) for one in told]


def test_a_fit_of_so_many_trials_reads_larger_pictures_where_small_ones_did_best_and_repeats(
    photos: Path, checkpoint: str, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    space = {"probe": {"backbone": checkpoint}}
    model = ts.fit(
        photos, "label", trials=TRIALS, learners=["probe"], space=space, folder=whole, offline=True
    )
    board = {row["trial"]: row for row in model.leaderboard()}
    told = {json.dumps(row["config"], sort_keys=True) for row in board.values()}
    assert len(told) == TRIALS
    assert {row["config"]["picture_size"] for row in board.values()} == {0}, "says nothing here"
    searched = [row for row in board.values() if row["reason"].startswith("proposed by")]
    assert {row["config"]["size"] for row in searched} == {96}
    larger = [row for row in board.values() if "ranked 1 of" in row["reason"]]
    assert larger, "the best small one is tried at the checkpoint's own side"
    for row in larger:
        assert row["config"]["size"] == 0
        number = int(row["reason"].split()[1])
        assert {**row["config"], "size": 96} == board[number]["config"]
    script = SCRIPT.format(
        at=larger[0]["trial"], photos=str(photos), trials=TRIALS, folder=str(cut), space=space
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    ts.resume(cut)
    assert scores(cut) == scores(whole)


def test_under_a_deadline_small_pictures_come_first_and_none_is_tried_twice(
    run: Run, photographed: Problem, checkpoint: str
) -> None:
    from tunesmith.pipeline.recorded import past
    from tunesmith.pipeline.tune import tune

    pins = {"probe": {"backbone": checkpoint}}

    def tuned(trials: int, **known: Any) -> list[Result]:
        clock = Clock(1e5, count(1).__next__, 0.0)  # a second passes whenever somebody looks
        journal = Journal(run.folder.journal, clock)
        timed = replace(run, most_trials=trials, clock=clock, journal=journal)
        found, _ = plan(photographed, wanted=["probe"], pins=pins, clock=clock, offline=True)
        limits = clock.limit_seconds
        small = begun_small(
            found,
            photographed,
            pins,
            lambda name: fixed(name, photographed, pins, limits),
            clock,
            "auto",
        )
        results, _ = tune(timed, photographed, small, pins=pins, better=lambda r: None, **known)
        return list(results)

    first = tuned(5)
    assert first[0].trial.config["size"] == 96
    reasons = [one.trial.reason for one in first]
    assert any("160 px is forecast at" in reason for reason in reasons)
    after = tuned(7, recorded=past(run.folder, photographed))
    assert len(after) == 7
    assert len({repr(one.trial.config) for one in after}) == 7, "each config once, also resumed"
    told = [event.facts for event in read_journal(run.folder.journal) if event.kind == "trial"]
    assert len(told) == 7
