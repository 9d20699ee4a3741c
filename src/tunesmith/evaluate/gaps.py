"""The gap in mean loss between some rows and the others: how large, how surely, and whether it can
be chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """Mean loss inside and outside, their difference with its interval, and the probability of one
    so large by chance, of one side alone."""

    inside: float
    outside: float
    gap: float
    low: float
    high: float
    p: float


def compared(losses: Numbers, inside: NDArray[np.bool_], is_binary: bool, level: float) -> Gap:
    """The gap of rows inside over those outside; NaN, and p of 1, where either has too few.

    Of zeros and ones the interval is Newcombe's and p Fisher's exact one. Of other losses the
    interval is Welch's, and p the larger of Welch's and of Mann and Whitney's, since a few large
    losses mislead the former and a wider spread alone the latter.

    Source: Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 1998, method 10.
    """
    there, others = losses[inside], losses[~inside]
    if min(len(there), len(others)) < 2:
        nan = float("nan")
        return Gap(nan, nan, nan, nan, nan, 1.0)
    return _of_shares(there, others, level) if is_binary else _of_means(there, others, level)


def wilson(wrong: float, rows: int, level: float) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    share, scale = wrong / rows, 1 + z**2 / rows
    middle = (share + z**2 / (2 * rows)) / scale
    room = z / scale * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return float(max(0.0, middle - room)), float(min(1.0, middle + room))


def _of_shares(there: Numbers, others: Numbers, level: float) -> Gap:
    from scipy.stats import hypergeom

    wrong, rest = float(there.sum()), float(others.sum())
    inside, outside = wrong / len(there), rest / len(others)
    low_in, high_in = wilson(wrong, len(there), level)
    low_out, high_out = wilson(rest, len(others), level)
    gap = inside - outside
    low = gap - np.sqrt((inside - low_in) ** 2 + (high_out - outside) ** 2)
    high = gap + np.sqrt((high_in - inside) ** 2 + (outside - low_out) ** 2)
    rows = len(there) + len(others)
    p = float(hypergeom.sf(wrong - 1, rows, int(wrong + rest), len(there)))
    return Gap(inside, outside, gap, float(low), float(high), p)


def _of_means(there: Numbers, others: Numbers, level: float) -> Gap:
    from scipy.stats import mannwhitneyu, t

    inside, outside = float(there.mean()), float(others.mean())
    parts = there.var(ddof=1) / len(there), others.var(ddof=1) / len(others)
    error = float(np.sqrt(sum(parts)))
    gap = inside - outside
    if not error:
        return Gap(inside, outside, gap, gap, gap, 1.0)
    freedom = sum(parts) ** 2 / (
        parts[0] ** 2 / (len(there) - 1) + parts[1] ** 2 / (len(others) - 1)
    )
    room = float(t.ppf((1 + level) / 2, freedom)) * error
    welch = float(t.sf(gap / error, freedom))
    ranks = float(mannwhitneyu(there, others, alternative="greater").pvalue)
    return Gap(inside, outside, gap, gap - room, gap + room, max(welch, ranks))


def corrected(each: Sequence[float]) -> list[float]:
    """P-values such that all that are below a level are wrong together at most so often.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 1979.
    """
    order = np.argsort(each, kind="stable")
    found = np.ones(len(order))
    worst = 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, each[place] * (len(order) - rank)))
        found[place] = worst
    return [float(p) for p in found]
