"""Metrics of several labels a row. Micro, macro and weighted ones are those of classes, counted by
label (`classification.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import Labels, Prediction
from tunesmith.metrics._shelf import Numbers, Weights, matrices, metrics

LEAST = 1e-15
Rule = Callable[[Weights], float]


@dataclass(frozen=True)
class OfRows(Metric):
    """The mean over rows of a value of what is true and what is answered in each, both zeros and
    ones of shape (rows, labels)."""

    of: Callable[[Numbers, Numbers], Numbers]
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    def accepts(self, prediction: Prediction) -> bool:
        return isinstance(prediction, Labels)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return self.by_weights(truth, prediction)(weights)

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Rule:
        assert isinstance(prediction, Labels)
        each = self.of(*matrices(truth, prediction))
        return lambda weights: float(np.average(each, weights=weights))


@dataclass(frozen=True)
class OfEachLabel(Metric):
    """The plain mean over labels of how well the rows that have one come before those that do not,
    by its probability. Labels that no row has, or every one, have no value."""

    of: Callable[[NDArray[np.bool_], Numbers], Rule]
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    def accepts(self, prediction: Prediction) -> bool:
        return isinstance(prediction, Labels)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return self.by_weights(truth, prediction)(weights)

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Rule:
        marks = prediction.array()
        there = truth[:, : marks.shape[1]].astype(np.float64)
        rules = [self.of(there[:, i] == 1, marks[:, i]) for i in range(marks.shape[1])]

        def weighted(weights: Weights) -> float:
            count = np.ones(len(there)) if weights is None else weights
            up = count @ there
            told = np.flatnonzero((up > 0) & (up < count.sum()))
            return float(np.mean([rules[place](weights) for place in told])) if len(told) else 0.0

        return weighted


@dataclass(frozen=True)
class LabelLoss(Metric):
    """The mean over rows and labels of -log of the probability given to what is true of each."""

    higher_is_better: bool = False
    low: float = 0.0
    high: float = float("inf")

    def accepts(self, prediction: Prediction) -> bool:
        return isinstance(prediction, Labels)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return self.by_weights(truth, prediction)(weights)

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Rule:
        shares = prediction.array()
        there = truth[:, : shares.shape[1]] == 1
        given = np.clip(np.where(there, shares, 1 - shares), LEAST, 1.0)
        each = -np.log(given).mean(axis=1)
        return lambda weights: float(np.average(each, weights=weights))


LABEL_LOSS = LabelLoss()


def _f1(wanted: Numbers, given: Numbers) -> Numbers:
    """A row without labels that is answered with none is right."""
    total = wanted.sum(axis=1) + given.sum(axis=1)
    hits = 2 * (wanted * given).sum(axis=1)
    return np.asarray(np.divide(hits, total, out=np.ones(len(total)), where=total > 0))


def _all_right(wanted: Numbers, given: Numbers) -> Numbers:
    return np.asarray((wanted == given).all(axis=1), dtype=np.float64)


def _wrong(wanted: Numbers, given: Numbers) -> Numbers:
    return np.asarray((wanted != given).mean(axis=1))


metrics.put("f1_samples", OfRows(_f1))
metrics.put("subset_accuracy", OfRows(_all_right))
metrics.put("hamming_loss", OfRows(_wrong, higher_is_better=False))
