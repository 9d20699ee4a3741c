"""ASHA: at each rung the best third goes on."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._rungs import crossed, is_promoted, promoted, rungs
from tunesmith.stoppers._shelf import stoppers


@stoppers.add("asha")
class ASHA(Stopper):
    """Decided when a trial reaches a rung, against those that have reached it: nobody waits. Who
    was ended goes on from there when it is in the best third after all.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
    """

    promotes = True

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        return all(is_promoted(curve, others, mark) for mark in crossed(curve, rungs()))

    def promoted(self, curves: Sequence[Curve]) -> int | None:
        return promoted(curves, rungs())
