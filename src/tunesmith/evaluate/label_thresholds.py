"""What the probability of each label has to be for it to be answered, where a row may have several:
thresholds tuned for the problem's metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.predictions import HALF, Labels, Prediction
from tunesmith.core.seeds import generator
from tunesmith.evaluate.scores import paired_gain
from tunesmith.evaluate.weighted import Weights as RowWeights
from tunesmith.evaluate.weighted import counts, taken

Thresholds = tuple[float, ...]
Find = Callable[[NDArray[np.int64], Labels, RowWeights], Thresholds]

FEWEST_ROWS = 100
FEWEST_OF_A_LABEL = 10
"""Rows with and without a label for a threshold of its own; others have that of all."""
FEWEST_DRAWN, MOST_ROWS, MOST_CELLS = 1_000, 10_000, 500_000
"""Rows that are looked at, at least, at most, and times labels."""
PLACES = 19
"""Thresholds tried, evenly spaced, and as many among the probabilities; of each label half of
them."""
SMOOTH = 1
"""Neighbours on each side that a threshold's score is averaged with: a lone peak is luck."""
FOLDS = 5
ROUNDS, MOST_LABELS_TWICE = 2, 20
"""Times that each label's threshold is looked for beside those of the others; once where labels are
many."""
LEVEL = 0.8
USUAL = (0.5, 0.4, 0.3, 0.2, 0.1)
"""Of which one for all labels is taken where models are compared."""


def at_one_threshold(
    metric: Metric, truth: NDArray[Any], prediction: Prediction, row_weights: RowWeights = None
) -> Prediction:
    """Several labels a row answered at the usual threshold, the same for all, that suits the metric
    best on these rows; other predictions as they are. Models are compared so, as 0.5 tells little
    of labels that are rare, and no more than one of five is chosen by the rows."""
    if not isinstance(prediction, Labels):
        return prediction
    sign, count = (1.0 if metric.higher_is_better else -1.0), len(prediction.classes)
    tried = [replace(prediction, thresholds=(least,) * count) for least in USUAL]
    return max(tried, key=lambda one: sign * metric.score(truth, one, row_weights))


@dataclass(frozen=True)
class LabelDecision:
    """A threshold for each label, or None where it is 0.5 for all, and why."""

    thresholds: Thresholds | None
    reason: str


def tune_labels(
    name: str,
    metric: Metric,
    truth: NDArray[np.int64],
    prediction: Labels,
    *,
    seed: int,
    clock: Clock,
    row_weights: RowWeights = None,
) -> LabelDecision:
    """Thresholds under which the metric is best on these rows, which the model must not have been
    fitted to: one for each label, else one for all; 0.5 where neither gains more than noise on rows
    that it was not tuned on (the 80 % bootstrap interval of the cross-validated gain reaches zero).
    Once the clock is over a usual one for all. `truth` has shape (rows, labels); `row_weights` say
    how much each row counts.

    Source: Koyejo et al., "Consistent Multilabel Classification", NeurIPS 2015; Fan & Lin, "A Study
    on Threshold Selection for Multi-label Classification", 2007, for rare labels.
    """
    rows = np.flatnonzero(counts(row_weights, len(truth)) > 0)
    most = int(np.clip(MOST_CELLS // len(prediction.classes), FEWEST_DRAWN, MOST_ROWS))
    if len(rows) > most:
        rows = np.sort(generator(seed, "threshold rows").choice(rows, most, replace=False))
    known, shares = truth[rows], replace(prediction.take(rows), thresholds=None)
    own = taken(row_weights, rows)
    if len(known) < FEWEST_ROWS:
        return LabelDecision(None, f"0.5: {len(known):,} validation rows are too few to tell")
    try:
        if not _reads_answers(metric, known, shares):
            return LabelDecision(None, f"0.5: {name} reads probabilities, not answers")
        return _tuned(name, metric, known, shares, own, seed, clock)
    except BudgetError:
        usual = at_one_threshold(metric, known, shares, own)
        least = usual.thresholds if isinstance(usual, Labels) else None
        found = None if least is None else tuple(map(float, least))
        at = HALF if found is None else found[0]
        return LabelDecision(found, f"{at:g} for all: no time was left to tune one for each label")
    except ConfigError as error:  # of a metric of the user's that has no value for some answers
        return LabelDecision(None, f"0.5: {error}")


def _reads_answers(metric: Metric, truth: NDArray[np.int64], prediction: Labels) -> bool:
    """Whether a metric looks at what is answered and not at the probabilities."""
    chosen = prediction.chosen()
    surer = (0.2 + 0.6 * chosen.astype(np.float64), 0.4 + 0.2 * chosen.astype(np.float64))
    same = (prediction.probabilities, *surer)
    values = {round(metric.score(truth, prediction.with_array(a), None), 9) for a in same}
    return len(values) == 1


def _tuned(
    name: str,
    metric: Metric,
    truth: NDArray[np.int64],
    shares: Labels,
    own: RowWeights,
    seed: int,
    clock: Clock,
) -> LabelDecision:
    told: list[str] = []
    for how, find in _ways(metric, clock):
        gain, low, high = _gain(metric, truth, shares, own, find, seed)
        told.append(f"{how} {gain:+.4f} [{low:+.4f}, {high:+.4f}]")
        measured = f"{', '.join(told)}, cross-validated on {len(truth):,} validation rows"
        if low > 0:
            found = find(truth, shares, own)
            between = f"{min(found):.2f}" + f" to {max(found):.2f}" * (min(found) < max(found))
            return LabelDecision(found, f"{how}, {between}: {name} gains {measured}")
    return LabelDecision(None, f"0.5 for every label: {name} gains {measured}, no more than noise")


def _ways(metric: Metric, clock: Clock) -> list[tuple[str, Find]]:
    """The more flexible first; it has to show its gain on rows it has not seen."""
    sign = 1.0 if metric.higher_is_better else -1.0

    def value(known: NDArray[Any], at: Labels, own: RowWeights, found: Thresholds) -> float:
        if clock.is_over():
            raise BudgetError("No time is left to tune thresholds.")
        return sign * metric.score(known, replace(at, thresholds=found), own)

    return [
        ("a threshold for each label", lambda *rows: _each(value, *rows)),
        ("one threshold for all", lambda *rows: _one(value, *rows)),
    ]


Value = Callable[[NDArray[Any], Labels, RowWeights, Thresholds], float]


def _best(places: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Of thresholds in order the best when averaged with its neighbours; of equal ones the nearest
    to 0.5."""
    padded = np.pad(found, SMOOTH, mode="edge")
    smooth = np.convolve(padded, np.full(2 * SMOOTH + 1, 1 / (2 * SMOOTH + 1)), mode="valid")
    best = np.flatnonzero(smooth >= smooth.max() - 1e-12)
    return float(places[best[np.argmin(np.abs(places[best] - HALF))]])


def _places(shares: NDArray[np.float64], count: int = PLACES) -> NDArray[np.float64]:
    even = np.arange(1, count + 1) / (count + 1)
    among = np.quantile(shares, even)
    return np.unique(np.clip(np.concatenate([even, among]), 1e-6, 1 - 1e-6))


def _one(value: Value, truth: NDArray[np.int64], shares: Labels, own: RowWeights) -> Thresholds:
    places, count = _places(shares.array()), len(shares.classes)
    found = np.array([value(truth, shares, own, (float(at),) * count) for at in places])
    return (_best(places, found),) * count


def _each(value: Value, truth: NDArray[np.int64], shares: Labels, own: RowWeights) -> Thresholds:
    """From the best threshold for all, each label's in turn to where the score is best, twice;
    labels that few rows have, or few lack, keep that of all."""
    thresholds = list(_one(value, truth, shares, own))
    there = truth.sum(axis=0)
    enough = np.flatnonzero(np.minimum(there, len(truth) - there) >= FEWEST_OF_A_LABEL)
    for _ in range(ROUNDS if len(there) <= MOST_LABELS_TWICE else 1):
        for label in enough.tolist():
            places = _places(shares.array()[:, label], PLACES // 2)
            found = []
            for at in places:
                thresholds[label] = float(at)
                found.append(value(truth, shares, own, tuple(thresholds)))
            thresholds[label] = _best(places, np.array(found))
    return tuple(thresholds)


def _gain(
    metric: Metric,
    truth: NDArray[np.int64],
    shares: Labels,
    own: RowWeights,
    find: Find,
    seed: int,
) -> tuple[float, float, float]:
    """What thresholds tuned on the other folds gain over 0.5, with its interval."""
    folds = generator(seed, "threshold folds").permutation(len(truth)) % FOLDS
    least = np.empty_like(shares.array())
    for fold in range(FOLDS):
        rest = np.flatnonzero(folds != fold)
        least[folds == fold] = find(truth[rest], shares.take(rest), taken(own, rest))
    new = replace(shares, thresholds=least)
    return paired_gain(metric, truth, new, shares, seed=seed, level=LEVEL, weights=own)
