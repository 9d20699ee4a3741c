import json

import numpy as np
import pytest

from tunesmith.modalities.number import CLIP, Number


def fit_and_turn(train, values):
    state = json.loads(json.dumps(Number().fit(np.array(train)), allow_nan=False))
    return Number().transform(np.array(values, dtype=np.float64), state)


def test_training_numbers_have_mean_zero_and_deviation_one():
    train = np.random.default_rng(0).normal(50.0, 9.0, 500)
    turned = fit_and_turn(train, train)
    assert turned.shape == (500, 1)
    assert turned.dtype == np.float32
    assert turned.mean() == pytest.approx(0.0, abs=1e-5)
    assert turned.std() == pytest.approx(1.0, abs=1e-5)


def test_what_is_remembered_is_of_training_alone():
    assert fit_and_turn([0.0, 2.0], [4.0, 1.0]).tolist() == [[3.0], [0.0]]


def test_missing_becomes_the_mean_with_a_mark_where_training_had_missing():
    turned = fit_and_turn([0.0, 2.0, np.nan], [np.nan, 2.0])
    assert turned.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_missing_has_no_mark_where_training_had_none():
    assert fit_and_turn([0.0, 2.0], [np.nan, 2.0]).tolist() == [[0.0], [1.0]]


def test_far_outside_is_clipped():
    assert fit_and_turn([0.0, 2.0], [1e12, -1e12]).ravel().tolist() == [CLIP, -CLIP]


@pytest.mark.parametrize("train", [[3.0, 3.0], [np.nan, np.nan], []])
def test_a_column_that_tells_nothing_gives_finite_numbers(train):
    turned = fit_and_turn(np.array(train, dtype=np.float64), [3.0, np.nan, 5.0])
    assert np.isfinite(turned).all()
