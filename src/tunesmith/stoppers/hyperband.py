"""Hyperband: some trials are compared early, some late, some never."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._rungs import crossed, is_promoted, rungs
from tunesmith.stoppers._shelf import stoppers


@stoppers.add("hyperband")
class Hyperband(Stopper):
    """Brackets by turns, each beginning one rung higher, so that slow starters are not all lost.

    Source: Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
    JMLR 2018; asynchronous within a bracket.
    """

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        marks = rungs()
        bracket = number % (len(marks) + 1)
        of_bracket = [one for one in others if one.number % (len(marks) + 1) == bracket]
        found = crossed(curve, marks[bracket:])
        return all(is_promoted(curve, of_bracket, mark) for mark in found)
