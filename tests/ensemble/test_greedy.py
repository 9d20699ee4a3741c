"""A blend is used where it gains more than noise, and only there."""

from __future__ import annotations

import numpy as np

from tunesmith.core.predictions import ClassScores, Values, mix
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


def test_a_likelier_blend_that_loses_rows_by_luck_is_used_says_so_and_is_better() -> None:
    def answers(truth: np.ndarray, seed: int, sharpness: float) -> ClassScores:
        logits = np.random.default_rng(seed).normal(size=len(truth)) + 1.2 * (2 * truth - 1)
        shares = 1 / (1 + np.exp(-sharpness * logits))
        return ClassScores(("a", "b"), np.stack([1 - shares, shares], axis=1))

    few = np.random.default_rng(1).integers(0, 2, 300)
    many = np.random.default_rng(2).integers(0, 2, 100_000)
    metric = get("accuracy")
    models = ((284, 4.0), (285, 1.0))
    known = [answers(few, *model) for model in models]
    fresh = [answers(many, *model) for model in models]
    best_first = np.argsort([-metric.score(few, one, None) for one in known], kind="stable")
    weights, reason = select(metric, few, [known[i] for i in best_first], seed=0)
    assert "changes the metric by -" in reason
    blend = mix([fresh[i] for i in best_first], weights)
    alone = fresh[best_first[0]]
    assert metric.score(many, blend, None) > metric.score(many, alone, None) + 0.005
