"""What is opened for the sake of an architecture, what is fixed, and when it is worth the time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.architecture import Architecture, Block, Read
from tunesmith.core.clock import Clock
from tunesmith.core.dimensions import dimensions
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Candidate, Problem
from tunesmith.core.space import Choice
from tunesmith.learners import learners
from tunesmith.pipeline import shaping
from tunesmith.pipeline.plan import fixed
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.shaping import asked_of, beside, opened, widened, with_given

BLOCKS = tuple(map(Block, range(1, 7)))
FOUND = Architecture("neural", "all-MiniLM-L6-v2", BLOCKS, (Read(6, "max"),), (), 3)
CANDIDATES = (
    Candidate("linear", {}, "quick"),
    Candidate("cell", {"backbone": "b"}, "a cell", 10.0),
    Candidate("neural", {"backbone": "b"}, "tuned", 40.0),
)


def until(run: Run, seconds: float) -> Run:
    return replace(run, most_trials=None, clock=Clock(seconds, lambda: 0.0))


@pytest.mark.parametrize("told", [True, False, "auto"])
def test_what_says_no_architecture_is_as_it_was_said(told: Any) -> None:
    assert asked_of(told) is told or asked_of(told) == told


def test_an_architecture_comes_from_a_value_a_dict_a_file_or_a_run(tmp_path: Path) -> None:
    file = tmp_path / "best" / "architecture.json"
    file.parent.mkdir()
    file.write_text(json.dumps(FOUND.to_dict()))
    for told in (FOUND, FOUND.to_dict(), file, str(file), tmp_path, tmp_path / "best"):
        assert asked_of(told) == {"pin": FOUND.to_dict()}
        assert asked_of({"start": told}) == {"start": FOUND.to_dict()}
    file.write_text("[]")
    with pytest.raises(ConfigError, match="JSON object"):
        asked_of(file)


def test_one_to_keep_becomes_pins_and_one_to_begin_with_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {"neural": {"lr": 1e-4}}
    kept = with_given({"pin": FOUND.to_dict()}, own)["neural"]
    assert kept["lr"] == 1e-4
    assert (kept["pooling"], kept["backbone"], kept["depth"]) == ("max", "all-MiniLM-L6-v2", 0.0)
    for is_one_here, more in ((True, {}), (False, {"backbone": "all-MiniLM-L6-v2"})):
        monkeypatch.setattr(shaping.zoo, "is_here", lambda card, found=is_one_here: found)
        begun = with_given({"start": FOUND.to_dict()}, own)
        assert begun == {"neural": {**own["neural"], **more}}


def test_what_is_spelled_out_is_not_searched_another_way(example: Problem) -> None:
    six, reads = tuple(map(Block, range(1, 7))), (Read(6, "mean"), Read(5, "mean"))
    form = Architecture("cell", "all-MiniLM-L6-v2", six, reads, (), 3)
    kept = with_given({"pin": form.to_dict()}, {"cell": {"ends": Choice("none", "max")}})
    for pins, gone in (({}, False), (kept, True)):
        ranges = dimensions(learners["cell"].config, fixed("cell", example, pins))
        assert ("lr" in ranges, "width" in ranges) == (True, True)
        assert {"layers", "every", "ends"}.isdisjoint(ranges) == gone
    given = {"neural": {"skipped": "2", "skip": Choice(0, 1)}}
    assert fixed("neural", example, given)["skip"] == 0
    assert fixed("neural", example, {"neural": {"skipped": "2", "skip": 1}})["skip"] == 1


def test_ranges_of_the_user_count_before_those_of_the_learner() -> None:
    own = {"neural": {"blocks": 0.5}, "linear": {"words": 2}}
    found = widened(own, ["neural"])
    assert found["neural"]["blocks"] == 0.5
    assert found["neural"]["skip"] == learners["neural"].shapes["skip"] == Choice(0, 1, 2)
    assert found["linear"] == own["linear"]


def test_auto_searches_what_has_won_where_there_is_time(
    problem: Problem, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shaping, "WORTH", {("cell", "text"): 6.0, ("neural", "text"): 12.0})
    assert beside("auto", problem) == ("cell",)
    both = opened("auto", until(run, 600.0), problem, CANDIDATES, {})
    assert both.learners == ("cell", "neural")
    assert both.candidates == CANDIDATES
    cells = opened("auto", until(run, 200.0), problem, CANDIDATES, {})
    assert cells.learners == ("cell",)
    assert cells.reason == (
        "searched: cell; neural: it takes about 480 s to search, 200 s are left"
    )
    none = opened("auto", until(run, 50.0), problem, CANDIDATES, {})
    assert none.learners == ()
    assert [one.learner for one in none.candidates] == ["linear", "neural"]
    assert none.reason.startswith("the fixed ones are kept; cell: it takes about 60 s")
    few = opened("auto", until(run, 600.0), replace(problem, is_few=True), CANDIDATES, {})
    assert "few examples" in few.reason


def test_one_to_begin_with_comes_before_all_that_read_by_a_checkpoint(
    problem: Problem, run: Run
) -> None:
    found = opened({"start": FOUND.to_dict()}, until(run, 600.0), problem, CANDIDATES, {})
    order = [(one.learner, one.is_given) for one in found.candidates]
    assert order == [("linear", False), ("neural", True), ("cell", False), ("neural", False)]
    assert found.candidates[1].config["pooling"] == "max"
    assert found.candidates[1].cost_seconds == 40.0
