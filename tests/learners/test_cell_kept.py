"""A cell that crashed goes on from the last epoch that was kept, to the same weights, and searches
nothing again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import _darts, learners
from tunesmith.learners._cell_model import CellModel


@pytest.fixture(autouse=True)
def _every_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.nn.checkpoint.MOST_SHARE", 1e9)


class Crash(Exception):
    """What a kill is to a process."""


def fit(
    problem: Problem,
    checkpoint: str,
    folder: Path | None,
    crash_at: int = 0,
    stop_at: int = 0,
    **pins: Any,
) -> tuple[CellModel, list[float], list[Any], dict[str, str]]:
    scores: list[float] = []
    course: list[Any] = []
    notes: dict[str, str] = {}

    def report(score: float, progress: float) -> bool:
        scores.append(score)
        if len(scores) == crash_at:
            raise Crash
        return len(scores) != stop_at

    chosen = {"backbone": checkpoint, "epochs": 5, "patience": 5, "batch_size": 16, **pins}
    watch = Watch(
        Clock(),
        report,
        tell=lambda a, t: notes.update({a: t}),
        checkpoint=folder,
        weigh=lambda progress, weights: course.append((progress, weights)),
    )
    model = learners["cell"].fit(problem, default(learners["cell"].config, chosen), 3, watch)
    assert isinstance(model, CellModel)
    return model, scores, course, notes


CELLS: list[dict[str, Any]] = [
    {"depth": 2, "norm": "batch", "dropout": 0.3, "joined": "mixed"},
    {"search": "darts", "search_epochs": 2},
]


@pytest.mark.parametrize("pins", CELLS, ids=str)
def test_what_crashed_goes_on_to_the_very_weights_of_what_did_not(
    example: Problem,
    checkpoint: str,
    tmp_path: Path,
    pins: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, scores, course, told = fit(example, checkpoint, None, **pins)
    with pytest.raises(Crash):
        fit(example, checkpoint, tmp_path / "kept", crash_at=4, **pins)

    def searched(*what: Any) -> Any:
        raise AssertionError("it is searched again")

    monkeypatch.setattr(_darts, "searched", searched)
    again, other, taken, notes = fit(example, checkpoint, tmp_path / "kept", **pins)
    assert notes["resumed"] == "after 3 epochs, from a checkpoint"
    assert other == scores
    assert [weights for _, weights in taken] == [weights for _, weights in course]
    assert notes.get("search") == told.get("search")
    for name, fitted in (("whole", whole), ("again", again)):
        (tmp_path / name).mkdir()
        fitted.save(tmp_path / name)
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name
    valid = example.part("valid")
    np.testing.assert_array_equal(whole.predict(valid).array(), again.predict(valid).array())


def test_a_search_that_has_ended_is_not_gone_through_again(
    example: Problem, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = CELLS[1]
    _, scores, _, _ = fit(example, checkpoint, None, **pins)
    with pytest.raises(Crash):
        fit(example, checkpoint, tmp_path, crash_at=1, **pins)
    monkeypatch.setattr(_darts, "searched", None)
    _, told, course, notes = fit(example, checkpoint, tmp_path, **pins)
    assert told == scores
    assert course
    assert "resumed" not in notes  # its training began anew


def test_a_cell_that_a_stopper_ended_goes_on_from_there(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    assert learners["cell"].can_go_on
    _, scores, _, _ = fit(example, checkpoint, None, **CELLS[0])
    _, first, _, _ = fit(example, checkpoint, tmp_path, stop_at=2, **CELLS[0])
    assert first == scores[:2]
    _, told, _, notes = fit(example, checkpoint, tmp_path, **CELLS[0])
    assert notes["resumed"] == "after 2 epochs, from a checkpoint"
    assert told == scores


def test_a_state_of_another_config_or_a_broken_one_is_not_taken(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    with pytest.raises(Crash):
        fit(example, checkpoint, tmp_path, crash_at=4, **CELLS[0])
    assert "resumed" not in fit(example, checkpoint, tmp_path, **{**CELLS[0], "lr": 3e-4})[3]
    with pytest.raises(Crash):
        fit(example, checkpoint, tmp_path, crash_at=4, **CELLS[0])
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    assert "resumed" not in fit(example, checkpoint, tmp_path, **CELLS[0])[3]
