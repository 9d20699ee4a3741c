"""Rungs: shares of the planned work at which trials are compared."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point

ETA = 3
"""Of so many trials at a rung one goes on; and each rung is so many times the one before."""
LEAST = 1 / 9
"""The lowest rung."""


def rungs(least: float = LEAST) -> tuple[float, ...]:
    """From the lowest up, below 1."""
    found, at = [], least
    while at < 0.999:
        found.append(at)
        at *= ETA
    return tuple(found)


def crossed(curve: Sequence[Point], marks: Sequence[float]) -> list[float]:
    """The rungs that the last report of a curve has reached and the one before had not."""
    if not curve:
        return []
    before = curve[-2][0] if len(curve) > 1 else 0.0
    return [mark for mark in marks if before < mark <= curve[-1][0]]


def score_at(points: Sequence[Point], mark: float) -> float | None:
    """The best score of a curve by the report that reached a rung; None where it did not."""
    best = None
    for progress, score in points:
        best = score if best is None else max(best, score)
        if progress >= mark:
            return best
    return None


def scores_at(others: Sequence[Curve], mark: float) -> list[float]:
    found = (score_at(other.points, mark) for other in others)
    return [score for score in found if score is not None]


def is_promoted(curve: Sequence[Point], others: Sequence[Curve], mark: float) -> bool:
    """Whether a trial is in the best part of those that have reached a rung; with too few to tell,
    everyone is."""
    mine, theirs = score_at(curve, mark), scores_at(others, mark)
    if mine is None or len(theirs) + 1 < ETA:
        return True
    places = (len(theirs) + 1) // ETA
    return sum(score > mine for score in theirs) < places


def _is_among_best(curve: Curve, every: Sequence[float], mark: float) -> bool:
    """As `is_promoted`, given the scores at that rung of all, its own included, in order."""
    mine = score_at(curve.points, mark)
    if mine is None or len(every) < ETA:
        return True
    return len(every) - bisect.bisect_right(every, mine) < len(every) // ETA


def promoted(curves: Sequence[Curve], marks: Sequence[float]) -> int | None:
    """Of the trials that were stopped at a rung the best one that would go on by what is known now;
    of those at several rungs one at the highest."""
    found = []
    by_mark = {mark: sorted(scores_at(curves, mark)) for mark in marks}
    for one in curves:
        reached = crossed(one.points, marks) if one.was_stopped else []
        if reached and all(_is_among_best(one, by_mark[mark], mark) for mark in reached):
            best = max(score for _, score in one.points)
            found.append((reached[-1], best, -one.number))
    return -max(found)[2] if found else None
