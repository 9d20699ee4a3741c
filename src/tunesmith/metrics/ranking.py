"""Metrics for a rare class: how well its rows come first, and how far its probabilities can be
believed. The positive class is the second of two, as in `classification.py`.

Rows of equal marks are taken together: where only a part of them is among the top rows, the
positives among them count by that part, so that no order of equals helps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.metrics._shelf import ByShape, MeanLoss, Numbers, Ranked, Weights, metrics
from tunesmith.metrics.classification import area
from tunesmith.metrics.multilabel import OfEachLabel

Rule = Callable[[Weights], float]
BINS = 15
GRAMMAR = (
    "Such metrics are named precision_at_100 (among the 100 highest rows), precision_at_5% (among "
    "the highest 5 %), recall_at_ and lift_at_ likewise, recall_at_precision_0.9 and "
    "precision_at_recall_0.8"
)
AT = re.compile(r"(precision|recall|lift)_at_(.*)")
TOP = re.compile(r"(\d+)|(\d+\.?\d*|\.\d+)%")
FIXED = re.compile(r"(precision|recall)_(\d+\.?\d*|\.\d+)(%?)")


def is_binary(prediction: Prediction) -> bool:
    return isinstance(prediction, ClassScores) and len(prediction.classes) == 2


def ladder(positive: NDArray[np.bool_], marks: Numbers) -> Callable[[Weights], Numbers]:
    """How much weight the positive and the other rows with the highest marks have, by the weights
    of the rows; shape (2, distinct marks), summed from the highest mark on."""
    found, places = np.unique(-marks, return_inverse=True)
    sides = (places + len(found) * ~positive).astype(np.int32)

    def summed(weights: Weights) -> Numbers:
        both = np.bincount(sides, weights, 2 * len(found)).reshape(2, len(found))
        return np.asarray(np.cumsum(both, axis=1), dtype=np.float64)

    return summed


def _of(value: Callable[[Numbers, Numbers], float]) -> Callable[[NDArray[Any], NDArray[Any]], Rule]:
    """A value of the two sums of a ladder, of the positive rows and of the others; 0 where either
    side has no row."""

    def ranked(truth: NDArray[Any], shares: NDArray[Any]) -> Rule:
        summed = ladder(truth == 1, shares[:, 1])

        def weighted(weights: Weights) -> float:
            up, down = summed(weights)
            return float(value(up, down)) if up[-1] > 0 and down[-1] > 0 else 0.0

        return weighted

    return ranked


def _kolmogorov_smirnov(up: Numbers, down: Numbers) -> float:
    """The largest gap between the shares of the positive and of the other rows that lie above a
    mark: the statistic of Kolmogorov and Smirnov."""
    return float(np.abs(up / up[-1] - down / down[-1]).max())


def _gini(truth: NDArray[Any], shares: NDArray[Any]) -> Rule:
    """Twice the area under the ROC curve less one (Somers' D)."""
    of = area(truth == 1, shares[:, 1])
    return lambda weights: 2 * of(weights) - 1


def average_precision(positive: NDArray[np.bool_], marks: Numbers) -> Rule:
    """The area under the steps of precision by recall; 0 where no row is positive."""
    summed = ladder(positive, marks)

    def weighted(weights: Weights) -> float:
        up, down = summed(weights)
        if not up[-1] > 0:
            return 0.0
        return float((np.diff(up, prepend=0.0) * _precision(up, down)).sum() / up[-1])

    return weighted


def _average_precision(truth: NDArray[Any], shares: NDArray[Any]) -> Rule:
    """Of many classes each against the rest: the plain mean over those that are there."""
    codes = [1] if shares.shape[1] == 2 else np.unique(truth[truth >= 0]).tolist()
    each = {code: average_precision(truth == code, shares[:, code]) for code in codes}

    def weighted(weights: Weights) -> float:
        there = set(truth.tolist() if weights is None else truth[weights > 0].tolist())
        found = [rule(weights) for code, rule in each.items() if code in there]
        return float(np.mean(found)) if found else 0.0

    return weighted


def _precision(up: Numbers, down: Numbers) -> Numbers:
    return np.asarray(np.divide(up, up + down, out=np.zeros_like(up), where=up + down > 0))


def _recall_at_precision(least: float) -> Callable[[Numbers, Numbers], float]:
    """The highest recall that any threshold has whose precision is enough."""

    def best(up: Numbers, down: Numbers) -> float:
        enough = _precision(up, down) >= least - 1e-12
        return float((up * enough).max() / up[-1])

    return best


def _precision_at_recall(least: float) -> Callable[[Numbers, Numbers], float]:
    """The highest precision that any threshold has whose recall is enough."""

    def best(up: Numbers, down: Numbers) -> float:
        return float((_precision(up, down) * (up >= (least - 1e-12) * up[-1])).max())

    return best


def _top(what: str, rows: int | None, share: float) -> Callable[[Numbers, Numbers], float]:
    """Precision, recall or lift among so many of the highest rows, or that share of all."""

    def found(up: Numbers, down: Numbers) -> float:
        every, total = up + down, float(up[-1] + down[-1])
        count = share * total if rows is None else min(float(rows), total)
        hits = float(np.interp(count, np.append(0.0, every), np.append(0.0, up)))
        if what == "recall":
            return hits / float(up[-1])
        return hits / count * (float(total / up[-1]) if what == "lift" else 1.0)

    return found


def parsed(word: str) -> str | None:
    """The name of a metric with a number in it, which then stands on the shelf; None where the word
    is of another kind.

    Raises:
        ConfigError: The number is not one that it can take.
    """
    found = AT.fullmatch(word)
    if found is None:
        return None
    what, at = found[1], found[2].replace("_%", "%")
    if fixed := FIXED.fullmatch(at):
        least = float(fixed[2]) / (100 if fixed[3] else 1)
        if fixed[1] == what or what == "lift" or not 0 < least <= 1:
            raise ConfigError(f"There is no metric {word!r}. {GRAMMAR}, with 0 < number <= 1.")
        rule = _recall_at_precision if what == "recall" else _precision_at_recall
        return _put(f"{what}_at_{fixed[1]}_{least:g}", rule(least), 1.0)
    top = TOP.fullmatch(at)
    if top is None:
        raise ConfigError(f"There is no metric {word!r}. {GRAMMAR}.")
    rows, share = (int(top[1]), 0.0) if top[1] else (None, float(top[2]) / 100)
    if rows == 0 or (rows is None and not 0 < share <= 1):
        raise ConfigError(
            f"There is no metric {word!r}: the highest rows are at least 1, or more than 0 % and "
            f"at most 100 % of all. {GRAMMAR}."
        )
    name = f"{what}_at_{rows}" if rows is not None else f"{what}_at_{100 * share:g}%"
    return _put(name, _top(what, rows, share), float("inf") if what == "lift" else 1.0)


def _put(name: str, value: Callable[[Numbers, Numbers], float], high: float) -> str:
    if name not in metrics:
        metrics.put(name, Ranked(_of(value), is_binary, high=high))
    return name


def _brier(truth: NDArray[Any], shares: NDArray[Any]) -> Numbers:
    """The squared distance of the probabilities from what is true; of two classes that of the
    positive one, which is half of it (Brier 1950)."""
    given = np.where(truth >= 0, shares[np.arange(len(truth)), np.maximum(truth, 0)], 0.0)
    losses = (shares**2).sum(axis=1) - 2 * given + 1
    return np.asarray(losses / 2 if shares.shape[1] == 2 else losses)


def _calibration_error(truth: NDArray[Any], shares: NDArray[Any]) -> Rule:
    """The mean gap, over bins of equal width, between how often a class is true and the probability
    it is given: of two classes the positive one, of many the likeliest.

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
    2015; Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
    """
    codes = np.ones(len(truth), int) if shares.shape[1] == 2 else shares.argmax(axis=1)
    given, hits = shares[np.arange(len(truth)), codes], (truth == codes).astype(np.float64)
    bins = np.minimum((given * BINS).astype(np.int64), BINS - 1)

    def weighted(weights: Weights) -> float:
        each = (hits - given) if weights is None else (hits - given) * weights
        total = len(truth) if weights is None else weights.sum()
        return float(np.abs(np.bincount(bins, each, BINS)).sum() / total)

    return weighted


def _is_classes(prediction: Prediction) -> bool:
    return isinstance(prediction, ClassScores)


metrics.put(
    "average_precision",
    ByShape(Ranked(_average_precision, _is_classes), OfEachLabel(average_precision)),
)
metrics.put("ks", Ranked(_of(_kolmogorov_smirnov), is_binary))
metrics.put("gini", Ranked(_gini, is_binary, low=-1.0))
metrics.put("brier", MeanLoss(_brier, of_classes=True, high=2.0))
metrics.put("ece", Ranked(_calibration_error, _is_classes, higher_is_better=False))
