"""How much each model's class probabilities count in the mean that makes the labels likeliest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Labels

PRIOR_ROWS = 1.0
"""Rows that each model is held to have been right about beforehand: few valid rows then leave the
weights near equal, and a copy of a model shares its weight."""
ROUNDS = 200
SETTLED = 1e-4
LEAST_SHARE = 0.1
"""Of the largest weight."""
FLOOR = 1e-6


def likeliest(
    truth: NDArray[np.int64],
    predictions: Sequence[ClassScores | Labels],
    most: int,
    row_weights: NDArray[np.float64] | None = None,
) -> tuple[float, ...]:
    """Weights (summing to one) over predictions of the same rows, at most `most` above zero, that
    of the first among them.

    `truth` holds class codes, shape (rows,); rows whose label the models do not know (-1) tell
    nothing, the others as much as their weight. Of several labels a row it is a matrix, and each of
    its cells tells as a row does. The mean's likelihood has one top, to which each
    round goes nearer, so that a few hundred rows are enough: a metric of right and wrong answers
    has many tops and much luck.

    Source: Stone, "The Opinion Pool", Annals of Mathematical Statistics 1961; Dempster, Laird &
    Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", JRSS B 1977, section 4.3.
    """
    shares, counts = _given(truth, predictions, row_weights)
    weights = _climb(shares, counts)
    order = np.argsort(-weights, kind="stable")
    chosen = [i for i in order[:most] if weights[i] >= LEAST_SHARE * weights[order[0]]]
    kept = np.array(sorted(chosen if 0 in chosen else [0, *chosen[: most - 1]]))
    found = np.zeros(len(predictions))
    found[kept] = _climb(shares[:, kept], counts)
    return tuple(float(weight) for weight in found)


def _given(
    truth: NDArray[np.int64],
    predictions: Sequence[ClassScores | Labels],
    row_weights: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each model gives to what is true, shape (rows, models), and how much each row counts."""
    if truth.ndim == 2:
        given = [np.where(truth == 1, p.array(), 1 - p.array()).ravel() for p in predictions]
        each = np.ones(len(truth)) if row_weights is None else row_weights
        return np.maximum(np.stack(given, axis=1), FLOOR), np.repeat(each, truth.shape[1])
    rows = np.flatnonzero(truth >= 0)
    shares = np.stack([p.array()[rows, truth[rows]] for p in predictions], axis=1)
    counts = np.ones(len(rows)) if row_weights is None else row_weights[rows]
    return np.maximum(shares, FLOOR), counts


def _climb(shares: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights under which rows of `shares` (rows, models) are likeliest, each counted so often,
    with the prior."""
    total, models = counts.sum(), shares.shape[1]
    weights = np.full(models, 1 / models)
    for _ in range(ROUNDS):
        parts = weights * ((counts / (shares @ weights)) @ shares)
        new = (parts + PRIOR_ROWS) / (total + models * PRIOR_ROWS)
        moved = float(np.abs(new - weights).max())
        weights = new
        if moved < SETTLED:
            break
    return weights
