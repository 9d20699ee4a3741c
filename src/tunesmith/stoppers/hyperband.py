"""Hyperband: some trials are compared early, some late, some never."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._rungs import crossed, is_promoted, promoted, rungs
from tunesmith.stoppers._shelf import stoppers


@stoppers.add("hyperband")
class Hyperband(Stopper):
    """Brackets by turns, each beginning one rung higher, so that slow starters are not all lost.

    Source: Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
    JMLR 2018; asynchronous within a bracket.
    """

    promotes = True

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        marks, bracket = _bracket(number)
        found = crossed(curve, marks)
        return all(is_promoted(curve, _within(others, bracket), mark) for mark in found)

    def promoted(self, curves: Sequence[Curve]) -> int | None:
        for number in range(len(rungs()) + 1):
            marks, bracket = _bracket(number)
            found = promoted(_within(curves, bracket), marks)
            if found is not None:
                return found
        return None


def _bracket(number: int) -> tuple[Sequence[float], int]:
    """The rungs of a trial, and its bracket."""
    marks = rungs()
    bracket = number % (len(marks) + 1)
    return marks[bracket:], bracket


def _within(curves: Sequence[Curve], bracket: int) -> list[Curve]:
    return [one for one in curves if one.number % (len(rungs()) + 1) == bracket]
