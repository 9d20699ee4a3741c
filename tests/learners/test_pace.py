"""What a fine-tuning forecasts of its time before it begins."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem
from tunesmith.learners._pace import LEAST_EPOCHS, neck_seconds, refuse_too_slow
from tunesmith.nn.neck_kinds import Attention, Convolution, Neck, NoNeck
from tunesmith.zoo.backbones import backbone


def watch(seconds: float | None = 600.0) -> Watch:
    clock = Clock() if seconds is None else Clock(seconds)
    return Watch(clock, lambda score, progress: True)


def test_a_neck_counts_in_every_pass_though_all_below_it_is_stored(example: Problem) -> None:
    rows = {name: len(part) for name, part in example.parts.items()}
    least = 3 * LEAST_EPOCHS * rows["train"] + rows["valid"] + rows["test"]
    told: dict[str, Any] = {"trained": 0.0, "new": 0, "watch": watch(10.0)}
    refuse_too_slow(example, 0.0, neck=9 / least, **told)
    with pytest.raises(BudgetError, match="take about 11 s"):
        refuse_too_slow(example, 0.0, neck=11 / least, **told)


@pytest.mark.parametrize("neck", [Convolution(64), Attention(64)])
def test_a_neck_is_timed_where_there_is_a_deadline(neck: Neck, checkpoint: str) -> None:
    base = backbone(checkpoint)
    ids = base.ids(["good film", "bad film by far"], 16)
    assert neck_seconds(neck, base, ids, 16, watch()) > 0
    assert neck_seconds(neck, base, ids, 16, watch(None)) == 0
    assert neck_seconds(NoNeck(), base, ids, 16, watch()) == 0
