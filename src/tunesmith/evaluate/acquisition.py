"""Which rows to label next: those of which a model is unsure, and no two that are nearly the
same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Rows

Numbers = NDArray[np.float64]

POOL_TIMES, LEAST_POOL = 10, 200
"""The rows that are looked at are so many times as many as are wanted, the least sure ones."""


def pool(uncertainty: Numbers | None, rows: int, count: int) -> Rows:
    """The rows from which to choose, the least sure first; all where nothing tells how sure a model
    is."""
    if uncertainty is None:
        return np.arange(rows)
    most = max(LEAST_POOL, POOL_TIMES * count)
    return np.argsort(-uncertainty, kind="stable")[:most]


def spread_out(points: Numbers, uncertainty: Numbers | None, count: int) -> Rows:
    """So many rows, one after the other the one whose uncertainty times its distance to those
    before is largest, so that they are unsure and unlike one another. Equal rows are chosen once,
    while others are left.

    Args:
        points: Where rows lie, shape (rows, width), distances being comparable.
        uncertainty: Of each row, None where all count alike.

    Source: Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds",
    ICLR 2020, whose gradients are uncertainty times features; the choice is Gonzalez' farthest
    point in place of their draw, so that the same rows come out again.
    """
    rows = len(points)
    weight = np.ones(rows) if uncertainty is None else _positive(uncertainty)
    chosen: list[int] = []
    nearest = np.full(rows, np.inf)
    left = np.ones(rows, dtype=bool)
    for _ in range(min(count, rows)):
        gain = weight * (nearest if chosen else 1.0)
        best = int(np.where(left, gain, -1.0).argmax())
        if gain[best] <= 0:
            best = int(np.where(left, weight, -1.0).argmax())
        chosen.append(best)
        left[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(points - points[best], axis=1))
    return np.array(chosen, dtype=np.int64)


def _positive(values: Numbers) -> Numbers:
    """Uncertainties scaled to (0, 1]."""
    high = float(values.max(initial=0.0))
    return np.maximum(values / high, 1e-6) if high > 0 else np.ones(len(values))
