"""The shelf of metrics, and the three forms that most of them take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.shelf import Shelf

metrics: Shelf[Metric] = Shelf("metrics", "tunesmith.metrics")

Numbers = NDArray[np.float64]
Weights = NDArray[np.float64] | None


@dataclass(frozen=True)
class OfCounts(Metric):
    """A function of how often each class is true, is answered, and is answered rightly.

    `of` takes those three, each of shape (classes,), and gives the value. A label that is none of
    the model's classes (code -1) counts as a class of its own that is never answered.
    """

    of: Callable[[Numbers, Numbers, Numbers], float]
    low: float = 0.0
    binary: bool = False
    higher_is_better: bool = True
    high: float = 1.0

    def accepts(self, prediction: Prediction) -> bool:
        return isinstance(prediction, ClassScores) and (
            not self.binary or len(prediction.classes) == 2
        )

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
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
