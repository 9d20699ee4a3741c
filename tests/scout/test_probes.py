import numpy as np
import pytest

from tunesmith.scouting.probes import nearest, ridge
from tunesmith.scouting.space import reduce
from tunesmith.scouting.target import aim


def _standardised(features):
    return (features - features.mean(0)) / features.std(0)


def _refitted(scaled, columns, penalty):
    """Ridge with a free intercept, refitted without each row in turn."""
    outputs = np.empty_like(columns)
    for row in range(len(scaled)):
        rest = np.arange(len(scaled)) != row
        center, level = scaled[rest].mean(0), columns[rest].mean(0)
        x, y = scaled[rest] - center, columns[rest] - level
        slope = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        outputs[row] = level + (scaled[row] - center) @ slope
    return outputs


@pytest.mark.parametrize("shape", [(25, 6), (18, 40)])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_ridge_says_what_refits_without_each_row_say(shape, kind):
    dice = np.random.default_rng(1)
    features = dice.normal(2, 3, shape)
    truth = (
        dice.integers(0, 3, shape[0])
        if kind == "classes"
        else features[:, 0] + dice.normal(size=shape[0])
    )
    target = aim(truth)
    scaled = _standardised(features)
    unit = (scaled**2).sum() / shape[0]
    for strength in (0.01, 1.0, 100.0):
        probe = ridge(reduce(features), target, (strength,))
        expected = _refitted(scaled, target.columns, strength * unit)
        assert np.allclose(probe.outputs, expected, atol=1e-6)
        assert probe.loss == pytest.approx(((target.columns - expected) ** 2).sum(1).mean())


def test_ridge_takes_the_strength_of_least_left_out_error():
    dice = np.random.default_rng(2)
    features, truth = dice.normal(size=(40, 60)), dice.normal(size=40)
    space, target = reduce(features), aim(truth)
    strengths = (0.01, 0.1, 1.0, 10.0, 1000.0)
    alone = {s: ridge(space, target, (s,)).loss for s in strengths}
    chosen = ridge(space, target, strengths)
    assert chosen.loss == min(alone.values())
    assert alone[chosen.strength] == chosen.loss


@pytest.mark.parametrize("probe", [ridge, nearest])
def test_a_probe_of_noise_is_at_chance_and_one_of_signal_is_not(probe):
    """A row left out makes its class rarer: a naive probe of noise is far below chance."""
    dice = np.random.default_rng(3)
    truth = np.repeat([0, 1], 200)
    target = aim(truth)
    found = [probe(reduce(dice.normal(size=(400, 50))), target).value(target) for _ in range(8)]
    assert 0.45 < np.mean(found) < 0.55
    signal = dice.normal(size=(400, 50)) + truth[:, None]
    assert probe(reduce(signal), target).value(target) > 0.95


def test_a_probe_of_nothing_tells_the_most_frequent_class():
    truth = np.array([0] * 10 + [1] * 30)
    target = aim(truth)
    assert ridge(reduce(np.ones((40, 3))), target).value(target) == 0.75
    even = aim(np.repeat(np.arange(77), 4))
    assert ridge(reduce(np.ones((308, 3))), even).value(even) == pytest.approx(1 / 77)


def test_nearest_says_what_a_loop_over_rows_says():
    dice = np.random.default_rng(4)
    features, truth = dice.normal(size=(30, 5)), dice.integers(0, 3, 30)
    target = aim(truth)
    scaled = _standardised(features)
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    expected = np.empty_like(target.columns)
    for row in range(30):
        others = [r for r in np.argsort(-(unit @ unit[row])) if r != row][:4]
        weight = np.exp(unit[others] @ unit[row] / 0.07)
        expected[row] = weight @ target.columns[others] / weight.sum()
    assert np.allclose(nearest(reduce(features), target, 4).outputs, expected, atol=1e-4)


def test_numbers_are_scored_by_r2():
    dice = np.random.default_rng(5)
    features = dice.normal(size=(200, 5))
    target = aim(features @ np.arange(5.0) + dice.normal(size=200))
    assert ridge(reduce(features), target).value(target) == pytest.approx(30 / 31, abs=0.01)
    assert ridge(reduce(dice.normal(size=(200, 5))), target).value(target) < 0.05
