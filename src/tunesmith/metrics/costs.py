"""What answers cost. The costs come with the prediction, since they decide what is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.metrics._shelf import Weights, metrics

COST = "cost"


@dataclass(frozen=True)
class Cost(Metric):
    """The mean cost a row, in the unit of the costs; below zero it is a gain."""

    higher_is_better: bool = False
    low: float = float("-inf")
    high: float = float("inf")

    def accepts(self, prediction: Prediction) -> bool:
        return isinstance(prediction, ClassScores) and prediction.costs is not None

    def score(self, truth: NDArray[Any], prediction: Prediction, weights: Weights = None) -> float:
        return self.by_weights(truth, prediction)(weights)

    def by_weights(self, truth: NDArray[Any], prediction: Prediction) -> Callable[[Weights], float]:
        if not isinstance(prediction, ClassScores) or prediction.costs is None:
            raise ConfigError(
                f"The metric {COST!r} needs to know what answers cost: give costs=... to fit, at "
                "the command line --costs FILE."
            )
        each = prediction.costs.of(truth, prediction.codes())
        return lambda weights: float(np.average(each, weights=weights))


metrics.put(COST, Cost())
