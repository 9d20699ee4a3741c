"""The shelf of metrics, and the forms that most of them take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values
from tunesmith.core.shelf import Shelf

metrics: Shelf[Metric] = Shelf("metrics", "tunesmith.metrics")

Numbers = NDArray[np.float64]
Weights = NDArray[np.float64] | None


def matrices(truth: NDArray[Any], prediction: Labels) -> tuple[Numbers, Numbers]:
    """What is true and what is answered, as zeros and ones of shape (rows, labels). Truth may have
    a column more, of labels that the model does not know: these are never answered."""
    chosen = prediction.chosen().astype(np.float64)
    more = truth.shape[1] - chosen.shape[1]
    return truth.astype(np.float64), np.pad(chosen, ((0, 0), (0, more)))


@dataclass(frozen=True)
class OfCounts(Metric):
    """A function of how often each class is true, is answered, and is answered rightly.

    `of` takes those three, each of shape (classes,), and gives the value. A label that is none of
    the model's classes (code -1) counts as a class of its own that is never answered. `of_labels`
    says whether it is defined of several labels a row too, each of which is counted as a class is.
    """

    of: Callable[[Numbers, Numbers, Numbers], float]
    low: float = 0.0
    binary: bool = False
    higher_is_better: bool = True
    high: float = 1.0
    of_labels: bool = False

    def accepts(self, prediction: Prediction) -> bool:
        if isinstance(prediction, Labels):
            return self.of_labels
        return isinstance(prediction, ClassScores) and (
            not self.binary or len(prediction.classes) == 2
        )

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Callable[[Weights], float]:
        if not isinstance(prediction, Labels):
            return super().by_weights(truth, prediction)
        wanted, given = matrices(truth, prediction)
        counted = (wanted, given, wanted * given)

        def weighted(weights: Weights) -> float:
            count = np.ones(len(wanted)) if weights is None else weights
            return float(self.of(*(count @ one for one in counted)))

        return weighted

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        if isinstance(prediction, Labels):
            return self.by_weights(truth, prediction)(weights)
        assert isinstance(prediction, ClassScores)
        codes, count = prediction.codes(), len(prediction.classes) + 1
        truth = np.where(truth < 0, count - 1, truth)
        right = codes == truth
        kept = None if weights is None else weights[right]
        return float(
            self.of(
                np.bincount(truth, weights, count).astype(np.float64),
                np.bincount(codes, weights, count).astype(np.float64),
                np.bincount(truth[right], kept, count).astype(np.float64),
            )
        )


@dataclass(frozen=True)
class MeanLoss(Metric):
    """The mean over rows of a loss, then `finish` of it."""

    loss: Callable[[NDArray[Any], NDArray[Any]], Numbers]
    finish: Callable[[float], float] = float
    of_classes: bool = False
    higher_is_better: bool = False
    low: float = 0.0
    high: float = float("inf")

    def accepts(self, prediction: Prediction) -> bool:
        return isinstance(prediction, ClassScores if self.of_classes else Values)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        losses = self.loss(truth, prediction.array())
        return float(self.finish(float(np.average(losses, weights=weights))))


@dataclass(frozen=True)
class Whole(Metric):
    """Anything else: a function of the truth, the numbers answered and the row weights."""

    of: Callable[[NDArray[Any], NDArray[Any], Weights], float]
    fits: Callable[[Prediction], bool]
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    def accepts(self, prediction: Prediction) -> bool:
        return self.fits(prediction)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return float(self.of(truth, prediction.array(), weights))


@dataclass(frozen=True)
class Ranked(Metric):
    """As `Whole`, where `of` sorts the rows once and gives the value by their weights."""

    of: Callable[[NDArray[Any], NDArray[Any]], Callable[[Weights], float]]
    fits: Callable[[Prediction], bool]
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    def accepts(self, prediction: Prediction) -> bool:
        return self.fits(prediction)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return self.by_weights(truth, prediction)(weights)

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Callable[[Weights], float]:
        return self.of(truth, prediction.array())


@dataclass(frozen=True)
class ByShape(Metric):
    """One name for what is defined of one label a row and of several, each in its way."""

    of_classes: Metric
    of_labels: Metric
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    def accepts(self, prediction: Prediction) -> bool:
        return self._of(prediction).accepts(prediction)

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return self._of(prediction).score(truth, prediction, weights)

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Callable[[Weights], float]:
        return self._of(prediction).by_weights(truth, prediction)

    def _of(self, prediction: Prediction) -> Metric:
        return self.of_labels if isinstance(prediction, Labels) else self.of_classes
