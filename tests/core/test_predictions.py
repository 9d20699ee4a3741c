import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.predictions import ClassScores, Values, mix


@pytest.fixture
def scores():
    return ClassScores(("bad", "good", "so-so"), np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]))


def test_the_answer_is_the_likeliest_class(scores):
    assert scores.codes().tolist() == [0, 2]
    assert scores.decode().tolist() == ["bad", "so-so"]
    assert len(scores) == 2


def test_weights_say_what_a_probability_counts_and_stay_with_the_scores(scores):
    weighted = ClassScores(scores.classes, scores.probabilities, weights=(0.1, 1.0, 0.4))
    assert weighted.codes().tolist() == [1, 1]
    for kept in (
        weighted.take(np.array([1, 0])),
        weighted.with_array(scores.probabilities),
        mix([weighted, scores], [1.0, 1.0]),
    ):
        assert kept.codes().tolist() == [1, 1]
    with pytest.raises(DataError, match="2 decision weights do not fit 3 classes"):
        ClassScores(scores.classes, scores.probabilities, weights=(0.1, 0.9))


def test_numbers_answer_for_themselves():
    values = Values(np.array([1.5, -2.0]))
    assert values.decode().tolist() == [1.5, -2.0]
    assert len(values) == 2


def test_rows_are_taken_in_the_order_given(scores):
    order = np.array([1, 0, 1])
    assert scores.take(order).codes().tolist() == [2, 0, 2]
    assert Values(np.array([3.0, 4.0])).take(order).values.tolist() == [4.0, 3.0, 4.0]


def test_a_prediction_of_the_wrong_shape_is_refused():
    with pytest.raises(DataError, match=r"shape \(2, 2\) do not fit 3 classes"):
        ClassScores(("a", "b", "c"), np.full((2, 2), 0.5))
    with pytest.raises(DataError, match=r"\(rows,\), not \(2, 1\)"):
        Values(np.zeros((2, 1)))


def test_a_mix_is_the_weighted_mean_whatever_the_scale_of_the_weights(scores):
    other = scores.with_array(np.array([[0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]))
    mixed = mix([scores, other], [30.0, 10.0])
    assert isinstance(mixed, ClassScores)
    assert np.allclose(mixed.array(), 0.75 * scores.array() + 0.25 * other.array())
    assert np.allclose(mixed.array().sum(axis=1), 1.0)
    assert mixed.classes == scores.classes


def test_a_mix_of_one_is_itself():
    values = Values(np.array([1.0, 2.0]))
    assert mix([values], [0.3]).array().tolist() == [1.0, 2.0]


def test_a_mix_with_a_weight_missing_is_refused(scores):
    with pytest.raises(ValueError, match="zip"):
        mix([scores, scores], [1.0])
