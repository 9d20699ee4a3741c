"""Means, quantiles and counts of rows that count unequally; `weights` are None where all count
alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Weights = NDArray[np.float64] | None


def counts(weights: Weights, rows: int) -> Numbers:
    """How much each row counts, shape (rows,)."""
    return np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)


def taken(weights: Weights, rows: NDArray[np.int64]) -> Weights:
    """The weights of some rows."""
    return None if weights is None else weights[rows]


def counting(weights: Weights, rows: int) -> NDArray[np.int64]:
    """Places of the rows that count at all."""
    return np.arange(rows) if weights is None else np.flatnonzero(weights > 0)


def mean(values: NDArray[Any], weights: Weights) -> float:
    """Their mean; NaN where nothing counts."""
    if weights is None:
        return float(values.mean()) if len(values) else float("nan")
    total = weights.sum()
    return float(values @ weights / total) if total > 0 else float("nan")


def error_of_mean(values: Numbers, weights: Weights) -> float:
    """The standard error of their mean.

    Source: Cochran, "Sampling Techniques", 1977, section 6.8, the linearised ratio.
    """
    own = counts(weights, len(values))
    off = own * (values - mean(values, weights))
    return float(np.sqrt((off**2).sum()) / own.sum())


def effective_rows(weights: Weights, rows: int) -> float:
    """As many rows as would tell as much if all counted alike.

    Source: Kish, "Survey Sampling", 1965, section 11.7.
    """
    return float(rows) if weights is None else float(weights.sum() ** 2 / (weights**2).sum())


def quantile(values: Numbers, share: float, weights: Weights) -> float:
    """What that share of all that counts lies below, or at."""
    if weights is None:
        return float(np.quantile(values, share))
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    place = int(np.searchsorted(reached, share - 1e-9))
    return float(values[order[min(place, len(order) - 1)]])
