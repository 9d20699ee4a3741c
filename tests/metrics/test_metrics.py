"""Metrics against scikit-learn, and what a name may mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from tunesmith import metrics
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.scores import score

DICE = np.random.default_rng(0)


def made(rows: int, classes: int) -> tuple[np.ndarray, ClassScores, np.ndarray]:
    shares = DICE.dirichlet(np.ones(classes), rows)
    truth = np.where(DICE.random(rows) < 0.5, shares.argmax(1), DICE.integers(0, classes, rows))
    weights = DICE.integers(0, 4, rows).astype(float)
    return truth, ClassScores(tuple(map(str, range(classes))), shares), weights


def average(function: Callable[..., float], how: str) -> Callable[..., float]:
    return lambda y, p, w: function(y, p, average=how, sample_weight=w, zero_division=0)


LABELS: dict[str, Callable[..., float]] = {
    "accuracy": lambda y, p, w: reference.accuracy_score(y, p, sample_weight=w),
    "balanced_accuracy": lambda y, p, w: reference.balanced_accuracy_score(y, p, sample_weight=w),
    "mcc": lambda y, p, w: reference.matthews_corrcoef(y, p, sample_weight=w),
    "kappa": lambda y, p, w: reference.cohen_kappa_score(y, p, sample_weight=w),
    **{
        f"{name}_{how}": average(function, how)
        for name, function in (
            ("precision", reference.precision_score),
            ("recall", reference.recall_score),
            ("f1", reference.f1_score),
        )
        for how in ("macro", "micro", "weighted")
    },
}


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("name", LABELS)
def test_label_metrics_equal_scikit_learn(name: str, classes: int) -> None:
    truth, scores, weights = made(300, classes)
    for some in (None, weights):
        wanted = LABELS[name](truth, scores.codes(), some)
        assert metrics.get(name).score(truth, scores, some) == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_binary_metrics_are_of_the_second_class(name: str) -> None:
    truth, scores, weights = made(200, 2)
    wanted = getattr(reference, f"{name}_score")(truth, scores.codes(), sample_weight=weights)
    assert metrics.get(name).score(truth, scores, weights) == pytest.approx(wanted)


def test_areas_and_losses_equal_scikit_learn() -> None:
    truth, two, weights = made(300, 2)
    positive = two.probabilities[:, 1]
    for name, function in (
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
    ):
        found = metrics.get(name).score(truth, two, weights)
        assert found == pytest.approx(function(truth, positive, sample_weight=weights))
    truth, many, weights = made(300, 4)
    for name, how in (("roc_auc_ovr", "ovr"), ("roc_auc_ovo", "ovo")):
        wanted = reference.roc_auc_score(truth, many.probabilities, multi_class=how)
        assert metrics.get(name).score(truth, many, None) == pytest.approx(wanted)
    wanted = reference.log_loss(truth, many.probabilities, sample_weight=weights)
    assert metrics.get("log_loss").score(truth, many, weights) == pytest.approx(wanted)


def test_ties_count_half_in_an_area() -> None:
    marks = np.round(DICE.random(200), 1)
    truth = DICE.integers(0, 2, 200)
    scores = ClassScores(("0", "1"), np.stack([1 - marks, marks], axis=1))
    wanted = reference.roc_auc_score(truth, marks)
    assert metrics.get("roc_auc").score(truth, scores, None) == pytest.approx(wanted)


@pytest.mark.parametrize("classes", [2, 4])
def test_weights_repeat_rows_however_often_one_asks(classes: int) -> None:
    truth, scores, _ = made(60, classes)
    for name in metrics.fitting(scores):
        by_weights = metrics.get(name).by_weights(truth, scores)
        for _ in range(3):
            weights = DICE.integers(0, 3, 60)
            rows = np.repeat(np.arange(60), weights)
            wanted = metrics.get(name).score(truth[rows], scores.take(rows), None)
            assert by_weights(weights.astype(float)) == pytest.approx(wanted), name


NUMBERS: dict[str, Callable[[Any, Any], float]] = {
    "rmse": reference.root_mean_squared_error,
    "mae": reference.mean_absolute_error,
    "median_absolute_error": reference.median_absolute_error,
    "r2": reference.r2_score,
    "mape": reference.mean_absolute_percentage_error,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_metrics_of_numbers_equal_scikit_learn(name: str) -> None:
    truth = DICE.normal(size=200) + 3
    values = truth + DICE.normal(size=200)
    found = metrics.get(name).score(truth, Values(values), None)
    assert found == pytest.approx(NUMBERS[name](truth, values))
    doubled = metrics.get(name).score(truth, Values(values), np.full(200, 2.0))
    assert doubled == pytest.approx(found)


def test_spearman_equals_scipy() -> None:
    from scipy.stats import spearmanr

    truth, values = DICE.normal(size=100), np.round(DICE.normal(size=100), 1)
    found = metrics.get("spearman").score(truth, Values(values), None)
    assert found == pytest.approx(spearmanr(truth, values).statistic)


def test_a_label_the_model_does_not_know_is_never_right() -> None:
    scores = ClassScores(("a", "b"), np.array([[1.0, 0.0], [1.0, 0.0]]))
    truth = np.array([0, -1])
    assert metrics.get("accuracy").score(truth, scores, None) == 0.5
    assert metrics.get("log_loss").score(truth, scores, None) > 15


def test_a_callable_is_a_metric_and_repeats_rows_by_weight() -> None:
    def share_of_yes(truth: np.ndarray, answers: np.ndarray) -> float:
        return float((answers == "yes").mean())

    name = metrics.canonical(share_of_yes)
    scores = ClassScores(("no", "yes"), np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert metrics.get(name).score(np.array([0, 1]), scores, None) == 0.5
    assert metrics.get(name).score(np.array([0, 1]), scores, np.array([1.0, 3.0])) == 0.75


def test_a_callable_that_fails_is_named() -> None:
    def broken(truth: np.ndarray, answers: np.ndarray) -> float:
        raise ZeroDivisionError("nothing")

    scores = ClassScores(("a", "b"), np.array([[1.0, 0.0]]))
    with pytest.raises(ConfigError, match=r"broken.*ZeroDivisionError"):
        metrics.get(broken).score(np.array([0]), scores, None)


def test_two_callables_of_one_name_are_two_metrics() -> None:
    first, second, third = (lambda t, p: 1.0), (lambda t, p: 2.0), (lambda t, p: 3.0)
    names = [metrics.canonical(own) for own in (first, second, first, third)]
    assert names[0] == names[2]
    assert len(set(names)) == 3
    assert [metrics.get(name).function for name in names] == [first, second, first, third]  # type: ignore[attr-defined]


def test_a_callable_has_no_best_value_to_doubt() -> None:
    found = ClassScores(("a", "b"), np.eye(2)[[0, 1, 0, 1]])
    value = score(metrics.canonical(lambda t, p: 1.0), np.array([0, 1, 0, 1]), found)
    assert (value.low, value.high) == (1.0, 1.0)


def test_a_callable_without_a_value_for_some_rows_still_has_an_interval() -> None:
    def share_of_hits(truth: Any, found: Any) -> float:
        hits = truth == "b"
        if not hits.any():
            raise ValueError("no row is b")
        return float((found[hits] == "b").mean())

    truth = np.array([1, 1] + [0] * 20)
    found = ClassScores(("a", "b"), np.eye(2)[np.array([1, 0] + [0] * 20)])
    value = score(metrics.canonical(share_of_hits), truth, found)
    assert (value.low, value.value, value.high) == (0.0, 0.5, 1.0)
    with pytest.raises(ConfigError, match="no row is b"):
        score(metrics.canonical(share_of_hits), truth[2:], found.take(np.arange(2, 22)))


@pytest.mark.parametrize(
    ("word", "name"), [("AUC", "roc_auc"), ("acc", "accuracy"), ("F1 macro", "f1_macro")]
)
def test_usual_spellings_are_known(word: str, name: str) -> None:
    assert metrics.canonical(word) == name


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'accuracy'"):
        metrics.get("acuracy")


def test_a_metric_that_does_not_fit_the_answer_is_refused_with_those_that_do() -> None:
    three = ClassScores(("a", "b", "c"), np.empty((0, 3)))
    with pytest.raises(ConfigError, match=r"3 classes.*roc_auc_ovr"):
        metrics.check("roc_auc", three)
    with pytest.raises(ConfigError, match="numbers"):
        metrics.check("accuracy", Values(np.empty(0)))


@pytest.mark.parametrize("name", ["median_absolute_error", "spearman"])
def test_weights_of_any_size_are_shares_of_rows(name: str) -> None:
    dice = np.random.default_rng(3)
    truth = dice.integers(0, 9, 40).astype(float)
    values = truth + dice.normal(size=40).round(1)
    times = dice.integers(0, 4, 40)
    metric = metrics.get(name)
    repeated = metric.score(np.repeat(truth, times), Values(np.repeat(values, times)), None)
    for scale in (1.0, 0.1, 1 / 3):
        found = metric.score(truth, Values(values), times * scale)
        assert found == pytest.approx(repeated)
