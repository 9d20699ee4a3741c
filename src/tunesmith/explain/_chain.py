"""Credit carried through what follows the sums of trees: from margins to probabilities, and through
a calibration. Along the straight line between two points each step gives credit by its slope.

Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017, for the line; of
one margin it is the rule by which shap's TreeExplainer explains probabilities.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Follow = Callable[[Numbers], Numbers]
"""Probabilities to what follows them: (points, classes) to the same shape."""

POINTS = 32
"""At which slopes along a line are looked at."""
NEAR = 1e-9
STEP = 1e-4
STEEPEST = 10.0
"""Where a calibration is steeper, two answers lie on both sides of a step, and no column is worth
so much more for that."""


def probabilities(margins: Numbers) -> Numbers:
    """Of log odds of the second class, shape (rows, 1), or of logits, (rows, classes)."""
    logits = margins
    if margins.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(margins), margins], axis=1)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def through_odds(credits: Numbers, others: Numbers, row: Numbers) -> Numbers:
    """Credits of margins (others, columns, margins) as credits of probabilities (others, columns,
    classes), between the margins of the others and those of the row."""
    if credits.shape[2] == 1:
        rise = probabilities(row)[:, 1] - probabilities(others)[:, 1]
        apart = (row - others)[:, 0]
        here = probabilities(others)[:, 1]
        slope = np.where(np.abs(apart) > NEAR, rise / _safe(apart), here * (1 - here))
        second = credits[:, :, 0] * slope[:, None]
        return np.stack([-second, second], axis=2)
    slopes = np.zeros((len(others), others.shape[1], others.shape[1]))
    for share in (np.arange(POINTS) + 0.5) / POINTS:
        seen = probabilities(others + share * (row - others))
        slopes += (np.eye(seen.shape[1]) - seen[:, None, :]) * seen[:, :, None] / POINTS
    found = np.einsum("ocm,omk->ock", credits, slopes)
    wanted = probabilities(row) - probabilities(others)
    return np.stack([settled(found[:, :, k], wanted[:, k]) for k in range(wanted.shape[1])], axis=2)


def through_follow(
    credits: Numbers, others: Numbers, row: Numbers, follow: Follow, output: int
) -> Numbers:
    """Credits of probabilities (others, columns, classes) as credits of one number of what follows
    them (others, columns)."""
    wanted = follow(row)[:, output] - follow(others)[:, output]
    if others.shape[1] == 2:
        apart = (row - others)[:, output]
        slope = np.where(np.abs(apart) > NEAR, wanted / _safe(apart), 1.0)
        found = credits[:, :, output] * np.clip(slope, 0, STEEPEST)[:, None]
        return settled(found, wanted)
    slopes = np.zeros_like(others)
    for share in (np.arange(POINTS) + 0.5) / POINTS:
        seen = others + share * (row - others)
        for place, way in enumerate(STEP * np.eye(seen.shape[1])):
            up, down = follow(seen + way)[:, output], follow(seen - way)[:, output]
            slopes[:, place] += (up - down) / (2 * STEP * POINTS)
    bound = np.clip(slopes, -STEEPEST, STEEPEST)
    return settled(np.einsum("ock,ok->oc", credits, bound), wanted)


def settled(credits: Numbers, wanted: Numbers) -> Numbers:
    """Credits (others, columns) that sum to what is wanted (others,): what they lack is shared out
    by their sizes."""
    lack = wanted - credits.sum(axis=1)
    sizes = np.abs(credits)
    total = sizes.sum(axis=1, keepdims=True)
    even = np.full_like(sizes, 1 / max(1, credits.shape[1]))
    shares = np.where(total > 0, sizes / np.where(total > 0, total, 1), even)
    return np.asarray(credits + lack[:, None] * shares)


def _safe(apart: Numbers) -> Numbers:
    return np.where(np.abs(apart) > NEAR, apart, 1.0)
