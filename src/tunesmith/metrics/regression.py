"""Metrics of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import Prediction, Values
from tunesmith.metrics._shelf import MeanLoss, Numbers, Weights, Whole, metrics


def _squares(truth: NDArray[Any], values: NDArray[Any]) -> Numbers:
    return np.asarray((truth - values) ** 2)


def _distances(truth: NDArray[Any], values: NDArray[Any]) -> Numbers:
    return np.asarray(np.abs(truth - values))


def _shares(truth: NDArray[Any], values: NDArray[Any]) -> Numbers:
    """Distance as a share of the truth; a truth of zero counts as the smallest double."""
    return np.asarray(np.abs(truth - values) / np.maximum(np.abs(truth), np.finfo(float).eps))


def _is_values(prediction: Prediction) -> bool:
    return isinstance(prediction, Values)


def _median_distance(truth: NDArray[Any], values: NDArray[Any], weights: Weights) -> float:
    distances = np.abs(truth - values)
    if weights is None:
        return float(np.median(distances))
    order = np.argsort(distances, kind="stable")
    reached, ordered = np.cumsum(weights[order]), distances[order]
    half = reached[-1] / 2
    lower = np.searchsorted(reached, half, side="left")
    upper = np.searchsorted(reached, half, side="right")
    return float((ordered[lower] + ordered[min(upper, len(ordered) - 1)]) / 2)


def _r2(truth: NDArray[Any], values: NDArray[Any], weights: Weights) -> float:
    mean = np.average(truth, weights=weights)
    missed = np.average((truth - values) ** 2, weights=weights)
    spread = np.average((truth - mean) ** 2, weights=weights)
    return float(1 - missed / spread) if spread > 0 else float(missed == 0)


def _spearman(truth: NDArray[Any], values: NDArray[Any], weights: Weights) -> float:
    """Correlation of ranks; 0 where one side does not vary. A row that counts twice is two rows."""
    counts = np.ones(len(truth)) if weights is None else weights
    left, right = _ranks(truth, counts), _ranks(values, counts)
    left, right = (one - np.average(one, weights=counts) for one in (left, right))
    spread = math.sqrt(float((counts * left**2).sum() * (counts * right**2).sum()))
    return float((counts * left * right).sum() / spread) if spread > 0 else 0.0


def _ranks(numbers: NDArray[Any], counts: Numbers) -> Numbers:
    """How much counts below each number, and half of what is equal to it."""
    _, codes = np.unique(numbers, return_inverse=True)
    equal = np.bincount(codes, counts)
    return np.asarray((np.cumsum(equal) - equal / 2)[codes])


def _lower(of: Any) -> Whole:
    return Whole(of, _is_values, higher_is_better=False, high=float("inf"))


metrics.put("rmse", MeanLoss(_squares, math.sqrt))
metrics.put("mae", MeanLoss(_distances))
metrics.put("mape", MeanLoss(_shares))
metrics.put("median_absolute_error", _lower(_median_distance))
metrics.put("r2", Whole(_r2, _is_values, low=float("-inf")))
metrics.put("spearman", Whole(_spearman, _is_values, low=-1.0))
