"""Metrics for a rare class against scikit-learn and scipy, and the names with numbers in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn import metrics as reference

from tunesmith import metrics
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Values

PARAMETRIC = (
    "precision_at_17",
    "precision_at_10%",
    "recall_at_20",
    "recall_at_2.5%",
    "lift_at_10%",
    "recall_at_precision_0.4",
    "precision_at_recall_0.7",
)
OTHERS = ("ks", "gini", "brier", "ece", "average_precision")


def rare(rows: int = 400, seed: int = 0, digits: int = 9) -> tuple[np.ndarray, ClassScores]:
    """One row in ten is positive, and has higher marks."""
    dice = np.random.default_rng(seed)
    truth = (dice.random(rows) < 0.1).astype(np.int64)
    marks = np.round(1 / (1 + np.exp(2 - 2 * truth - dice.normal(size=rows))), digits)
    return truth, ClassScores(("no", "yes"), np.stack([1 - marks, marks], axis=1))


def value(
    name: str, truth: np.ndarray, scores: ClassScores, weights: np.ndarray | None = None
) -> float:
    return metrics.get(name).score(truth, scores, weights)


def test_among_the_highest_rows() -> None:
    truth, scores = rare()
    order = np.argsort(-scores.probabilities[:, 1])
    hits = truth[order]
    assert value("precision_at_17", truth, scores) == pytest.approx(hits[:17].mean())
    assert value("precision_at_10%", truth, scores) == pytest.approx(hits[:40].mean())
    assert value("recall_at_20", truth, scores) == pytest.approx(hits[:20].sum() / hits.sum())
    assert value("lift_at_10%", truth, scores) == pytest.approx(hits[:40].mean() / hits.mean())
    assert value("precision_at_9999", truth, scores) == pytest.approx(hits.mean())
    assert value("recall_at_100%", truth, scores) == 1.0


@pytest.mark.parametrize("digits", [9, 1])
def test_points_of_the_curve_equal_scikit_learn(digits: int) -> None:
    truth, scores = rare(digits=digits)
    marks = scores.probabilities[:, 1]
    precision, recall, _ = reference.precision_recall_curve(truth, marks)
    for least in (0.2, 0.5, 0.8):
        found = value(f"recall_at_precision_{least}", truth, scores)
        assert found == pytest.approx(recall[precision >= least].max())
        found = value(f"precision_at_recall_{least}", truth, scores)
        assert found == pytest.approx(precision[recall >= least].max())
    wanted = reference.average_precision_score(truth, marks)
    assert value("average_precision", truth, scores) == pytest.approx(wanted)
    wanted = ks_2samp(marks[truth == 1], marks[truth == 0]).statistic
    assert value("ks", truth, scores) == pytest.approx(wanted)
    wanted = 2 * reference.roc_auc_score(truth, marks) - 1
    assert value("gini", truth, scores) == pytest.approx(wanted)


def test_brier_equals_scikit_learn() -> None:
    truth, scores = rare()
    weights = np.random.default_rng(1).random(len(truth))
    wanted = reference.brier_score_loss(truth, scores.probabilities[:, 1], sample_weight=weights)
    assert value("brier", truth, scores, weights) == pytest.approx(wanted)
    dice = np.random.default_rng(2)
    many, codes = dice.dirichlet(np.ones(4), 50), dice.integers(0, 4, 50)
    wanted = ((many - np.eye(4)[codes]) ** 2).sum(axis=1).mean()
    assert value("brier", codes, ClassScores(tuple("abcd"), many)) == pytest.approx(wanted)
    assert value("brier", np.array([-1]), ClassScores(("a", "b"), np.array([[1.0, 0.0]]))) == 1.0


@pytest.mark.parametrize("classes", [2, 4])
def test_the_calibration_error_is_the_mean_gap_of_the_bins(classes: int) -> None:
    dice = np.random.default_rng(classes)
    shares = dice.dirichlet(np.ones(classes), 500)
    truth = dice.integers(0, classes, 500)
    codes = np.ones(500, dtype=int) if classes == 2 else shares.argmax(axis=1)
    given, hits = shares[np.arange(500), codes], truth == codes
    total = 0.0
    for low in np.arange(15) / 15:
        rows = (given >= low) & (given < low + 1 / 15)
        total += rows.mean() * abs(hits[rows].mean() - given[rows].mean()) if rows.any() else 0.0
    found = value("ece", truth, ClassScores(tuple("abcd"[:classes]), shares))
    assert found == pytest.approx(total)


def test_what_is_calibrated_has_no_calibration_error() -> None:
    dice = np.random.default_rng(0)
    shares = dice.random(200_000)
    truth = (dice.random(200_000) < shares).astype(np.int64)
    scores = ClassScores(("no", "yes"), np.stack([1 - shares, shares], axis=1))
    assert value("ece", truth, scores) < 0.01


@pytest.mark.parametrize("name", [*PARAMETRIC, *OTHERS])
@pytest.mark.parametrize("digits", [9, 1])
def test_whole_weights_repeat_rows(name: str, digits: int) -> None:
    truth, scores = rare(120, digits=digits)
    by_weights = metrics.get(name).by_weights(truth, scores)
    dice = np.random.default_rng(3)
    for _ in range(3):
        weights = dice.integers(0, 3, 120)
        rows = np.repeat(np.arange(120), weights)
        wanted = value(name, truth[rows], scores.take(rows))
        assert by_weights(weights.astype(float)) == pytest.approx(wanted)


@pytest.mark.parametrize("name", [*PARAMETRIC, "ks", "average_precision"])
def test_no_order_of_equal_marks_helps(name: str) -> None:
    truth, scores = rare(digits=1)
    order = np.argsort(truth, kind="stable")
    for rows in (order, order[::-1]):
        found = value(name, truth[rows], scores.take(rows))
        assert found == pytest.approx(value(name, truth, scores))


@pytest.mark.parametrize("name", [*PARAMETRIC, *OTHERS])
def test_one_class_alone_has_a_finite_value(name: str) -> None:
    _, scores = rare(20)
    for truth in (np.zeros(20, dtype=np.int64), np.ones(20, dtype=np.int64)):
        assert np.isfinite(value(name, truth, scores))


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Precision at 100", "precision_at_100"),
        ("precision_at_1.0%", "precision_at_1%"),
        ("lift at 5 %", "lift_at_5%"),
        ("recall-at-precision-0.90", "recall_at_precision_0.9"),
        ("recall_at_precision_90%", "recall_at_precision_0.9"),
        ("Brier score", "brier"),
    ],
)
def test_a_name_may_be_written_so(word: str, name: str) -> None:
    assert metrics.canonical(word) == name
    assert metrics.is_known(word)


@pytest.mark.parametrize(
    "word",
    [
        "precision_at_0",
        "precision_at_0%",
        "lift_at_101%",
        "precision_at_1.5",
        "recall_at_precision_1.5",
        "recall_at_recall_0.5",
        "lift_at_precision_0.5",
        "recall_at_",
        "precision_at_many",
    ],
)
def test_a_number_that_cannot_be_meant_is_told_with_the_grammar(word: str) -> None:
    with pytest.raises(ConfigError, match=rf"{word}.*precision_at_100.*recall_at_precision_0\.9"):
        metrics.canonical(word)
    assert not metrics.is_known(word)


def test_they_are_for_two_classes() -> None:
    for prediction in (Values(np.zeros(1)), ClassScores(tuple("abc"), np.full((1, 3), 1 / 3))):
        with pytest.raises(ConfigError, match="precision_at_10%' is not defined"):
            metrics.check("precision_at_10%", prediction)
