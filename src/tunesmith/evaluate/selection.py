"""What being chosen does to a score, and which models nobody can tell apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Score
from tunesmith.core.seeds import generator
from tunesmith.evaluate.scores import paired_gain
from tunesmith.evaluate.weighted import Weights, counts
from tunesmith.metrics import get

RESAMPLES = 200
FEWEST = 20
"""Samples below which no corrected score is told."""
MOST_MODELS = 100
LEVEL = 0.95


def corrected(
    metric: str,
    truth: NDArray[Any],
    predictions: Sequence[Prediction],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    clock: Clock | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Score | None:
    """The score of choosing the best of these models, rather than that of the one that was chosen:
    on each bootstrap sample of the rows the best there is chosen, and scored on the rows that the
    sample left out. The mean, and the middle 95 %; None where the clock leaves no time. `weights`
    say how much each row counts.

    `predictions` are of the same rows, best first; models beyond the first hundred could hardly be
    chosen.

    Source: Tsamardinos, Greasidou & Borboudakis, "Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation", Machine Learning 2018.
    """
    measure, rows = get(metric), len(truth)
    by_weights = [measure.by_weights(truth, one) for one in predictions[:MOST_MODELS]]
    own, found = counts(weights, rows), list[float]()
    for inside, outside in bags(rows, own, generator(seed, "selection"), resamples):
        if clock is not None and clock.is_over():
            break
        scores = scores_inside(measure, by_weights, inside)
        if np.isfinite(scores).any():
            found.append(by_weights[int(scores.argmax())](outside))
    return told(metric, found, rows)


def bags(
    rows: int, own: NDArray[np.float64], dice: np.random.Generator, resamples: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Of each bootstrap sample how much each row counts in it, and in what it left out, shape
    (rows,) each; none where nothing counts on one side."""
    for _ in range(resamples):
        drawn = np.bincount(dice.integers(0, rows, rows), minlength=rows).astype(np.float64)
        inside, outside = drawn * own, (drawn == 0) * own
        if inside.any() and outside.any():
            yield inside, outside


def scores_inside(
    measure: Metric,
    by_weights: Sequence[Callable[[Weights], float]],
    inside: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What each model scores in a sample, turned so that higher is better; minus infinity where it
    has no score there."""
    sign = 1.0 if measure.higher_is_better else -1.0
    scores = np.array([sign * one(inside) for one in by_weights])
    return np.where(np.isfinite(scores), scores, -np.inf)


def told(metric: str, found: Sequence[float], rows: int) -> Score | None:
    """The mean of what was found and its middle 95 %; None where that is too little."""
    known = np.array(found)[np.isfinite(found)]
    if len(known) < FEWEST:
        return None
    value = float(known.mean())
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Score(metric, value, min(float(low), value), max(float(high), value), rows, LEVEL)


@dataclass(frozen=True)
class Tie:
    """A model against the best: by how much it is behind, and the interval of that. `within_error`
    says whether it is behind by no more than one standard error."""

    place: int
    behind: float
    low: float
    high: float
    within_error: bool

    @property
    def is_tied(self) -> bool:
        """Whether the best may be no better."""
        return self.low <= 0


def against_best(
    metric: Metric,
    truth: NDArray[Any],
    predictions: Sequence[Prediction],
    *,
    seed: int = 0,
    weights: NDArray[np.float64] | None = None,
) -> list[Tie]:
    """Each of the others against the first, which scored best, by a paired bootstrap: both meet the
    same resamples of the rows.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 16; the standard
    error as a rule of choice after Breiman et al., "Classification and Regression Trees", 1984.
    """
    found = []
    for place, other in enumerate(predictions[1:], start=1):
        behind, low, high = paired_gain(
            metric, truth, predictions[0], other, seed=seed, level=LEVEL, weights=weights
        )
        error = (high - low) / (2 * 1.96)
        found.append(Tie(place, behind, low, high, behind <= max(error, 0.0)))
    return found
