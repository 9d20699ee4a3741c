"""Which answers are sure enough to be given, and what that leaves wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores
from tunesmith.evaluate.weighted import Numbers, Weights, counting, counts

SURE = 0.9
"""How sure it is that the risk asked for is kept."""


def confidence(prediction: ClassScores) -> Numbers:
    """How far the class that is answered leads, in [1/classes, 1]: its share of the weighted
    probabilities, which at a threshold is one half, shape (rows,)."""
    weighted = prediction.weighted()
    return np.asarray(weighted.max(axis=1) / np.maximum(weighted.sum(axis=1), 1e-300))


def safe_confidence(
    confidence: Numbers, right: NDArray[np.int64], risk: float, weights: Weights
) -> float:
    """The lowest confidence above which at most that share of the answers is wrong, as far as these
    rows tell: 90 % sure, at each of a few confidences. Rows that count unequally are taken for as
    many as tell as much.

    Raises:
        ConfigError: The risk is not between 0 and 1, or no confidence is known to keep it.

    Source: Geifman & El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017,
    algorithm 1; Korn & Graubard, "Confidence Intervals for Proportions with Small Expected Number
    of Positive Counts Estimated from Survey Data", Survey Methodology 1998, for weights.
    """
    from scipy.stats import beta

    if not 0 < risk < 1:
        raise ConfigError(f"A risk is a share between 0 and 1, such as 0.05, not {risk!r}.")
    order = np.argsort(-confidence, kind="stable")
    own = counts(weights, len(order))[order]
    places = np.unique(np.linspace(1, len(order), min(50, len(order))).round().astype(int)) - 1
    reached = np.cumsum(own)[places]
    rows = reached**2 / np.cumsum(own**2)[places]
    wrong = np.cumsum(own * (1 - right[order]))[places] / reached * rows
    still = np.maximum(rows - wrong, 1e-9)
    worst = np.where(rows - wrong < 1e-9, 1.0, beta.ppf(SURE, wrong + 1, still))
    kept = places[worst <= risk]
    if not len(kept):
        raise ConfigError(
            f"No confidence is known to keep the share of wrong answers below {risk:g}: the "
            f"lowest that {len(order):,} rows can vouch for is {worst.min():.3f}."
        )
    return float(confidence[order[kept[-1]]])


def risk_coverage(
    truth: NDArray[np.int64], prediction: ClassScores, weights: Weights = None
) -> list[dict[str, float]]:
    """The risk-coverage curve in steps of a hundredth: when only the most confident rows are
    answered, the least confidence among them, their share of all (`coverage`) and the share of
    wrong answers (`risk`), rows that count unequally by their `weights` (a step is a hundredth of
    the rows).

    Source: El-Yaniv & Wiener, "On the Foundations of Noise-free Selective Classification", JMLR
    2010.
    """
    sure = confidence(prediction)
    rows = counting(weights, len(truth))
    order = rows[np.argsort(-sure[rows], kind="stable")]
    own = counts(weights, len(truth))[order]
    reached = np.cumsum(own)
    wrong = np.cumsum(own * (prediction.codes()[order] != truth[order]))
    places = np.unique(np.ceil(np.linspace(0.01, 1, 100) * len(order)).astype(int))
    return [
        {
            "confidence": float(sure[order[place - 1]]),
            "coverage": float(reached[place - 1] / reached[-1]),
            "risk": float(wrong[place - 1] / reached[place - 1]),
        }
        for place in places
    ]
