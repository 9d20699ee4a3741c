"""What being chosen does to a score, and which models nobody can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
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
    measure = get(metric)
    sign = 1.0 if measure.higher_is_better else -1.0
    by_weights = [measure.by_weights(truth, one) for one in predictions[:MOST_MODELS]]
    dice, rows, found = generator(seed, "selection"), len(truth), list[float]()
    own = np.ones(rows) if weights is None else weights
    for _ in range(resamples):
        if clock is not None and clock.is_over():
            break
        drawn = np.bincount(dice.integers(0, rows, rows), minlength=rows).astype(np.float64)
        left_out = (drawn == 0) * own
        if not left_out.any() or not (drawn * own).any():
            continue
        inside = np.array([sign * one(drawn * own) for one in by_weights])
        if not np.isfinite(inside).any():
            continue
        best = int(np.nanargmax(np.where(np.isfinite(inside), inside, np.nan)))
        outside = by_weights[best](left_out)
        if np.isfinite(outside):
            found.append(outside)
    if len(found) < FEWEST:
        return None
    value = float(np.mean(found))
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
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
