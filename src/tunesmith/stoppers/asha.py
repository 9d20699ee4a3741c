"""ASHA: at each rung the best third goes on."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._rungs import crossed, is_promoted, rungs
from tunesmith.stoppers._shelf import stoppers


@stoppers.add("asha")
class ASHA(Stopper):
    """Decided when a trial reaches a rung, against those that have reached it: nobody waits.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020; the
    variant that stops, as in Klein et al., "Model-based Asynchronous Hyperparameter and Neural
    Architecture Search", 2020.
    """

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        return all(is_promoted(curve, others, mark) for mark in crossed(curve, rungs()))
