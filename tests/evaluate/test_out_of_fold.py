"""Intervals of answers out of fold are wider where little is known, and hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values
from tunesmith.core.records import Score
from tunesmith.evaluate.out_of_fold import constant, out_of_fold, skill, wider
from tunesmith.evaluate.scores import score
from tunesmith.metrics import canonical, get

TRUTH = np.array([0, 0, 0, 1])
SHARES = ClassScores(("a", "b"), np.tile([0.75, 0.25], (4, 1)))
RIGHT = ClassScores(("a", "b"), np.eye(2)[TRUTH])


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc", "brier", "mcc"])
def test_shares_have_no_skill_and_the_truth_has_all(metric: str) -> None:
    rule = get(metric)
    for answers, wanted in ((SHARES, 0.0), (RIGHT, 1.0)):
        value = rule.score(TRUTH, answers, None)
        assert skill(rule, value, TRUTH, answers, None) == pytest.approx(wanted)


def test_numbers_and_several_labels_have_a_skill_too() -> None:
    truth = np.array([1.0, 2.0, 3.0, 6.0])
    answers = Values(np.array([2.0, 2.0, 3.0, 5.0]))
    r2 = get("r2").score(truth, answers, None)
    assert skill(get("r2"), r2, truth, answers, None) == pytest.approx(r2)
    several = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]])
    given = Labels(("x", "y"), several[:, :2] * 0.8 + 0.1)  # the model does not know the third
    loss = get("log_loss").score(several[:, :2], given, None)
    assert 0.5 < skill(get("log_loss"), loss, several[:, :2], given, None) < 1


def test_shares_are_those_of_rows_as_they_count() -> None:
    weights = np.array([1.0, 1.0, 1.0, 3.0])
    assert constant(TRUTH, RIGHT, weights).array()[0] == pytest.approx([0.5, 0.5])
    mean = constant(np.array([1.0, 2.0, 3.0, 4.0]), Values(np.zeros(4)), weights)
    assert mean.array() == pytest.approx(np.full(4, 3.0))


def test_an_interval_stays_within_what_can_be() -> None:
    wide = wider(Score("accuracy", 0.9, 0.8, 0.95, 40), 3.0)
    assert (wide.value, wide.high) == (0.9, 1.0)
    assert wide.low == pytest.approx(0.6)
    none = Score("roc_auc", 0.9, float("nan"), float("nan"), 40)
    assert wider(none, 1.2) is none


def test_a_metric_that_fails_on_the_truth_is_taken_for_one_without_skill() -> None:
    def picky(truth: np.ndarray, answers: np.ndarray) -> float:
        return 1 / int(np.count_nonzero(truth != answers))

    mistaken = RIGHT.with_array(np.eye(2)[[0, 0, 1, 1]])
    name = canonical(picky)
    found = out_of_fold(Score(name, 1.0, 0.9, 1.1, 4), TRUTH, mistaken, None)
    assert found.high - found.low == pytest.approx(0.2 * np.sqrt(2))


def test_where_nothing_can_be_learned_the_bootstrap_is_surer_than_it_may_be() -> None:
    """Labels by chance: of 120 data sets the plain interval of an AUC out of fold lies on one side
    of 0.5 far more often than one in twenty."""
    missed = np.zeros(2)
    for seed in range(120):
        dice = np.random.default_rng(seed)
        x, truth = dice.normal(size=(160, 10)), dice.integers(0, 2, 160)
        folds = StratifiedKFold(10, shuffle=True, random_state=seed)
        model = LogisticRegression(C=0.3)
        given = cross_val_predict(model, x, truth, cv=folds, method="predict_proba")
        answers: Prediction = ClassScores(("a", "b"), given)
        plain = score("roc_auc", truth, answers, resamples=100)
        for place, one in enumerate((plain, out_of_fold(plain, truth, answers, None))):
            missed[place] += not one.low <= 0.5 <= one.high
    assert missed[0] / 120 > 0.18
    assert missed[1] < missed[0] / 2
