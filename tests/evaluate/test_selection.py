"""A score that knows it was chosen, and models that nobody can tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.selection import against_best, corrected
from tunesmith.metrics import get

ROWS = 200


def guessing(models: int, seed: int) -> tuple[np.ndarray, list[ClassScores]]:
    """Labels, and answers that know nothing of them, best first."""
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, 2, ROWS)
    scores = dice.random((models, ROWS))
    found = [ClassScores(("a", "b"), np.stack([1 - s, s], axis=1)) for s in scores]
    right = [(one.codes() == truth).mean() for one in found]
    return truth, [found[i] for i in np.argsort(right)[::-1]]


def test_the_best_of_many_that_know_nothing_is_no_better_than_chance() -> None:
    plain, fair = [], []
    for seed in range(10):
        truth, models = guessing(50, seed)
        plain.append(get("accuracy").score(truth, models[0], None))
        found = corrected("accuracy", truth, models, seed=seed, resamples=60)
        assert found is not None
        assert found.low <= 0.5 <= found.high
        fair.append(found.value)
    assert np.mean(plain) > 0.57
    assert abs(np.mean(fair) - 0.5) < 0.02


def test_of_one_model_it_is_its_own_score() -> None:
    truth, models = guessing(1, 0)
    found = corrected("accuracy", truth, models)
    assert found is not None
    assert found.value == pytest.approx(get("accuracy").score(truth, models[0], None), abs=0.01)


def test_rows_that_weigh_nothing_do_not_count() -> None:
    truth, models = guessing(5, 1)
    doubled = [ClassScores(m.classes, np.tile(m.probabilities, (2, 1))) for m in models]
    weights = np.repeat([1.0, 0.0], ROWS)
    wrong = np.concatenate([truth, 1 - truth])
    found = corrected("accuracy", wrong, doubled, weights=weights)
    alone = corrected("accuracy", truth, models)
    assert found is not None
    assert alone is not None
    assert found.value == pytest.approx(alone.value, abs=0.03)


def test_without_time_nothing_is_told() -> None:
    truth, models = guessing(5, 1)
    seconds = iter(float(n) for n in range(1000))
    assert corrected("accuracy", truth, models, clock=Clock(10, lambda: next(seconds))) is None


def test_a_worse_model_is_told_from_the_best_and_a_like_one_is_tied() -> None:
    dice = np.random.default_rng(0)
    truth = dice.normal(size=ROWS)
    best = Values(truth + 0.5 * dice.normal(size=ROWS))
    like = Values(truth + 0.51 * dice.normal(size=ROWS))
    worse = Values(truth + dice.normal(size=ROWS))
    near, far = against_best(get("rmse"), truth, [best, like, worse])
    assert near.is_tied
    assert near.within_error == (near.behind <= (near.high - near.low) / 3.92)
    assert not far.within_error
    assert not far.is_tied
    assert far.low > 0
    assert far.behind == pytest.approx(0.5, abs=0.15)
