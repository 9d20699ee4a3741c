"""A fine-tuning that crashed goes on from the last epoch that was kept, to the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners


@pytest.fixture(autouse=True)
def _every_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.nn.checkpoint.MOST_SHARE", 1e9)


class Crash(Exception):
    """What a kill is to a process."""


def fit(
    problem: Problem, checkpoint: str, folder: Path | None, crash_at: int = 0, **pins: object
) -> tuple[Fitted, list[float], dict[str, str]]:
    scores: list[float] = []
    notes: dict[str, str] = {}

    def report(score: float, progress: float) -> bool:
        scores.append(score)
        if len(scores) == crash_at:
            raise Crash
        return True

    chosen = {"backbone": checkpoint, "epochs": 5, "patience": 5, "batch_size": 16, **pins}
    config = default(learners["neural"].config, chosen)
    watch = Watch(Clock(), report, tell=lambda a, t: notes.update({a: t}), checkpoint=folder)
    return learners["neural"].fit(problem, config, 3, watch), scores, notes


SHAPED = [
    {"adapter": "LoRA", "adapter.LoRA.allocate": True, "adapter.LoRA.rank": 2},
    {"adapter": "Bottleneck", "readout": "mix", "heads_kept": 0.5, "width_kept": 0.5},
]


@pytest.mark.parametrize(
    "changed",
    [{"optimizer": "AdamW"}, {"optimizer": "SGD"}, {"optimizer": "Lion"}, *SHAPED],
    ids=str,
)
def test_what_crashed_goes_on_to_the_very_weights_of_what_did_not(
    example: Problem, checkpoint: str, tmp_path: Path, changed: dict[str, object]
) -> None:
    pins = {"inner_dropout": True, "dropout": 0.3, **changed}
    whole, scores, _ = fit(example, checkpoint, None, **pins)
    with pytest.raises(Crash):
        fit(example, checkpoint, tmp_path / "kept", crash_at=4, **pins)
    again, told, notes = fit(example, checkpoint, tmp_path / "kept", **pins)
    assert notes["resumed"] == "after 3 epochs, from a checkpoint"
    assert told == scores
    for name, fitted in (("whole", whole), ("again", again)):
        (tmp_path / name).mkdir()
        fitted.save(tmp_path / name)
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name
    valid = example.part("valid")
    np.testing.assert_array_equal(whole.predict(valid).array(), again.predict(valid).array())


@pytest.mark.parametrize("crash_at", [1, 2])
def test_ranks_are_settled_before_the_first_state_is_kept(
    example: Problem, checkpoint: str, tmp_path: Path, crash_at: int
) -> None:
    """What counts for ranks before they are settled is in no state, and need not be."""
    _, scores, notes = fit(example, checkpoint, None, **SHAPED[0])
    with pytest.raises(Crash):
        fit(example, checkpoint, tmp_path, crash_at=crash_at, **SHAPED[0])
    _, told, again = fit(example, checkpoint, tmp_path, **SHAPED[0])
    assert told == scores
    assert ("resumed" in again) == ("ranks" not in again) == (crash_at == 2)
    assert again.get("ranks", notes["ranks"]) == notes["ranks"]


def test_a_state_of_another_config_or_a_broken_one_is_not_taken(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    place = tmp_path / "kept"
    with pytest.raises(Crash):
        fit(example, checkpoint, place, crash_at=4)
    assert "resumed" not in fit(example, checkpoint, place, lr=3e-4)[2]
    with pytest.raises(Crash):
        fit(example, checkpoint, place, crash_at=4)
    state = place / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    assert "resumed" not in fit(example, checkpoint, place)[2]


def test_nothing_is_kept_without_a_folder_or_on_a_full_disk(
    example: Problem, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    def full(*what: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    _, scores, _ = fit(example, checkpoint, tmp_path / "kept")
    assert len(scores) == 5
    assert not (tmp_path / "kept").exists()
