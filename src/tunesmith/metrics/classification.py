"""Metrics of class scores. With two classes the second in sorted order is the positive one ("yes"
after "no", "1" after "0", "true" after "false")."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.metrics._shelf import (
    ByShape,
    MeanLoss,
    Numbers,
    OfCounts,
    Ranked,
    Weights,
    Whole,
    metrics,
)
from tunesmith.metrics.multilabel import LABEL_LOSS, OfEachLabel

Share = Callable[[Numbers, Numbers, Numbers], Numbers]


def _divide(above: Any, below: Any) -> Any:
    """Quotients, 0 where nothing is divided by nothing, as scikit-learn has it."""
    return np.divide(above, below, out=np.zeros_like(above * 1.0), where=np.asarray(below) > 0)


def _precision(truths: Numbers, guesses: Numbers, hits: Numbers) -> Numbers:
    return np.asarray(_divide(hits, guesses))


def _recall(truths: Numbers, guesses: Numbers, hits: Numbers) -> Numbers:
    return np.asarray(_divide(hits, truths))


def _f1(truths: Numbers, guesses: Numbers, hits: Numbers) -> Numbers:
    return np.asarray(_divide(2 * hits, truths + guesses))


def _accuracy(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
    return float(hits.sum() / truths.sum())


def _balanced_accuracy(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
    """Mean recall over the classes that are there (Brodersen et al. 2010)."""
    there = truths > 0
    return float((hits[there] / truths[there]).mean())


def _kappa(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
    """Agreement beyond chance (Cohen 1960)."""
    total = truths.sum()
    chance = float((truths * guesses).sum() / total**2)
    return (float(hits.sum() / total) - chance) / (1 - chance) if chance < 1 else 0.0


def _mcc(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004)."""
    total = truths.sum()
    both = hits.sum() * total - (truths * guesses).sum()
    spread = (total**2 - (guesses**2).sum()) * (total**2 - (truths**2).sum())
    return float(both / np.sqrt(spread)) if spread > 0 else 0.0


def _positive(share: Share) -> Callable[[Numbers, Numbers, Numbers], float]:
    return lambda truths, guesses, hits: float(share(truths, guesses, hits)[1])


def _macro(share: Share) -> Callable[[Numbers, Numbers, Numbers], float]:
    """The plain mean over classes that are true or answered somewhere."""

    def mean(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
        there = (truths > 0) | (guesses > 0)
        return float(share(truths, guesses, hits)[there].mean()) if there.any() else 0.0

    return mean


def _micro(share: Share) -> Callable[[Numbers, Numbers, Numbers], float]:
    """All classes pooled; with one label a row this equals accuracy."""

    def pooled(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
        sums = (np.array([part.sum()]) for part in (truths, guesses, hits))
        return float(share(*sums)[0])

    return pooled


def _weighted(share: Share) -> Callable[[Numbers, Numbers, Numbers], float]:
    """The mean over classes, each by how often it is true."""

    def mean(truths: Numbers, guesses: Numbers, hits: Numbers) -> float:
        return float(_divide((share(truths, guesses, hits) * truths).sum(), truths.sum()))

    return mean


metrics.put("accuracy", OfCounts(_accuracy))
metrics.put("balanced_accuracy", OfCounts(_balanced_accuracy))
metrics.put("mcc", OfCounts(_mcc, low=-1.0))
metrics.put("kappa", OfCounts(_kappa, low=-1.0))
for _name, _share in (("precision", _precision), ("recall", _recall), ("f1", _f1)):
    metrics.put(_name, OfCounts(_positive(_share), binary=True))
    metrics.put(f"{_name}_macro", OfCounts(_macro(_share), of_labels=True))
    metrics.put(f"{_name}_micro", OfCounts(_micro(_share), of_labels=True))
    metrics.put(f"{_name}_weighted", OfCounts(_weighted(_share), of_labels=True))


def _log_losses(truth: NDArray[Any], shares: NDArray[Any]) -> Numbers:
    """-log of the probability given to the truth; a class the model cannot answer has 1e-15."""
    given = np.where(truth >= 0, shares[np.arange(len(truth)), np.maximum(truth, 0)], 0.0)
    return np.asarray(-np.log(np.clip(given, 1e-15, 1.0)))


metrics.put(
    "log_loss",
    ByShape(
        MeanLoss(_log_losses, of_classes=True), LABEL_LOSS, higher_is_better=False, high=math.inf
    ),
)


def _is_binary(prediction: Prediction) -> bool:
    return isinstance(prediction, ClassScores) and len(prediction.classes) == 2


def _is_classes(prediction: Prediction) -> bool:
    return isinstance(prediction, ClassScores)


Area = Callable[[Weights], float]


def area(positive: NDArray[np.bool_], marks: Numbers) -> Area:
    """Area under the ROC curve by the weights of the rows: the chance that a positive row gets the
    higher mark, ties half. 0.5 where one side is empty."""
    found, places = np.unique(marks, return_inverse=True)
    sides = (places + len(found) * ~positive).astype(np.int32)

    def weighted(weights: Weights) -> float:
        up, down = np.bincount(sides, weights, 2 * len(found)).reshape(2, len(found))
        if not up.any() or not down.any():
            return 0.5
        below = np.cumsum(down) - down / 2
        return float((up * below).sum() / (up.sum() * down.sum()))

    return weighted


def _roc_auc(truth: NDArray[Any], shares: NDArray[Any]) -> Area:
    return area(truth == 1, shares[:, 1])


def _there(truth: NDArray[Any], weights: Weights) -> NDArray[Any]:
    """The classes that some row has, of those drawn."""
    drawn = truth >= 0 if weights is None else (truth >= 0) & (weights > 0)
    return np.unique(truth[drawn])


def _roc_auc_ovr(truth: NDArray[Any], shares: NDArray[Any]) -> Area:
    """Each class against the rest, plain mean over the classes that are there."""
    areas = {int(code): area(truth == code, shares[:, code]) for code in _there(truth, None)}
    return lambda weights: float(
        np.mean([areas[int(code)](weights) for code in _there(truth, weights)])
    )


def _roc_auc_ovo(truth: NDArray[Any], shares: NDArray[Any], weights: Weights) -> float:
    """Each pair of classes, both ways, plain mean (Hand & Till 2001)."""
    there = _there(truth, weights)
    found = []
    for place, first in enumerate(there):
        for second in there[place + 1 :]:
            rows = (truth == first) | (truth == second)
            some = None if weights is None else weights[rows]
            found += [area(truth[rows] == c, shares[rows, c])(some) for c in (first, second)]
    return float(np.mean(found)) if found else 0.5


metrics.put("roc_auc", Ranked(_roc_auc, _is_binary))
metrics.put("roc_auc_ovr", ByShape(Ranked(_roc_auc_ovr, _is_classes), OfEachLabel(area)))
metrics.put("roc_auc_ovo", Whole(_roc_auc_ovo, _is_classes))
