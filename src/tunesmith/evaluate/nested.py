"""The interval of a score whose rows were answered by models of several outer folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tunesmith.core.records import Score
from tunesmith.metrics import get

NORMAL = 1.96
"""Standard errors from the middle to the end of a 95 % interval."""


def widened(pooled: Score, folds: Sequence[float]) -> tuple[Score, float]:
    """The pooled score with an interval that knows of the folds, and how many times as wide it is
    as it was (at least 1).

    The bootstrap draws rows and takes the models as given; folds differ by their models as well,
    which share training rows. Where the scores of the folds spread by more than drawing rows
    explains, the standard error of their mean takes the place of the one given. No estimate of
    that spread is unbiased, and few folds tell it roughly, so that it never narrows the interval.

    Args:
        pooled: Of all rows together, with its interval.
        folds: The score of each fold; NaN where a fold has none.

    Source: Bates, Hastie & Tibshirani, "Cross-validation: what does it estimate and how well does
    it do it?", JASA 2023 (intervals of plain cross-validation are too narrow); Bengio & Grandvalet,
    "No unbiased estimator of the variance of k-fold cross-validation", JMLR 2004.
    """
    known = np.array([one for one in folds if np.isfinite(one)])
    drawn = (pooled.high - pooled.low) / (2 * NORMAL)
    if len(known) < 2 or not np.isfinite(drawn):
        return pooled, 1.0
    spread = float(known.std(ddof=1) / np.sqrt(len(known)))
    if spread <= drawn:
        return pooled, 1.0
    rule, factor = get(pooled.metric), spread / drawn if drawn else np.inf
    below = factor * (pooled.value - pooled.low) if drawn else NORMAL * spread
    above = factor * (pooled.high - pooled.value) if drawn else NORMAL * spread
    low, high = max(rule.low, pooled.value - below), min(rule.high, pooled.value + above)
    return replace(pooled, low=float(low), high=float(high)), float(factor)
