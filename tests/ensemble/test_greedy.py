"""A blend is used where it gains more than noise, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores, Labels, Values, mix
from tunesmith.ensemble.greedy import LEAST_LESS, least_less, select
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


def test_of_a_rare_class_a_smaller_gain_in_log_loss_is_enough() -> None:
    """One row in a hundred, and two models that are off each in its own way: their mean is better,
    which so few rows show by less log loss than an even class would."""

    def answers(rows: int, seed: int) -> tuple[np.ndarray, list[ClassScores]]:
        dice = np.random.default_rng(seed)
        logits = 3 * dice.normal(size=rows) - 8.5
        truth = (dice.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.int64)
        up = 1 / (1 + np.exp(-logits - 0.7 * dice.normal(size=(2, rows))))
        return truth, [ClassScores(("a", "b"), np.stack([1 - u, u], axis=1)) for u in up]

    metric, loss = get("roc_auc"), get("log_loss")
    new, fresh = answers(100_000, seed=9)
    gain = metric.score(new, mix(fresh, [0.5, 0.5]), None)
    gain -= max(metric.score(new, one, None) for one in fresh)
    assert gain > 0.001
    truth, models = answers(6000, seed=1)
    models.sort(key=lambda one: -metric.score(truth, one, None))
    less = loss.score(truth, models[0], None) - loss.score(truth, mix(models, [0.5, 0.5]), None)
    assert 0 < less < LEAST_LESS / 2
    assert least_less(truth, models[0], None) < LEAST_LESS / 5
    weights, _ = select(metric, truth, models, seed=0)
    assert min(weights) > 0.4


def test_of_even_classes_a_blend_must_gain_as_much_as_ever() -> None:
    shares = np.full((300, 3), 1 / 3)
    for classes in (2, 3):
        truth = np.arange(300) % classes
        answers = ClassScores(tuple("abc"[:classes]), shares[:, :classes])
        assert least_less(truth, answers, None) == pytest.approx(LEAST_LESS)
    rare = (np.arange(300) < 3).astype(np.int64)
    own = np.where(rare == 1, 99.0, 1.0)  # they stand for as many as the others
    answers = ClassScores(("a", "b"), shares[:, :2])
    assert least_less(rare, answers, own) == pytest.approx(LEAST_LESS)
    several = Labels(("a", "b"), np.full((300, 2), 0.5))
    assert least_less(np.stack([rare, rare], axis=1), several, None) < LEAST_LESS / 5
