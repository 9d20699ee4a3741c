"""Scores with bootstrap intervals, and whether one prediction is really better than another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Score
from tunesmith.core.seeds import generator
from tunesmith.evaluate.weighted import Weights, effective_rows
from tunesmith.metrics import canonical, get

RESAMPLES = 1000
MOST_WORK = 20_000_000
FEWEST_RESAMPLES = 60


def _resamples(prediction: Prediction, resamples: int) -> int:
    """Fewer where rows times classes are many: the interval's ends then wobble a little."""
    return int(np.clip(MOST_WORK // max(1, prediction.array().size), FEWEST_RESAMPLES, resamples))


def _drawn(
    rows: int, resamples: int, seed: int, weights: Weights = None
) -> Iterator[NDArray[np.float64]]:
    """How often each row is drawn, for each resample, times its weight."""
    dice = generator(seed, "bootstrap")
    for _ in range(resamples):
        counts = np.bincount(dice.integers(0, rows, rows), minlength=rows).astype(np.float64)
        if weights is not None:
            counts *= weights
        if counts.any():
            yield counts


def score(
    metric: str,
    truth: NDArray[Any],
    prediction: Prediction,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    clock: Clock | None = None,
    weights: Weights = None,
) -> Score:
    """A metric with its percentile bootstrap interval over rows.

    `truth` holds class codes (-1 for a label the model does not know) or numbers, shape (rows,), or
    a matrix of labels;
    `weights` say how much each row counts, None where all count alike.
    Once the clock is over, sixty resamples have to do.
    Where every label is met a bootstrap sees no error to draw, on ten rows as on a thousand: the
    lower end is then what the share of right answers may be and still leave no error in so many
    rows.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; Clopper &
    Pearson, "The use of confidence or fiducial limits", Biometrika 1934, for no error.
    """
    name = canonical(metric)
    rule = get(name)
    by_weights = rule.by_weights(truth, prediction)
    value = by_weights(weights)
    count = _resamples(prediction, resamples)
    found: list[float] = []
    for drawn in _drawn(len(truth), count, seed, weights):
        if clock is not None and len(found) >= FEWEST_RESAMPLES and clock.is_over():
            break
        found.append(by_weights(drawn))
    low, high = _ends(np.array(found), level)
    if low == high == rule.high == 1.0 and isinstance(prediction, ClassScores | Labels):
        low = float(((1 - level) / 2) ** (1 / effective_rows(weights, len(truth))))
    return Score(name, value, min(low, value), max(high, value), len(truth), level)


def scores(
    metrics: Iterable[str],
    truth: NDArray[Any],
    prediction: Prediction,
    *,
    seed: int = 0,
    weights: Weights = None,
) -> dict[str, Score]:
    """Several metrics on the same rows."""
    return {name: score(name, truth, prediction, seed=seed, weights=weights) for name in metrics}


def _ends(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Of the resamples that have a value: one without a single row of a class may have none."""
    tail, known = 50 * (1 - level), values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def paired_gain(
    metric: Metric,
    truth: NDArray[Any],
    new: Prediction,
    old: Prediction,
    *,
    seed: int = 0,
    resamples: int = 200,
    level: float = 0.8,
    weights: Weights = None,
) -> tuple[float, float, float]:
    """How much better `new` is than `old` on the same rows (positive is better), and the
    bootstrap interval of that difference."""
    sign = 1.0 if metric.higher_is_better else -1.0
    newer, older = (metric.by_weights(truth, one) for one in (new, old))
    gain = sign * (newer(weights) - older(weights))
    count = _resamples(new, resamples)
    found = [sign * (newer(w) - older(w)) for w in _drawn(len(truth), count, seed, weights)]
    low, high = _ends(np.array(found), level)
    return gain, low, high


def resampled(
    metric: Metric,
    truth: NDArray[Any],
    predictions: Sequence[Prediction],
    *,
    seed: int = 0,
    resamples: int = 200,
    clock: Clock | None = None,
    weights: Weights = None,
) -> NDArray[np.float64]:
    """Scores of several predictions on bootstrap samples of the same rows, each sample drawn for
    all of them at once; fewer samples, down to none, once the clock is over. Shape (samples,
    predictions)."""
    found: list[list[float]] = []
    by_weights = [metric.by_weights(truth, one) for one in predictions]
    count = _resamples(predictions[0], resamples)
    for drawn in _drawn(len(truth), count, seed, weights):
        if clock is not None and clock.is_over():
            break
        found.append([one(drawn) for one in by_weights])
    return np.array(found).reshape(len(found), len(predictions))


def confusion(truth: NDArray[np.int64], prediction: ClassScores) -> NDArray[np.int64]:
    """How often each true class (row) got each answer (column), shape (classes, classes); rows
    whose label the model does not know are left out."""
    count = len(prediction.classes)
    known = truth >= 0
    places = truth[known] * count + prediction.codes()[known]
    return np.bincount(places, minlength=count * count).reshape(count, count)
