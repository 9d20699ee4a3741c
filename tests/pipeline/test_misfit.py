"""Which depth is fine-tuned first, under given scores of the probe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL.Image")
pytest.importorskip("timm")

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.events import Journal
from tunesmith.core.records import Candidate, Column, Problem, Result, Score, Trial
from tunesmith.data.languages import Languages
from tunesmith.data.read import read
from tunesmith.nn.costs import Costs
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.history import History
from tunesmith.pipeline.misfit import MOST_EPOCHS, deepest_first, way_gone
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.propose import Proposals
from tunesmith.pipeline.recorded import NOTHING, Recorded, past
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.scouting import Scouting
from tunesmith.pipeline.standing import SHARE_WHILE_OTHERS_WAIT, rank_key
from tunesmith.scouting.records import Ranking
from tunesmith.scouting.scout import Scouted

USUAL, UNSURE = 0.5, 0.05
"""What the majority answer has, and how far a score may be off."""


@pytest.fixture(scope="module")
def problem(photos: Path) -> Problem:
    return frame(read(photos), "label", seed=0)


def scored(trial: Trial, value: float, metric: str = "accuracy", off: float = UNSURE) -> Result:
    score = Score(metric, value, value - off, value + off, 100)
    return Result(trial, "done", score=score)


def proposed(
    run: Run,
    problem: Problem,
    checkpoint: str,
    probe: float,
    recorded: Recorded = NOTHING,
    planned_seconds: float = 0.0,
) -> Iterator[Trial]:
    """The trials of a fit whose probe has that score, and whose fine-tunings have a good one."""
    pins: dict[str, Any] = {name: {"backbone": checkpoint} for name in ("probe", "neural")}
    wanted = ["majority", "probe", "neural"]
    found, _ = plan(problem, wanted=wanted, pins=pins, clock=run.clock, offline=True)
    found = tuple(replace(one, cost_seconds=planned_seconds) for one in found)
    history = History(run, problem, lambda results: None, recorded)
    proposals = Proposals(run, problem, found, pins, history, "auto", "median", ())
    values = {"majority": USUAL, "probe": probe, "neural": 0.9}
    for trial in proposals:
        assert trial is not None
        yield trial
        known = recorded.known(trial)
        proposals.tell(history.add(known or scored(trial, values[trial.learner])))


def depths(trials: list[Trial]) -> list[float]:
    return [trial.config["depth"] for trial in trials if trial.learner == "neural"]


@pytest.mark.parametrize(("probe", "wanted"), [(0.55, [1.0, 0.34]), (0.9, [0.34, 1.0])])
def test_all_blocks_come_first_where_the_probe_went_less_than_half_of_the_way(
    run: Run, problem: Problem, picture_checkpoint: str, probe: float, wanted: list[float]
) -> None:
    trials = list(proposed(run, problem, picture_checkpoint, probe))
    assert depths(trials) == wanted
    told = [trial.reason for trial in trials if "the way from the majority" in trial.reason]
    assert len(told) == (probe < 0.75)
    assert all("all blocks" in reason and "went 10% of the way" in reason for reason in told)


def test_a_fit_of_labels_that_no_feature_tells_begins_with_all_blocks_and_says_why(
    photos: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    files = sorted(map(str, photos.rglob("*.png")))
    table = {"image": files, "label": [f"label {number % 3}" for number in range(len(files))]}
    space = {name: {"backbone": picture_checkpoint} for name in ("probe", "neural")}
    space["neural"]["epochs"] = 1
    model = ts.fit(
        table,
        "label",
        trials=3,
        learners=["majority", "probe", "neural"],
        space=space,
        folder=tmp_path / "run",
        offline=True,
    )
    (tuned,) = (row for row in model.leaderboard() if row["learner"] == "neural")
    assert tuned["config"]["depth"] == 1
    assert "all blocks fine-tuned" in tuned["reason"]
    assert "of the way from the majority answer to none wrong" in tuned["reason"]


def test_luck_of_few_valid_rows_changes_no_order(
    run: Run, problem: Problem, picture_checkpoint: str
) -> None:
    assert depths(list(proposed(run, problem, picture_checkpoint, 0.72))) == [0.34, 1.0]


def test_a_depth_that_is_asked_for_and_what_the_user_gave_stay_where_they_are(
    problem: Problem,
) -> None:
    results = Results(rank_key(problem))
    results.add(scored(Trial(1, "majority", {}, "", 0), USUAL))
    results.add(scored(Trial(2, "probe", {"backbone": "x"}, "", 0), 0.52))
    given = Candidate("neural", {"depth": 0.17}, "given", is_given=True)
    part, whole = (Candidate("neural", {"depth": depth}, "planned") for depth in (0.34, 1.0))
    probe = Candidate("probe", {}, "planned")
    for ahead in ([part], [whole, part], [given, part, whole], [probe, part, whole]):
        found = list(enumerate(ahead))
        assert deepest_first(found, problem, results, always) == (found, "")
    found = list(enumerate([part, given, probe, whole]))
    order, why = deepest_first(found, problem, results, always)
    assert [place for place, _ in order] == [3, 1, 2, 0]
    assert why
    assert deepest_first(found, problem, results, lambda candidate: False) == (found, "")
    texts = replace(problem, data=replace(problem.data, columns=_as_text(problem)))
    assert deepest_first(found, texts, results, always) == (found, "")


def always(candidate: Candidate) -> bool:
    return True


def _as_text(problem: Problem) -> tuple[Column, ...]:
    return tuple(
        replace(one, kind="text") if one.kind == "image" else one for one in problem.data.columns
    )


def test_all_blocks_come_first_only_where_there_is_time_for_some_epochs_of_them(
    run: Run, problem: Problem, picture_checkpoint: str
) -> None:
    plenty, little = (
        replace(run, clock=Clock(seconds, lambda: 0.0), most_trials=None)
        for seconds in (1000.0, 16.0)
    )
    tried = []
    for timed in (plenty, little):
        for trial in proposed(timed, problem, picture_checkpoint, 0.55, planned_seconds=10.0):
            if trial.learner == "neural":
                tried.append(trial.config["depth"])
                break
    assert tried == [1.0, 0.34]


@pytest.mark.parametrize(
    ("seconds", "pins", "name", "least", "most"),
    [
        (1e6, {}, "small", MOST_EPOCHS, MOST_EPOCHS),
        (100.0, {}, "small", 9, MOST_EPOCHS - 1),
        (30.0, {}, "small", 8, 8),
        (math.inf, {}, "small", 8, 8),
        (1e6, {"epochs": 5}, "small", 8, 8),
        (1e6, {"backbone": "large"}, "large", MOST_EPOCHS, MOST_EPOCHS),
    ],
)
def test_what_is_learned_anew_is_the_smallest_for_as_long_as_there_is_time(
    run: Run,
    problem: Problem,
    seconds: float,
    pins: dict[str, Any],
    name: str,
    least: int,
    most: int,
) -> None:
    clock = Clock(seconds, lambda: 0.0)
    timed = replace(run, clock=clock, most_trials=None if clock.has_deadline() else 5)
    history = History(timed, problem, lambda results: None, NOTHING)
    proposals = Proposals(timed, problem, (), {"neural": pins}, history, "auto", "median", ())
    each = 3.0 / len(problem.parts["train"]) / 4  # 3 s an epoch of four blocks
    small = Costs(4, 0.0, 0.0, 0.0, each, 1000, 10, 9.0, 8)
    costs = {"large": replace(small, width=16), "small": small}
    ranking = Ranking("accuracy", 9, 0.9, (), np.zeros((0, 0)), np.zeros((0, 0, 2)))
    scouted = Scouted(ranking, costs, {}, Languages({}, "", ""), 1.0)
    proposals._scouting = Scouting(scouted, len(problem.rows), math.inf)
    proposals._scouted_size = 64
    config = {"backbone": "large", "epochs": 8, "depth": 1.0, "size": 64}
    found = proposals._learned_anew(Candidate("neural", config, "all", 9.0), "why")
    assert found.config["backbone"] == name
    assert least <= found.config["epochs"] <= most
    if least < most:
        assert 3 * found.config["epochs"] <= SHARE_WHILE_OTHERS_WAIT * seconds
    assert found.reason == "all; why" + ("; on small, the smallest" if name == "small" else "")


def test_a_run_that_goes_on_keeps_its_order(
    run: Run, problem: Problem, picture_checkpoint: str
) -> None:
    """One that was cut before the second fine-tuning, with whatever its probe has by now."""
    for probe, later, wanted in ((0.55, 0.9, [1.0, 0.34]), (0.9, 0.55, [0.34, 1.0])):
        place = replace(run.folder, path=run.folder.path / str(probe))
        place.path.mkdir()
        journal = Journal(place.journal, run.clock)
        cut = replace(run, folder=place, journal=journal)
        for trial in proposed(cut, problem, picture_checkpoint, probe):
            if trial.number == 4:
                break
        recorded = past(place, problem)
        assert len(recorded.results) == 3
        known = dict(recorded.results)
        known[2, 0] = scored(known[2, 0].trial, later)
        recorded = replace(recorded, results=known)
        again = list(proposed(cut, problem, picture_checkpoint, later, recorded))
        assert depths(again) == wanted


@pytest.mark.parametrize(
    ("metric", "usual", "probe", "way"),
    [
        ("accuracy", 0.5, 0.75, 0.5),
        ("log_loss", 2.0, 1.5, 0.25),
        ("accuracy", 0.5, 0.45, -0.1),
        ("accuracy", 1.0, 1.0, None),
        ("accuracy", 10.0, 85.0, None),
    ],
)
def test_the_way_is_told_by_any_metric_whose_perfect_value_is_known(
    problem: Problem, metric: str, usual: float, probe: float, way: float | None
) -> None:
    problem = replace(problem, metric=metric)
    results = Results(rank_key(problem))
    assert way_gone(problem, results) is None
    results.add(scored(Trial(1, "majority", {}, "", 0), usual, metric))
    results.add(scored(Trial(2, "probe", {"backbone": "x"}, "", 0), probe, metric))
    found = way_gone(problem, results)
    assert (None if found is None else pytest.approx(found.value)) == way
    assert found is None or found.high > found.value
    assert way_gone(replace(problem, classes=()), results) is None
