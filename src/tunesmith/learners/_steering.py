"""What a learner steers by while it fits: one number from the valid part, higher is better."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Problem
from tunesmith.evaluate import calibration
from tunesmith.evaluate.label_thresholds import at_one_threshold
from tunesmith.metrics import COST, get

TRACE = 1e-3
LUCK = 5.0
FEW_ROWS = 300


def by_likelihood(rows: int) -> float:
    """What a nat of log-likelihood counts beside the metric on so many valid rows, where models
    differ in nothing but how strongly they are held back: about as much as luck moves a share of
    right answers, which fewer rows leave more room for."""
    return max(TRACE, LUCK / math.sqrt(max(rows, FEW_ROWS)))


def selection_score(
    problem: Problem, seed: int, *, likelihood: float = TRACE, is_refined: bool = False
) -> Callable[[Prediction], float]:
    """The problem's metric on the valid part, turned so that higher is better, with some
    log-likelihood: a trace of it breaks ties between equally right models. Several labels a row are
    answered at the threshold that suits them, as those of the model are tuned in the end.

    With `is_refined` the likelihood is that at the temperature that suits the rows: a network that
    goes on learning grows too sure before it is less often right, which calibration mends. Several
    labels a row are not calibrated, and have a trace then.

    Source: Berta et al., "Rethinking Early Stopping: Refine, Then Calibrate", 2025, section 3.
    """
    metric, truth = get(problem.metric), problem.truth("valid")
    weights, spread = problem.weight("valid"), _spread(problem)
    sign, loss = (1.0 if metric.higher_is_better else -1.0), get("log_loss")

    def rate(prediction: Prediction) -> float:
        prediction = problem.priced("valid", prediction)
        if isinstance(prediction, Labels):
            total = len(prediction.classes) * loss.score(truth, prediction, weights)
            usual = at_one_threshold(metric, truth, prediction, weights)
            own = TRACE if is_refined else likelihood
            return sign * metric.score(truth, usual, weights) - own * total
        value = sign * metric.score(truth, prediction, weights) / spread
        if not isinstance(prediction, ClassScores):
            return value
        known = truth >= 0
        some = None if weights is None or not weights[known].any() else weights[known]
        shares = prediction.probabilities[known]
        if is_refined:
            shares = _refined(prediction.with_array(shares), truth[known], some)
        logs = np.log(np.clip(shares[np.arange(len(shares)), truth[known]], 1e-9, 1.0))
        return value + likelihood * float(np.average(logs, weights=some))

    return rate


def _refined(
    prediction: ClassScores, truth: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """The probabilities at the temperature that makes the labels likeliest."""
    counted = np.ones(len(truth), dtype=bool) if weights is None else weights > 0
    own = None if weights is None else weights[counted]
    counting = prediction.with_array(prediction.probabilities[counted])
    found = calibration.fit("temperature", truth[counted], counting, own)
    return found.apply(prediction).probabilities


def _spread(problem: Problem) -> float:
    """What a metric of costs is divided by, to be of the size of a share of right answers: how much
    the same answer to every row costs at most. Others are so as they are."""
    costs = problem.row_costs("valid")
    if problem.metric != COST or costs is None:
        return 1.0
    truth = problem.truth("valid")
    each = (costs.of(truth, np.full_like(truth, code)) for code in range(len(problem.classes)))
    return max(abs(float(one.mean())) for one in each) or 1.0
