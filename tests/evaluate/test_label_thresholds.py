"""Thresholds of labels are tuned where that gains more than noise, and only there."""

from __future__ import annotations

import numpy as np

from tunesmith import metrics
from tunesmith.core.clock import Clock
from tunesmith.core.predictions import Labels, Values
from tunesmith.evaluate.label_thresholds import LabelDecision, at_one_threshold, tune_labels

NAMES = ("often", "seldom", "rare")


def made(rows: int = 600, shift: float = 0.0) -> tuple[np.ndarray, Labels]:
    """Rows whose labels are as likely as is said, or likelier than said by a shift of the logit."""
    dice = np.random.default_rng(0)
    logits = dice.normal(size=(rows, 3)) * 1.5 - np.array([0.0, 1.5, 7.0])
    truth = dice.random((rows, 3)) < 1 / (1 + np.exp(-logits - shift))
    return truth.astype(np.int64), Labels(NAMES, 1 / (1 + np.exp(-logits)))


def tuned(name: str, *given: object, **more: object) -> LabelDecision:
    rule = metrics.get(name)
    return tune_labels(name, rule, *given, seed=0, **{"clock": Clock(), **more})  # type: ignore[arg-type]


def test_thresholds_follow_what_is_said_too_low_and_rare_labels_follow_the_others() -> None:
    truth, found = made(shift=1.5)
    assert truth[:, 2].sum() < 10
    decision = tuned("f1_macro", truth, found)
    assert decision.thresholds is not None
    often, seldom, _ = decision.thresholds
    assert often < 0.4
    assert seldom < 0.4
    assert "a threshold for each label" in decision.reason
    new_truth, new = truth, found
    rule = metrics.get("f1_macro")
    better = Labels(NAMES, new.probabilities, decision.thresholds)
    assert rule.score(new_truth, better, None) > rule.score(new_truth, new, None)


def test_what_is_right_as_it_is_stays() -> None:
    truth, _ = made()
    sure = Labels(NAMES, np.where(truth == 1, 0.95, 0.05))
    decision = tuned("f1_micro", truth, sure)
    assert decision.thresholds is None
    assert "no more than noise" in decision.reason


def test_why_nothing_is_tuned_is_told() -> None:
    truth, found = made()
    assert "reads probabilities" in tuned("average_precision", truth, found).reason
    assert "too few" in tuned("f1_micro", truth[:50], found.take(np.arange(50))).reason
    hurried = tuned("f1_micro", truth, found, clock=Clock(0.0))
    assert "no time" in hurried.reason
    assert hurried.thresholds is not None
    assert len(set(hurried.thresholds)) == 1


def test_the_same_rows_give_the_same_thresholds() -> None:
    truth, found = made(shift=1.5)
    assert tuned("f1_micro", truth, found) == tuned("f1_micro", truth, found)


def test_models_are_compared_at_the_threshold_that_suits_them() -> None:
    truth, found = made(shift=1.5)
    rule = metrics.get("f1_micro")
    usual = at_one_threshold(rule, truth, found)
    assert isinstance(usual, Labels)
    assert usual.thresholds is not None
    assert len(set(usual.thresholds)) == 1
    assert rule.score(truth, usual, None) > rule.score(truth, found, None)
    numbers = Values(np.zeros(3))
    assert at_one_threshold(metrics.get("rmse"), np.zeros(3), numbers) is numbers
