"""Class probabilities are weighted by how likely they make the labels."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from tunesmith.core.predictions import ClassScores
from tunesmith.ensemble import pool
from tunesmith.ensemble.pool import likeliest

CLASSES = ("a", "b", "c")


def guesses(truth: np.ndarray, sharpness: float, seed: int) -> ClassScores:
    """Probabilities that lean to the truth, the more the sharper."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(size=(len(truth), len(CLASSES)))
    logits[np.arange(len(truth)), truth] += sharpness
    shares = np.exp(logits)
    return ClassScores(CLASSES, shares / shares.sum(1, keepdims=True))


def test_the_weights_are_those_that_a_general_optimiser_finds() -> None:
    truth = np.random.default_rng(0).integers(0, 3, 400)
    parts = [guesses(truth, sharpness, seed) for seed, sharpness in enumerate((1.5, 1.4, 1.2))]
    shares = np.stack([p.array()[np.arange(400), truth] for p in parts], axis=1)

    def loss(free: np.ndarray) -> float:
        weights = np.exp(free) / np.exp(free).sum()
        prior = pool.PRIOR_ROWS * np.log(weights).sum()
        return -float(np.log(shares @ weights).sum() + prior)

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-6}).x
    wanted = np.exp(best) / np.exp(best).sum()
    assert np.allclose(likeliest(truth, parts, 5), wanted, atol=0.01)


def test_copies_share_the_weight_and_a_guesser_gets_none() -> None:
    truth = np.random.default_rng(0).integers(0, 3, 400)
    good, noise = guesses(truth, 2.0, 1), guesses(truth, -1.0, 2)
    weights = likeliest(truth, [good, good, noise], 5)
    assert np.allclose(weights, (0.5, 0.5, 0.0), atol=0.01)


def test_no_more_models_than_allowed_are_kept() -> None:
    truth = np.random.default_rng(0).integers(0, 3, 300)
    parts = [guesses(truth, 1.0, seed) for seed in range(8)]
    weights = likeliest(truth, parts, 3)
    assert sum(weight > 0 for weight in weights) == 3
    assert np.isclose(sum(weights), 1.0)


def test_labels_that_the_models_do_not_know_tell_nothing() -> None:
    truth = np.random.default_rng(0).integers(0, 3, 300)
    parts = [guesses(truth, sharpness, seed) for seed, sharpness in enumerate((1.5, 0.5))]
    unknown = np.concatenate([truth, np.full(50, -1)])
    longer = [ClassScores(CLASSES, np.concatenate([p.array(), p.array()[:50]])) for p in parts]
    assert np.allclose(likeliest(unknown, longer, 5), likeliest(truth, parts, 5))


def test_few_rows_leave_the_weights_near_equal() -> None:
    truth = np.random.default_rng(0).integers(0, 3, 6)
    parts = [guesses(truth, sharpness, seed) for seed, sharpness in enumerate((1.2, 0.8))]
    assert min(likeliest(truth, parts, 5)) > 0.25
