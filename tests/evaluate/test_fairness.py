"""Metrics by group and their gaps, with intervals, and small groups that cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.fairness import MISSING, OTHER, fairness, groups_of

CLASSES = ("no", "yes")


def answers(rows: int = 600) -> tuple[np.ndarray, np.ndarray, ClassScores]:
    """Sex, truth, and answers that select men more often."""
    dice = np.random.default_rng(0)
    sex = dice.choice(np.array(["f", "m"], dtype=object), rows)
    truth = dice.integers(0, 2, rows)
    found = np.clip(0.3 * truth + 0.3 + 0.2 * (sex == "m") + dice.normal(0, 0.15, rows), 0.01, 0.99)
    return sex, truth, ClassScores(CLASSES, np.stack([1 - found, found], axis=1))


def test_rates_and_gaps_are_those_of_fairlearn() -> None:
    fairlearn = pytest.importorskip("fairlearn.metrics")
    sex, truth, found = answers()
    seen = fairness("sex", sex, truth, found)
    given = {"y_true": truth, "y_pred": found.codes(), "sensitive_features": sex}
    by_name = {
        "demographic parity difference": fairlearn.demographic_parity_difference,
        "demographic parity ratio": fairlearn.demographic_parity_ratio,
        "equalised odds difference": fairlearn.equalized_odds_difference,
        "equalised odds ratio": fairlearn.equalized_odds_ratio,
    }
    for name, function in by_name.items():
        assert np.isclose(seen.gaps[name].value, function(**given)), name
    frame = fairlearn.MetricFrame(metrics=fairlearn.true_positive_rate, **given)
    for group in seen.groups:
        rate = group.metrics["true positive rate"].value
        assert np.isclose(rate, frame.by_group[group.name])


def test_intervals_hold_their_value_and_tell_a_gap_from_none() -> None:
    sex, truth, found = answers()
    seen = fairness("sex", sex, truth, found)
    gap = seen.gaps["demographic parity difference"]
    assert 0.1 < gap.low <= gap.value <= gap.high
    drawn = np.random.default_rng(1).permutation(sex)
    assert fairness("sex", drawn, truth, found).gaps["demographic parity difference"].value < 0.1
    for group in seen.groups:
        assert all(one.low <= one.value <= one.high for one in group.metrics.values())


def test_auc_and_log_loss_of_a_group_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    sex, truth, found = answers()
    group = fairness("sex", sex, truth, found).groups[0]
    rows = sex == "f"
    own = found.probabilities[rows]
    assert group.rows == rows.sum()
    assert np.isclose(group.metrics["AUC"].value, roc_auc_score(truth[rows], own[:, 1]))
    assert np.isclose(group.metrics["log loss"].value, log_loss(truth[rows], own))


def test_small_groups_are_marked_and_have_no_say() -> None:
    sex, truth, found = answers()
    sex = sex.copy()
    sex[:8] = "x"
    seen = fairness("sex", sex, truth, found)
    assert [group.is_small for group in seen.groups] == [False, False, True]
    assert set(seen.frame().columns) >= {"rows", "too small", "AUC", "AUC low"}
    alone = fairness(
        "sex",
        np.where(sex == "f", "f", "x").astype(object)[:40],
        truth[:40],
        found.take(np.arange(40)),
    )
    assert alone.gaps == {}


def test_the_other_label_may_be_the_one_that_is_selected() -> None:
    sex, truth, found = answers()
    seen = fairness("sex", sex, truth, found, positive="no")
    usual = fairness("sex", sex, truth, found)
    assert (seen.positive, usual.positive) == ("no", "yes")
    for mine, other in zip(seen.groups, usual.groups, strict=True):
        rates = (one.metrics["selection rate"].value for one in (mine, other))
        assert np.isclose(sum(rates), 1)


def test_numbers_have_errors_and_several_classes_accuracy() -> None:
    sex, truth, _ = answers()
    seen = fairness("sex", sex, truth.astype(float), Values(truth + np.where(sex == "m", 0.5, 0)))
    assert np.isclose(seen.gaps["mean error difference"].value, 0.5)
    three = ClassScores(("a", "b", "c"), np.full((600, 3), 1 / 3))
    assert set(fairness("sex", sex, truth, three).gaps) == {
        *("accuracy difference", "log loss difference")
    }


def test_groups_of_numbers_dates_missing_and_rare_cells() -> None:
    names, places = groups_of(np.array([1.0, 2.0, np.nan, 1.0]))
    assert names[places[2]] == MISSING
    assert names[places[0]] == "1"
    ages = np.arange(100.0)
    names, places = groups_of(ages)
    assert len(names) == 4
    assert np.bincount(places).tolist() == [25, 25, 25, 25]
    days = np.datetime64("2020-01-01") + np.arange(100).astype("timedelta64[D]")
    assert len(groups_of(days.astype("datetime64[s]"))[0]) == 4
    many = np.array([f"town {i % 30}" for i in range(900)] + [None], dtype=object)
    names, places = groups_of(many)
    assert (len(names), names[-1]) == (20, OTHER)
    assert places.max() == 19
