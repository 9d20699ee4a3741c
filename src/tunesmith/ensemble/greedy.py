"""What goes into the blend: of classes the likeliest mean, of numbers greedy selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import ClassScores, Labels, Prediction, mix
from tunesmith.ensemble.pool import likeliest
from tunesmith.evaluate.out_of_fold import constant
from tunesmith.evaluate.scores import paired_gain
from tunesmith.metrics import get

ROUNDS = 20
MOST_MEMBERS = 5
LEAST_LESS = 0.001
"""Log loss that a blend must gain of two classes that are as frequent, whose shares alone have
EVEN; where these have less, as with a rare class, less in proportion."""
EVEN = float(np.log(2))


def select(
    metric: Metric,
    truth: NDArray[Any],
    predictions: Sequence[Prediction],
    *,
    seed: int,
    row_weights: NDArray[np.float64] | None = None,
) -> tuple[tuple[float, ...], str]:
    """Weights (summing to one) over predictions of the valid rows, and the reason. `predictions`
    come best first. All the weight is on the first where the blend gains no more than noise: the
    80 % bootstrap interval of its gain reaches zero. Of class scores a gain in log loss is enough,
    where the metric itself does not clearly fall: it tells smaller gains, and weights that make the
    labels likeliest are seldom worse on other rows than the best model alone. `row_weights` say how
    much each row counts.

    Class probabilities are weighted by their likelihood (`pool.py`), whatever the metric: right and
    wrong answers on a few hundred rows tell too little. Numbers are selected greedily, with
    replacement.

    Source: Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.
    """
    alone = (1.0, *(0.0 for _ in predictions[1:]))
    if len(predictions) < 2:
        return alone, "one model is all there is to choose from"
    scores = [one for one in predictions if isinstance(one, ClassScores | Labels)]
    if len(scores) == len(predictions):
        weights = likeliest(truth, scores, MOST_MEMBERS, row_weights)
    else:
        weights = climb(metric, truth, predictions, row_weights)
    blend = _mixed(predictions, weights)
    best = predictions[0]
    gain, low, high = paired_gain(metric, truth, blend, best, seed=seed, weights=row_weights)
    told = f"{gain:+.4f} [{low:+.4f}, {high:+.4f}] on {len(truth):,} validation rows"
    sure = low > 0
    if not sure and (gain >= 0 or high > 0) and isinstance(blend, ClassScores | Labels):
        less, low, high = paired_gain(
            get("log_loss"), truth, blend, best, seed=seed, weights=row_weights
        )
        told += f", and {less:+.4f} [{low:+.4f}, {high:+.4f}] in log loss"
        sure = less > least_less(truth, blend, row_weights)
    if not sure:
        return alone, f"the best model alone: a blend would gain {told}, no more than noise"
    members = sum(weight > 0 for weight in weights)
    verb = "gains" if gain >= 0 else "is likelier, though on these rows it changes the metric by"
    return weights, f"a blend of {members} models: it {verb} {told} over the best alone"


def least_less(
    truth: NDArray[np.int64],
    prediction: ClassScores | Labels,
    row_weights: NDArray[np.float64] | None,
) -> float:
    """Log loss that a blend must gain on these rows: of what there is to gain over the shares of
    the classes alone, which is little where one of them is rare."""
    shares = constant(truth, prediction, row_weights)
    return LEAST_LESS * min(1.0, get("log_loss").score(truth, shares, row_weights) / EVEN)


def climb(
    metric: Metric,
    truth: NDArray[Any],
    predictions: Sequence[Prediction],
    row_weights: NDArray[np.float64] | None,
) -> tuple[float, ...]:
    """Weights (summing to one) over predictions, whatever their kind: round by round the one is
    added that helps the mean most, and the best round is kept."""
    sign = 1.0 if metric.higher_is_better else -1.0
    arrays = [prediction.array() for prediction in predictions]
    counts, total = np.zeros(len(arrays)), np.zeros_like(arrays[0])
    best, best_counts = float("-inf"), counts
    for number in range(1, ROUNDS + 1):
        may = range(len(arrays)) if (counts > 0).sum() < MOST_MEMBERS else np.flatnonzero(counts)
        tried = [
            (
                sign
                * metric.score(
                    truth, predictions[0].with_array((total + arrays[i]) / number), row_weights
                ),
                -i,
            )
            for i in may
        ]
        value, place = max(tried)
        counts[-place] += 1
        total = total + arrays[-place]
        if value > best + 1e-12:
            best, best_counts = value, counts.copy()
    return tuple(float(share) for share in best_counts / best_counts.sum())


def _mixed(predictions: Sequence[Prediction], weights: Sequence[float]) -> Prediction:
    members = [(p, w) for p, w in zip(predictions, weights, strict=True) if w > 0]
    return mix([p for p, _ in members], [w for _, w in members])
