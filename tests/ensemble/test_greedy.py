"""A blend is used where it gains more than noise, and only there."""

from __future__ import annotations

import numpy as np

from tunesmith.core.predictions import ClassScores, Values
from tunesmith.ensemble.greedy import select
from tunesmith.metrics import get


def test_models_with_independent_errors_are_blended() -> None:
    dice = np.random.default_rng(0)
    truth = dice.normal(size=500)
    parts = [Values(truth + dice.normal(size=500)) for _ in range(3)]
    weights, reason = select(get("rmse"), truth, parts, seed=0)
    assert all(0.2 < weight < 0.5 for weight in weights)
    assert "gains" in reason


def test_a_copy_of_the_best_adds_nothing() -> None:
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 2, 300)
    shares = np.clip(np.eye(2)[truth] * 0.6 + 0.3 * dice.random((300, 2)), 0.01, 1)
    shares /= shares.sum(1, keepdims=True)
    one = ClassScores(("a", "b"), shares)
    weights, reason = select(get("accuracy"), truth, [one, one], seed=0)
    assert weights == (1.0, 0.0)
    assert "no more than noise" in reason


def test_one_model_answers_alone() -> None:
    weights, _ = select(get("rmse"), np.arange(5.0), [Values(np.arange(5.0))], seed=0)
    assert weights == (1.0,)
