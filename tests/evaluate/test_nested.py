"""Intervals that know of the folds are as wide as the bootstrap's, or wider."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Score
from tunesmith.evaluate.nested import widened
from tunesmith.evaluate.scores import score
from tunesmith.metrics import get

POOLED = Score("accuracy", 0.8, 0.76, 0.84, 400)


def test_folds_that_agree_leave_the_interval_as_it_is() -> None:
    assert widened(POOLED, [0.79, 0.8, 0.81, 0.8]) == (POOLED, 1.0)


def test_folds_that_spread_widen_it_and_never_beyond_what_can_be() -> None:
    wide, factor = widened(POOLED, [0.9, 0.7, 0.95, 0.65])
    error = np.std([0.9, 0.7, 0.95, 0.65], ddof=1) / 2
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * error)
    assert factor == pytest.approx(error / (0.08 / (2 * 1.96)))
    perfect = Score("accuracy", 0.99, 0.98, 1.0, 400)
    assert widened(perfect, [0.5, 1.0, 1.0, 1.0])[0].high == 1.0
    none = Score("accuracy", 0.8, 0.8, 0.8, 400)
    assert widened(none, [0.9, 0.7])[0].low == pytest.approx(0.8 - 1.96 * 0.1)


def test_a_fold_without_a_score_tells_nothing() -> None:
    assert widened(POOLED, [float("nan"), 0.8]) == (POOLED, 1.0)


def test_models_that_differ_by_fold_are_covered_where_the_bootstrap_alone_is_not() -> None:
    """Each fold's model has a luck of its own: the interval is to hold what models have on average,
    by their truth, not what those few happen to have."""
    dice, rows, count = np.random.default_rng(0), 1_000, 5
    places, held = np.repeat(np.arange(count), rows // count), np.zeros(2)
    for _ in range(150):
        luck = np.clip(dice.normal(0.8, 0.05, count), 0, 1)[places]
        right = dice.random(rows) < luck
        shares = np.stack([right, ~right], axis=1).astype(float)
        answers, truth = ClassScores(("a", "b"), shares), np.zeros(rows, dtype=np.int64)
        plain = score("accuracy", truth, answers, resamples=100)
        rule = get("accuracy")
        each = [
            rule.score(truth[places == k], answers.take(np.flatnonzero(places == k)))
            for k in range(count)
        ]
        for place, one in enumerate((plain, widened(plain, each)[0])):
            held[place] += one.low <= 0.8 <= one.high
    assert held[0] / 150 < 0.8
    assert held[1] / 150 > 0.85
