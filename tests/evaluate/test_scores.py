"""Intervals that cover, gains that are paired."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.scores import confusion, paired_gain, resampled, score
from tunesmith.metrics import get


def answers(right: np.ndarray, truth: np.ndarray) -> ClassScores:
    codes = np.where(right, truth, 1 - truth)
    return ClassScores(("a", "b"), np.eye(2)[codes])


def test_the_interval_covers_the_true_accuracy_about_as_often_as_it_says() -> None:
    dice, covered = np.random.default_rng(1), 0
    for number in range(60):
        truth = dice.integers(0, 2, 150)
        found = score("accuracy", truth, answers(dice.random(150) < 0.8, truth), seed=number)
        covered += found.low <= 0.8 <= found.high
    assert 52 <= covered <= 60


def test_more_rows_give_a_narrower_interval() -> None:
    dice = np.random.default_rng(0)
    widths = []
    for rows in (50, 500, 5000):
        truth = dice.integers(0, 2, rows)
        found = score("accuracy", truth, answers(dice.random(rows) < 0.7, truth))
        widths.append(found.high - found.low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "mcc", "roc_auc"])
def test_no_error_in_few_rows_proves_little(metric: str) -> None:
    truth = np.arange(200) % 2
    few = score(metric, truth[:12], answers(np.ones(12, dtype=bool), truth[:12]))
    many = score(metric, truth, answers(np.ones(200, dtype=bool), truth))
    assert (few.value, few.high) == (many.value, many.high) == (1.0, 1.0)
    assert few.low == pytest.approx(0.7353, abs=1e-4)
    assert many.low == pytest.approx(0.9817, abs=1e-4)


def test_the_same_seed_gives_the_same_interval() -> None:
    truth = np.arange(100.0)
    values = Values(truth + np.sin(truth))
    assert score("rmse", truth, values, seed=3) == score("rmse", truth, values, seed=3)


def test_a_better_prediction_gains_and_an_equal_one_does_not() -> None:
    dice = np.random.default_rng(0)
    truth = dice.normal(size=400)
    old, new = Values(truth + dice.normal(size=400)), Values(truth + 0.5 * dice.normal(size=400))
    gain, low, high = paired_gain(get("rmse"), truth, new, old)
    assert low < gain < high
    assert low > 0
    assert paired_gain(get("rmse"), truth, old, old) == (0.0, 0.0, 0.0)


def test_when_time_is_over_sixty_resamples_have_to_do() -> None:
    truth = np.arange(100) % 2
    found = answers(np.arange(100) % 3 > 0, truth)
    few = score("accuracy", truth, found, resamples=60)
    assert score("accuracy", truth, found, clock=Clock(0.0)) == few
    assert score("accuracy", truth, found, clock=Clock()) == score("accuracy", truth, found)


def test_confusion_counts_truth_in_rows_and_answers_in_columns() -> None:
    truth = np.array([0, 0, 1, -1])
    found = confusion(truth, ClassScores(("a", "b"), np.eye(2)[[0, 1, 1, 0]]))
    assert found.tolist() == [[1, 1], [0, 1]]


def test_a_score_reads_as_value_and_interval() -> None:
    truth = np.array([0, 1] * 20)
    found = score("accuracy", truth, answers(np.ones(40, bool), truth))
    assert str(found) == "1.0000 [0.9119, 1.0000]"
    assert float(found) == 1.0


def test_resamples_are_of_the_same_rows_for_every_prediction_and_end_with_the_clock() -> None:
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 2, 300)
    good, bad = (answers(dice.random(300) < share, truth) for share in (0.9, 0.6))
    found = resampled(get("accuracy"), truth, [good, bad, good], resamples=50)
    assert found.shape == (50, 3)
    assert (found[:, 0] == found[:, 2]).all()
    assert found.mean(axis=0) == pytest.approx([0.9, 0.6, 0.9], abs=0.06)
    over = Clock(1.0, now=iter(range(99)).__next__)
    assert resampled(get("accuracy"), truth, [good, bad], clock=over).shape == (0, 2)
