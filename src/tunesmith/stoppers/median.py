"""The median rule."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._shelf import stoppers

FEWEST_FINISHED = 3


@stoppers.add("median")
class Median(Stopper):
    """Stop a trial whose best score so far is below the median of what finished trials had reached
    on average by the same share of their work.

    Source: Golovin et al., "Google Vizier", KDD 2017, the median stopping rule.
    """

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        if not curve:
            return True
        now = curve[-1][0]
        means = []
        for other in others:
            scores = [score for progress, score in other.points if progress <= now]
            if scores and not other.was_stopped:
                means.append(statistics.fmean(scores))
        if len(means) < FEWEST_FINISHED:
            return True
        return max(score for _, score in curve) >= statistics.median(means)
