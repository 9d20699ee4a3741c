"""What a learner steers by while it fits: one number from the valid part, higher is better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Problem
from tunesmith.metrics import get


def selection_score(problem: Problem, seed: int) -> Callable[[Prediction], float]:
    """The problem's metric on the valid part, turned so that higher is better, with a trace of
    log-likelihood to break ties between equally right models."""
    metric, truth = get(problem.metric), problem.truth("valid")
    sign = 1.0 if metric.higher_is_better else -1.0

    def rate(prediction: Prediction) -> float:
        value = sign * metric.score(truth, prediction, None)
        if not isinstance(prediction, ClassScores):
            return value
        known = truth >= 0
        likely = prediction.probabilities[known, truth[known]]
        return value + 1e-3 * float(np.log(np.clip(likely, 1e-9, 1.0)).mean())

    return rate
