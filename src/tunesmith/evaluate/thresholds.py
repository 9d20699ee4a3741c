"""What a probability has to be for an answer: decision weights tuned for the problem's metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.predictions import ClassScores
from tunesmith.core.seeds import generator
from tunesmith.evaluate.calibration import FOLDS, fold_codes
from tunesmith.evaluate.scores import paired_gain
from tunesmith.evaluate.weighted import Weights as RowWeights
from tunesmith.evaluate.weighted import counts, taken

Weights = tuple[float, ...]

FEWEST_ROWS = 100
FEWEST_OF_A_CLASS = 10
MOST_ROWS = 20_000
PLACES = 40
"""Thresholds tried among the probabilities of each of two classes, and as many evenly spaced."""
SMOOTH = 2
"""Neighbours on each side that a threshold's score is averaged with: a lone peak is luck."""
POWERS = tuple(np.linspace(-0.5, 1.5, 21).round(2).tolist())
STEPS = (0.4, 0.6, 0.8, 1.25, 1.6, 2.5)
MOST_STEPS_OVER = 40_000
"""Rows times classes up to which each class may have a weight of its own."""
ROWS_FOR_OWN = 50
"""Of the rarest class, for weights of their own."""
LEVEL = 0.8


@dataclass(frozen=True)
class Decision:
    """Decision weights, or None where the likeliest class is the answer, and why."""

    weights: Weights | None
    reason: str


def of_threshold(threshold: float) -> Weights:
    """The weights that answer the second of two classes above this probability."""
    return (threshold, 1 - threshold)


def reads_answers(metric: Metric, truth: NDArray[Any], prediction: ClassScores) -> bool:
    """Whether a metric looks at which class is answered and not at the probabilities."""
    count = len(prediction.classes)
    chosen = np.eye(count)[prediction.probabilities.argmax(axis=1)]
    same = (prediction.probabilities, 0.9 * chosen + 0.1 / count, 0.5 * chosen + 0.5 / count)
    values = {round(metric.score(truth, prediction.with_array(a), None), 9) for a in same}
    return len(values) == 1


def tune(
    name: str,
    metric: Metric,
    truth: NDArray[np.int64],
    prediction: ClassScores,
    *,
    seed: int,
    clock: Clock | None = None,
    default: Weights | None = None,
    row_weights: RowWeights = None,
) -> Decision:
    """Weights under which the metric is best on these rows, which the model must not have been
    fitted to; the `default` (None for the likeliest class) where they gain no more than noise on
    rows that they were not tuned on (the 80 % bootstrap interval of the cross-validated gain
    reaches zero), or once the clock is over. `row_weights` say how much each row counts.

    Two classes have a threshold. More have one number, the power of each class's share that its
    probability is divided by (1 answers as if all were equally frequent), and where there are
    enough rows a weight each, climbed to from there.

    Source: Lipton et al., "Optimal Thresholding of Classifiers to Maximize F1 Measure", ECML 2014;
    Saerens et al., "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural
    Computation 2002.
    """
    if prediction.costs is not None:
        return Decision(None, "none: what answers cost decides")
    rows = _drawn(np.flatnonzero(counts(row_weights, len(truth)) > 0), seed)
    known, shares = truth[rows], replace(prediction.take(rows), weights=None)
    own = taken(row_weights, rows)
    of_classes = np.sort(np.bincount(known[known >= 0], minlength=len(shares.classes)))
    if len(known) < FEWEST_ROWS or of_classes[-2] < FEWEST_OF_A_CLASS:
        return Decision(default, f"none: {len(known):,} validation rows are too few to tell")
    try:
        if not reads_answers(metric, known, shares):
            return Decision(default, f"none: {name} reads probabilities, not answers")
        return _tuned(name, metric, known, shares, own, default, seed, clock or Clock())
    except BudgetError:
        return Decision(default, "none: no time was left to tune it")
    except ConfigError as error:  # of a metric of the user's that has no value for some answers
        return Decision(default, f"none: {error}")


def _tuned(
    name: str,
    metric: Metric,
    truth: NDArray[np.int64],
    shares: ClassScores,
    own: RowWeights,
    default: Weights | None,
    seed: int,
    clock: Clock,
) -> Decision:
    told: list[str] = []
    for how, find in _ways(metric, truth, shares, clock):
        at = replace(shares, weights=default)
        gain, low, high = _gain(metric, truth, at, own, find, seed)
        told.append(f"{how} {gain:+.4f} [{low:+.4f}, {high:+.4f}]")
        if low > 0:
            weights = _scaled(find(truth, shares, own))
            what = f"{how} {weights[0]:.3f}" if len(weights) == 2 else how
            return Decision(weights, f"{what}: {name} {_measured(', '.join(told), truth)}")
    measured = f"{name} {_measured(', '.join(told), truth)}, no more than noise"
    if default is not None:
        return Decision(
            default,
            f"threshold {default[0]:.3f}, which answers as before the calibration: another's "
            f"{measured}",
        )
    return Decision(None, f"none, the likeliest class is the answer: {measured}")


def _measured(told: str, truth: NDArray[np.int64]) -> str:
    return f"gains {told}, cross-validated on {len(truth):,} validation rows"


Find = Callable[[NDArray[np.int64], ClassScores, RowWeights], Weights]


def _ways(
    metric: Metric, truth: NDArray[np.int64], shares: ClassScores, clock: Clock
) -> list[tuple[str, Find]]:
    """The more flexible first; it has to show its gain on rows it has not seen."""
    sign = 1.0 if metric.higher_is_better else -1.0

    def value(
        known: NDArray[np.int64], at: ClassScores, own: RowWeights, weights: Weights
    ) -> float:
        if clock.is_over():
            raise BudgetError("No time is left to tune what is answered.")
        try:
            return sign * metric.score(known, replace(at, weights=weights), own)
        except ConfigError:
            return float("-inf")

    if len(shares.classes) == 2:
        return [("threshold", lambda *rows: _threshold(value, *rows))]
    ways: list[tuple[str, Find]] = [("class shares", lambda *rows: _power(value, *rows)[0])]
    rarest = np.bincount(truth[truth >= 0], minlength=len(shares.classes)).min()
    if shares.array().size <= MOST_STEPS_OVER and rarest >= ROWS_FOR_OWN:
        ways.insert(0, ("a weight for each class", lambda *rows: _climbed(value, *rows)))
    return ways


Value = Callable[[NDArray[np.int64], ClassScores, RowWeights, Weights], float]


def _threshold(
    value: Value, truth: NDArray[np.int64], shares: ClassScores, own: RowWeights
) -> Weights:
    """Of thresholds among the probabilities of both classes and between them, the best when
    averaged with its neighbours; of equal ones the nearest to 0.5."""
    up = shares.array()[:, 1]
    ranks = (np.arange(PLACES) + 0.5) / PLACES
    sides = [np.quantile(up[side], ranks) for side in (truth == 1, truth == 0) if side.any()]
    even = np.arange(1, PLACES) / PLACES
    places = np.unique(np.clip(np.concatenate([*sides, even]), 1e-6, 1 - 1e-6))
    found = np.array([value(truth, shares, own, of_threshold(float(at))) for at in places])
    padded = np.pad(found, SMOOTH, mode="edge")
    smooth = np.convolve(padded, np.full(2 * SMOOTH + 1, 1 / (2 * SMOOTH + 1)), mode="valid")
    best = np.flatnonzero(smooth >= smooth.max() - 1e-12)
    return of_threshold(float(places[best[np.argmin(np.abs(places[best] - 0.5))]]))


def _power(
    value: Value, truth: NDArray[np.int64], shares: ClassScores, own: RowWeights
) -> tuple[Weights, float]:
    """One over the power of each class's share that scores best, and that score; shares of the
    probabilities, which all classes have."""
    prior = np.maximum(np.average(shares.array(), axis=0, weights=own), 1e-6)
    tried = [tuple((prior**-power).tolist()) for power in POWERS]
    found = np.array([value(truth, shares, own, weights) for weights in tried])
    padded = np.pad(found, 1, mode="edge")
    smooth = np.convolve(padded, np.full(3, 1 / 3), mode="valid")
    best = np.flatnonzero(smooth >= smooth.max() - 1e-12)
    place = int(best[np.argmin(np.abs(np.array(POWERS)[best]))])
    return tried[place], float(found[place])


def _climbed(
    value: Value, truth: NDArray[np.int64], shares: ClassScores, own: RowWeights
) -> Weights:
    """From the best power on, each class's weight in turn to where the score is best, twice."""
    weights, best = _power(value, truth, shares, own)
    for _ in range(2):
        for code in range(len(weights)):
            for step in STEPS:
                tried = (*weights[:code], weights[code] * step, *weights[code + 1 :])
                score = value(truth, shares, own, tried)
                if score > best + 1e-12:
                    weights, best = tried, score
    return weights


def _gain(
    metric: Metric,
    truth: NDArray[np.int64],
    shares: ClassScores,
    own: RowWeights,
    find: Find,
    seed: int,
) -> tuple[float, float, float]:
    """What weights tuned on the other folds gain over the answers as they are, with its
    interval."""
    folds = fold_codes(truth, FOLDS, seed)
    array = np.empty_like(shares.array())
    for fold in range(FOLDS):
        out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        weights = find(truth[rest], shares.take(rest), taken(own, rest))
        array[out] = replace(shares.take(out), weights=weights).weighted()
    array /= array.sum(axis=1, keepdims=True)
    new = replace(shares, probabilities=array, weights=None)
    return paired_gain(metric, truth, new, shares, seed=seed, level=LEVEL, weights=own)


def _drawn(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(generator(seed, "threshold rows").choice(rows, MOST_ROWS, replace=False))


def _scaled(weights: Weights) -> Weights:
    """The same decisions, two summing to one, more with the largest 1."""
    whole = sum(weights) if len(weights) == 2 else max(weights)
    return tuple(weight / whole for weight in weights)
