import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.scouting.space import reduce
from tunesmith.scouting.target import aim


@pytest.mark.parametrize("shape", [(30, 8), (12, 40), (20, 20)])
def test_coordinates_keep_every_inner_product_of_the_standardised_rows(shape):
    features = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    scaled = (features - features.mean(0)) / features.std(0)
    space = reduce(features)
    coordinates = space.coordinates()
    assert np.allclose(coordinates @ coordinates.T, scaled @ scaled.T, atol=1e-3)
    assert np.allclose(space.basis.T @ space.basis, np.eye(len(space.spread)), atol=1e-6)
    assert space.width == shape[1]


def test_a_feature_that_does_not_vary_is_as_if_it_were_not_there():
    features = np.random.default_rng(0).normal(size=(15, 4)).astype(np.float32)
    constant = np.full((15, 3), 123.456, dtype=np.float32)
    with_constants = reduce(np.hstack([features, constant]))
    assert with_constants.width == 4
    assert np.allclose(with_constants.spread, reduce(features).spread)


def test_a_row_that_is_not_finite_counts_as_an_average_one_and_many_are_refused():
    features = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    features[3, 2] = np.inf
    assert np.allclose(reduce(features).coordinates()[3], 0, atol=1e-9)
    features[:6] = np.nan
    with pytest.raises(DataError, match="6 of 10 rows"):
        reduce(features)


def test_a_target_is_one_hot_over_the_classes_met_or_standardised_numbers():
    classes = aim(np.array([5, 2, 5, 9]))
    assert classes.codes is not None
    assert classes.codes.tolist() == [1, 0, 1, 2]
    assert classes.columns.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    numbers = aim(np.array([1.0, 2.0, 6.0]))
    assert numbers.codes is None
    assert numbers.columns.mean() == pytest.approx(0)
    assert numbers.columns.std() == pytest.approx(1)


@pytest.mark.parametrize("truth", [np.array([1, 0]), np.array([1.0, np.nan, 2.0])])
def test_too_few_rows_or_unknown_numbers_are_refused(truth):
    with pytest.raises(DataError):
        aim(truth)
