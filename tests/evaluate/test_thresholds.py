"""Answers are chosen so that the metric is best on rows that nothing was tuned on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.predictions import ClassScores
from tunesmith.evaluate.thresholds import of_threshold, reads_answers, tune
from tunesmith.metrics import get


def rare(rows: int, seed: int, count: int = 2) -> tuple[np.ndarray, ClassScores]:
    """Calibrated probabilities of classes of which the later are rare."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(size=(rows, count)) * 1.3 - (2.5 if count == 2 else 1.2) * np.arange(count)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (shares.cumsum(axis=1) < dice.random((rows, 1))).sum(axis=1)
    return truth, ClassScores(tuple(map(str, range(count))), shares)


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "f1_macro", "mcc"])
def test_a_threshold_is_tuned_for_a_metric_of_rare_answers(name: str) -> None:
    found = tune(name, get(name), *rare(1200, 0), seed=0)
    if name in ("f1", "balanced_accuracy"):
        assert found.weights is not None, found.reason
        assert found.weights[0] < 0.45  # the rare class is answered below one half
        assert sum(found.weights) == pytest.approx(1)
    truth, shares = rare(4000, 1)
    plain = get(name).score(truth, shares, None)
    tuned = get(name).score(truth, replace(shares, weights=found.weights), None)
    assert tuned >= plain - 0.005
    if found.weights is not None:
        assert tuned > plain
        assert f"threshold {found.weights[0]:.3f}" in found.reason


def test_many_classes_have_weights_the_rarer_the_larger() -> None:
    found = tune("balanced_accuracy", get("balanced_accuracy"), *rare(1500, 0, 4), seed=0)
    assert found.weights is not None
    assert max(found.weights) == 1
    assert found.weights[0] < found.weights[-1]
    truth, shares = rare(4000, 1, 4)
    rule = get("balanced_accuracy")
    tuned = rule.score(truth, replace(shares, weights=found.weights), None)
    assert tuned > rule.score(truth, shares, None) + 0.02


def test_a_metric_that_can_gain_nothing_keeps_the_likeliest() -> None:
    kept = [tune("accuracy", get("accuracy"), *rare(500, s), seed=s).weights for s in range(12)]
    assert sum(weights is not None for weights in kept) <= 1


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "average_precision"])
def test_a_metric_of_probabilities_has_no_threshold(name: str) -> None:
    truth, shares = rare(500, 0)
    assert not reads_answers(get(name), truth, shares)
    found = tune(name, get(name), truth, shares, seed=0)
    assert found.weights is None
    assert "reads probabilities" in found.reason


def test_a_loss_of_the_users_own_is_tuned_for_downwards() -> None:
    def bill(labels: np.ndarray, answers: np.ndarray) -> float:
        missed = (labels == "1") & (answers == "0")
        false = (labels == "0") & (answers == "1")
        return float((10 * missed + false).mean())

    bill.higher_is_better = False  # type: ignore[attr-defined]
    metric = get(bill)
    found = tune("bill", metric, *rare(1200, 0), seed=0)
    assert found.weights is not None
    assert found.weights[0] == pytest.approx(1 / 11, abs=0.08)  # what Elkan 2001 says: 1 / (1 + 10)


def test_a_metric_that_fails_on_some_answers_is_no_reason_to_stop() -> None:
    def share(labels: np.ndarray, answers: np.ndarray) -> float:
        found = answers == "1"
        return float((labels == "1")[found].sum() / found.sum()) if found.mean() > 0.05 else np.nan

    assert tune("share", get(share), *rare(600, 0), seed=0).reason


def test_nothing_is_tuned_once_time_is_over() -> None:
    found = tune("f1", get("f1"), *rare(1200, 0), seed=0, clock=Clock(0.0))
    assert found.weights is None
    assert "no time" in found.reason


def test_few_rows_are_no_reason_to_change_anything() -> None:
    found = tune("f1", get("f1"), *rare(60, 0), seed=0)
    assert found.weights is None
    assert "too few" in found.reason


def test_a_threshold_answers_the_second_class_above_it() -> None:
    shares = np.array([[0.8, 0.2], [0.69, 0.31], [0.1, 0.9]])
    scores = ClassScores(("no", "yes"), shares, weights=of_threshold(0.3))
    assert scores.decode().tolist() == ["no", "yes", "yes"]
