"""A blend's score knows that its weights were chosen by the rows it is scored on."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.predictions import ClassScores, Prediction, Values, mix
from tunesmith.ensemble.choosing import corrected_blend
from tunesmith.ensemble.greedy import climb, select
from tunesmith.ensemble.pool import likeliest
from tunesmith.metrics import get

ROWS = 200
KINDS = ["one"] * 40


def guesses(models: int, seed: int) -> tuple[np.ndarray, list[ClassScores]]:
    """Labels, and answers that know nothing of them, best first."""
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, 2, ROWS)
    up = np.clip(0.5 + 0.2 * dice.normal(size=(models, ROWS)), 0.02, 0.98)
    found = [ClassScores(("a", "b"), np.stack([1 - one, one], axis=1)) for one in up]
    metric = get("roc_auc")
    return truth, sorted(found, key=lambda one: -metric.score(truth, one, None))


def halves(seed: int = 0, rows: int = 600) -> tuple[np.ndarray, list[ClassScores]]:
    """Labels told by two signs, and two models that each see one of them."""
    dice = np.random.default_rng(seed)
    signs = dice.normal(size=(rows, 2))
    truth = (dice.random(rows) < 1 / (1 + np.exp(-1.5 * signs.sum(axis=1)))).astype(np.int64)
    up = 1 / (1 + np.exp(-1.2 * signs))
    return truth, [ClassScores(("a", "b"), np.stack([1 - u, u], axis=1)) for u in up.T]


def test_a_blend_of_guesses_is_worth_no_more_than_chance() -> None:
    plain, fair = [], []
    for seed in range(8):
        truth, models = guesses(40, seed)
        weights = likeliest(truth, models[:8], 5)
        kept = [i for i, weight in enumerate(weights) if weight]
        blend = mix([models[i] for i in kept], [weights[i] for i in kept])
        plain.append(get("roc_auc").score(truth, blend, None))
        found = corrected_blend("roc_auc", truth, models, KINDS, 8, seed=seed, resamples=30)
        assert found is not None
        assert found.low <= 0.5 <= found.high
        fair.append(found.value)
    assert np.mean(plain) > 0.58
    assert abs(np.mean(fair) - 0.5) < 0.04
    assert abs(np.mean(fair) - 0.5) < 0.5 * (np.mean(plain) - 0.5)


def test_a_blend_that_knows_more_than_its_members_is_told_so() -> None:
    truth, models = halves()
    found = corrected_blend("roc_auc", truth, models, KINDS, 8)
    best = max(get("roc_auc").score(truth, one, None) for one in models)
    assert found is not None
    assert found.value > best + 0.05
    new, fresh = halves(seed=1, rows=4000)
    truly = get("roc_auc").score(new, mix(fresh, [0.5, 0.5]), None)
    assert found.low <= truly <= found.high


def test_numbers_are_blended_anew_too() -> None:
    dice = np.random.default_rng(0)
    truth = dice.normal(size=300)
    models: list[Prediction] = [Values(truth + dice.normal(size=300)) for _ in range(3)]
    found = corrected_blend("rmse", truth, models, KINDS, 8, resamples=25)
    assert found is not None
    assert found.value < 0.75  # a third of the noise's variance is left
    assert found.value < min(get("rmse").score(truth, one, None) for one in models)


def test_rows_without_weight_have_no_say() -> None:
    truth, models = halves()
    half = np.arange(len(truth)) < 300
    wrong = np.where(half, truth, 1 - truth)
    found = corrected_blend("roc_auc", wrong, models, KINDS, 8, weights=half.astype(float))
    there = np.flatnonzero(half)
    alone = [one.take(there) for one in models]
    apart = corrected_blend("roc_auc", truth[there], alone, KINDS, 8)
    assert found is not None
    assert apart is not None
    assert found.value == pytest.approx(apart.value, abs=0.02)


def test_the_first_of_each_kind_is_a_member() -> None:
    dice = np.random.default_rng(0)
    truth = dice.normal(size=300)
    close = Values(truth + 0.5 * dice.normal(size=300))
    copies: list[Prediction] = [Values(close.values + 1e-6 * n) for n in range(5)]
    other = Values(truth + 0.7 * dice.normal(size=300))  # further off, but in another direction
    models = [*copies, other]
    both = corrected_blend("rmse", truth, models, [*"aaaaab"], 2, resamples=25)
    copied = corrected_blend("rmse", truth, models, [*"aaaaaa"], 2, resamples=25)
    assert both is not None
    assert copied is not None
    assert both.value < copied.value - 0.03


def test_without_time_nothing_is_told() -> None:
    truth, models = halves()
    assert corrected_blend("roc_auc", truth, models, KINDS, 8, clock=Clock(0.0)) is None


def test_weights_are_those_of_the_selection() -> None:
    truth, models = halves()
    chosen, _ = select(get("roc_auc"), truth, models, seed=0)
    assert chosen == pytest.approx(likeliest(truth, models, 5))
    numbers = [Values(one.probabilities[:, 1]) for one in models]
    told, _ = select(get("rmse"), truth.astype(float), numbers, seed=0)
    assert told == climb(get("rmse"), truth.astype(float), numbers, None)
