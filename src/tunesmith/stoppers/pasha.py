"""PASHA: no trial runs longer than it takes to tell who is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._rungs import ETA, crossed, is_promoted, promoted, rungs, score_at
from tunesmith.stoppers._shelf import stoppers

NEGLIGIBLE = 0.005
"""Scores this near count as equal: their order may change."""


@stoppers.add("pasha")
class PASHA(Stopper):
    """As ASHA, up to a highest rung that rises only while the order of trials at the two highest
    rungs is not the same.

    Source: Bohdal et al., "PASHA: Efficient HPO and NAS with Progressive Resource Allocation", ICLR
    2023, with soft ranking.
    """

    promotes = True

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        marks = rungs()
        top = _highest(others, marks)
        for mark in crossed(curve, marks):
            if not is_promoted(curve, others, mark):
                return False
            if top is not None and mark >= top:
                return False
        return True

    def promoted(self, curves: Sequence[Curve]) -> int | None:
        marks = rungs()
        top = _highest(curves, marks)
        return promoted(curves, [mark for mark in marks if top is None or mark < top])


def _highest(others: Sequence[Curve], marks: Sequence[float]) -> float | None:
    """The rung beyond which nobody need run; None while the order is not settled."""
    for low, high in pairwise(marks):
        at_both = [
            (first, second)
            for one in others
            if (first := score_at(one.points, low)) is not None
            and (second := score_at(one.points, high)) is not None
        ]
        if len(at_both) >= ETA and _is_settled(at_both):
            return high
    return None


def _is_settled(scores: Sequence[tuple[float, float]]) -> bool:
    """Whether no two trials that are clearly apart at one rung stand the other way at the next."""
    below, best, ordered = 0, -math.inf, sorted(scores)
    for first, second in ordered:
        while first > ordered[below][0] + NEGLIGIBLE:
            best, below = max(best, ordered[below][1]), below + 1
        if second < best - NEGLIGIBLE:
            return False
    return True
