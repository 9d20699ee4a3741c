"""Wrong labels are ranked first, by probabilities that had no part in them."""

from __future__ import annotations

import numpy as np

from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.suspects import confident_classes, joint, suspects, thresholds

SURE_ROWS = np.array(
    [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.05, 0.95], [0.6, 0.4]], dtype=float
)
GIVEN = np.array([0, 0, 1, 1, 0, 1])


def test_a_threshold_is_the_mean_probability_of_a_class_where_it_is_given() -> None:
    found = thresholds(GIVEN, SURE_ROWS)
    assert np.allclose(found, [(0.9 + 0.8 + 0.05) / 3, (0.9 + 0.7 + 0.4) / 3])
    three = np.column_stack([SURE_ROWS, np.zeros(6)])
    assert thresholds(GIVEN, three)[2] == np.inf


def test_a_row_counts_to_the_likeliest_class_whose_threshold_it_reaches() -> None:
    assert confident_classes(GIVEN, SURE_ROWS).tolist() == [0, 0, 1, 1, 1, 0]


def test_the_joint_keeps_the_shares_of_the_given_labels() -> None:
    found = joint(GIVEN, SURE_ROWS)
    assert np.allclose(found, [[1 / 3, 1 / 6], [1 / 6, 1 / 3]])


def test_the_row_that_another_class_fits_best_comes_first() -> None:
    found = suspects(GIVEN, ClassScores(("a", "b"), SURE_ROWS))
    assert found.order.tolist()[:2] == [4, 5]
    assert found.likelier[4] == 1
    assert np.flatnonzero(found.flagged).tolist() == [4]  # the other is not sure enough


def test_a_label_that_the_model_does_not_know_is_not_flagged() -> None:
    found = suspects(np.array([-1, 0, 1]), ClassScores(("a", "b"), SURE_ROWS[[4, 0, 2]]))
    assert not found.flagged.any()
    assert len(found.order) == 3


def test_numbers_far_from_their_answers_are_suspect() -> None:
    dice = np.random.default_rng(0)
    answers = dice.normal(size=200)
    truth = answers + 0.1 * dice.normal(size=200)
    truth[[7, 90]] += [5.0, -3.0]
    found = suspects(truth, Values(answers))
    assert found.order.tolist()[:2] == [7, 90]
    assert np.flatnonzero(found.flagged).tolist() == [7, 90]
