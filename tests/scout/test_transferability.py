import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf

from tunesmith.scouting.probes import nearest, ridge
from tunesmith.scouting.space import reduce
from tunesmith.scouting.target import aim
from tunesmith.scouting.transferability import h_score, logme, logme_of_nothing, n_leep, shrinkage


def _standardised(features):
    return (features - features.mean(0)) / features.std(0)


def _best_evidence(features, column):
    """Log evidence of y = Xw + noise, seen off the intercept, at the best prior and noise found
    numerically from the dense covariance of the answers."""
    rows = len(features)
    off_intercept = np.linalg.svd(np.eye(rows) - 1 / rows)[0][:, : rows - 1]
    kernel = off_intercept.T @ features @ features.T @ off_intercept
    answers = off_intercept.T @ column

    def loss(logs):
        prior, noise = np.exp(logs)
        covariance = prior * kernel + noise * np.eye(rows - 1)
        return -multivariate_normal.logpdf(answers, cov=covariance)

    starts = [(a, b) for a in (-9, -5, -1) for b in (-4, -1)]
    return -min(minimize(loss, start, method="Nelder-Mead").fun for start in starts) / rows


@pytest.mark.parametrize("shape", [(40, 6), (24, 60)])
def test_logme_is_the_evidence_maximised(shape):
    dice = np.random.default_rng(0)
    features = dice.normal(size=shape)
    scaled = _standardised(features)
    numbers = features[:, 0] + features[:, 1] + dice.normal(size=shape[0])
    target = aim(numbers)
    expected = _best_evidence(scaled, target.columns[:, 0])
    assert logme(reduce(features), target) == pytest.approx(expected, abs=1e-4)
    classes = aim((numbers > 0).astype(np.int64) + (numbers > 1))
    each = [_best_evidence(scaled, column) for column in classes.columns.T]
    assert logme(reduce(features), classes) == pytest.approx(np.mean(each), abs=1e-4)


def test_logme_of_noise_is_about_that_of_nothing():
    dice = np.random.default_rng(1)
    target = aim(dice.integers(0, 3, 150))
    nothing = logme_of_nothing(target)
    assert nothing <= logme(reduce(dice.normal(size=(150, 300))), target) < nothing + 0.02
    signal = target.columns @ dice.normal(size=(3, 300)) + 0.5 * dice.normal(size=(150, 300))
    assert logme(reduce(signal), target) > nothing + 0.5


@pytest.mark.parametrize("shape", [(30, 5), (15, 30)])
def test_h_score_is_its_formula_on_dense_matrices(shape):
    dice = np.random.default_rng(2)
    rows, codes = shape[0], np.arange(shape[0]) % 3
    features = dice.normal(size=shape) + codes[:, None]
    scaled = _standardised(features)
    covariance, shrink = ledoit_wolf(scaled)
    means = np.stack([scaled[codes == c].mean(0) for c in range(3)])[codes]
    within = np.cov((scaled - means).T, bias=True)
    between = np.cov(means.T, bias=True) - 2 / (rows - 3) * within
    expected = np.trace(np.linalg.inv(covariance) @ between)
    assert shrinkage(reduce(features)) == pytest.approx(shrink)
    assert h_score(reduce(features), codes) == pytest.approx(expected)
    assert 0 < expected < 2


def test_h_score_of_noise_is_about_zero_and_of_white_features_that_tell_is_not():
    dice = np.random.default_rng(6)
    codes = np.arange(300) % 10
    noise = dice.normal(size=(300, 60))
    assert h_score(reduce(noise), codes) < 0.9
    told = np.linalg.svd(noise + 3 * dice.normal(size=(10, 60))[codes], full_matrices=False)[0]
    assert h_score(reduce(told), codes) > 6


def test_n_leep_grows_as_classes_part():
    dice = np.random.default_rng(3)
    codes = np.repeat(np.arange(4), 50)
    noise, centres = dice.normal(size=(200, 20)), dice.normal(size=(4, 20))
    found = [n_leep(reduce(noise + apart * centres[codes]), codes) for apart in (0, 1, 2, 6)]
    assert found == sorted(found)
    chance = -np.log(4)
    assert chance - 0.3 < found[0] < chance + 0.05
    assert found[-1] > -0.1


def _odd_cases():
    dice = np.random.default_rng(4)
    few = np.repeat(np.arange(77), 4)
    one = np.array([0] * 19 + [1])
    repeated = np.repeat(dice.normal(size=(10, 6)), 4, axis=0)
    return {
        "constant features": (np.ones((20, 5)), one),
        "zero width": (np.ones((20, 0)), one),
        "duplicated rows, one label": (repeated, np.repeat(np.arange(10) % 2, 4)),
        "duplicated rows, labels at odds": (repeated, np.arange(40) % 2),
        "one row of a class": (dice.normal(size=(20, 5)), one),
        "one class": (dice.normal(size=(20, 5)), np.zeros(20, dtype=np.int64)),
        "wider than long": (dice.normal(size=(20, 300)), one),
        "longer than wide": (dice.normal(size=(300, 2)), np.arange(300) % 3),
        "77 classes of 4": (dice.normal(size=(308, 500)), few),
        "three rows": (dice.normal(size=(3, 2)), np.array([0, 1, 1])),
        "huge numbers": (dice.normal(size=(20, 5)) * 1e30, one),
        "one outlier": (np.vstack([dice.normal(size=(19, 5)), np.full((1, 5), 1e6)]), one),
        "told exactly": (np.eye(3)[np.arange(30) % 3], np.arange(30) % 3),
        "constant numbers": (dice.normal(size=(20, 5)), np.full(20, 7.0)),
        "numbers told exactly": (np.arange(20.0)[:, None], np.arange(20.0)),
    }


@pytest.mark.parametrize("name", _odd_cases())
def test_every_score_is_a_number_within_its_range_on_odd_data(name):
    features, truth = _odd_cases()[name]
    space, target = reduce(features.astype(np.float32)), aim(truth)
    for probe in (ridge(space, target), nearest(space, target)):
        assert np.isfinite(probe.outputs).all()
        assert np.isfinite(probe.value(target))
        assert probe.value(target) <= 1
    assert np.isfinite(logme(space, target))
    if target.codes is not None:
        assert 0 <= h_score(space, target.codes) <= max(0, target.columns.shape[1] - 1)
        assert -50 < n_leep(space, target.codes) <= 0
