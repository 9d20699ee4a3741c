"""Probabilities are brought to what comes true, and left alone where they are already there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores
from tunesmith.evaluate.calibration import (
    Calibration,
    brier,
    choose,
    ece,
    fit,
    quality,
    reliability,
)
from tunesmith.metrics import get

TWO, THREE = ("no", "yes"), ("a", "b", "c")


def drawn(
    rows: int, *, times: float = 1.0, shift: float = 0.0, count: int = 2, seed: int = 0
) -> tuple[np.ndarray, ClassScores]:
    """Labels drawn from probabilities, and these told with logits so many times as large, of the
    last class shifted."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(size=(rows, count)) * 1.2
    real = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (real.cumsum(axis=1) < dice.random((rows, 1))).sum(axis=1)
    told = logits * times
    told[:, -1] += shift
    shares = np.exp(told) / np.exp(told).sum(axis=1, keepdims=True)
    return truth, ClassScores(TWO if count == 2 else THREE, shares)


def bent(rows: int, seed: int = 0) -> tuple[np.ndarray, ClassScores]:
    """Probabilities that no slope and shift puts right: steps of 0.2 and 0.6 told as a line."""
    dice = np.random.default_rng(seed)
    up = dice.uniform(0.02, 0.98, rows)
    truth = (dice.random(rows) < np.where(up < 0.5, 0.2, 0.6)).astype(int)
    return truth, ClassScores(TWO, np.stack([1 - up, up], axis=1))


def test_the_errors_are_those_of_the_textbook() -> None:
    truth = np.array([0, 1, 1, 1])
    shares = ClassScores(TWO, np.array([[0.8, 0.2], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9]]))
    assert brier(truth, shares) == pytest.approx((0.04 + 0.64 + 0.01 + 0.01) / 4)
    assert ece(truth, shares, bins=2) == pytest.approx((0.3 + 0.1) / 2)
    curve = reliability(truth, shares, bins=2)
    assert [(b["said"], b["came"], b["rows"]) for b in curve] == [
        pytest.approx((0.2, 0.5, 2)),
        pytest.approx((0.9, 1.0, 2)),
    ]


def test_of_many_classes_the_likeliest_is_looked_at() -> None:
    shares = ClassScores(THREE, np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]))
    assert ece(np.array([0, 1]), shares, bins=1) == pytest.approx(0.1)
    assert brier(np.array([0, 0]), shares) == pytest.approx((0.26 + 1.04) / 2)


@pytest.mark.parametrize(
    ("count", "shift", "method"),
    [(2, 0.0, "temperature"), (3, 0.0, "temperature"), (2, 1.5, "platt"), (3, 1.5, "vector")],
)
def test_too_sure_or_shifted_is_put_right(count: int, shift: float, method: str) -> None:
    case = drawn(1500, times=3.0, shift=shift, count=count)
    found = choose(get("accuracy"), *case, seed=0)
    assert found.calibration is not None, found.reason
    assert found.calibration.method == method
    truth, shares = drawn(3000, times=3.0, shift=shift, count=count, seed=1)
    before, after = quality(truth, shares), quality(truth, found.calibration.apply(shares))
    assert after["log_loss"] < 0.9 * before["log_loss"]
    assert after["ece"] < 0.5 * before["ece"]
    assert after["brier"] < before["brier"]


def test_the_temperature_is_that_of_the_logits() -> None:
    found = fit("temperature", *drawn(6000, times=3.0))
    assert 1 / found.scale[0] == pytest.approx(3.0, rel=0.1)


def test_steps_are_found_by_isotonic_regression() -> None:
    found = choose(get("accuracy"), *bent(3000), seed=0)
    assert found.calibration is not None
    assert found.calibration.method == "isotonic"
    truth, shares = bent(3000, seed=1)
    after = found.calibration.apply(shares)
    assert ece(truth, after) < 0.04 < ece(truth, shares)


def test_an_isotonic_map_keeps_the_order_and_leaves_nothing_impossible() -> None:
    truth, shares = bent(2000)
    after = fit("isotonic", truth, shares).apply(shares)
    order = np.argsort(shares.array()[:, 1])
    assert (np.diff(after.array()[order, 1]) > 0).all()
    assert after.array().min() > 0
    for metric in ("roc_auc", "average_precision"):
        pooled = get(metric).score(truth, after, None)
        assert pooled == pytest.approx(get(metric).score(truth, shares, None))


@pytest.mark.parametrize("count", [2, 3])
def test_what_is_calibrated_is_left_alone(count: int) -> None:
    done = [
        choose(get("accuracy"), *drawn(600, count=count, seed=seed), seed=seed).calibration
        for seed in range(12)
    ]
    assert sum(one is not None for one in done) <= 1


def test_of_many_classes_no_method_may_lower_the_metric() -> None:
    """Where the log loss gains and the answers lose, only what leaves them alone is used."""
    truth, shares = drawn(1500, times=3.0, shift=1.5, count=3)

    def last(labels: np.ndarray, answers: np.ndarray) -> float:
        return float((answers == "c").mean())

    found = choose(get(last), truth, shares, seed=0)
    assert found.calibration is not None
    assert found.calibration.method == "temperature"


@pytest.mark.parametrize(("rows", "words"), [(50, "too few"), (200, "largest class")])
def test_few_rows_change_nothing_and_say_so(rows: int, words: str) -> None:
    truth, shares = drawn(rows, times=3.0)
    truth = truth if rows < 100 else (np.arange(rows) < 5).astype(int)
    found = choose(get("accuracy"), truth, shares, seed=0)
    assert found.calibration is None
    assert words in found.reason
    assert found.crossed is shares


def test_labels_that_are_unknown_teach_nothing() -> None:
    truth, shares = drawn(1000, times=3.0)
    odd = np.concatenate([truth, np.full(100, -1)])
    more = shares.with_array(np.concatenate([shares.array(), shares.array()[:100]]))
    found = choose(get("accuracy"), odd, more, seed=0)
    assert found.calibration == choose(get("accuracy"), truth, shares, seed=0).calibration
    assert len(found.crossed) == 1100


def test_vector_scaling_is_crossed_and_the_others_keep_ties() -> None:
    truth, shares = drawn(1500, times=3.0, shift=1.5, count=3)
    found = choose(get("accuracy"), truth, shares, seed=0)
    assert found.calibration is not None
    crossed, own = found.crossed.array(), found.calibration.apply(shares).array()
    assert not np.array_equal(crossed, own)
    assert np.abs(crossed - own).max() < 0.1
    truth, shares = drawn(1500, times=3.0)
    tied = shares.with_array(shares.array().round(1))
    found = choose(get("accuracy"), truth, tied, seed=0)
    assert found.calibration is not None
    assert len(np.unique(found.crossed.array()[:, 1])) == len(np.unique(tied.array()[:, 1]))


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic", "vector"])
def test_a_map_goes_through_json_and_gives_probabilities(method: str) -> None:
    truth, shares = drawn(800, times=2.0, count=3 if method == "vector" else 2)
    made = fit(method, truth, shares)  # type: ignore[arg-type]
    again = Calibration.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    edges = shares.with_array(np.eye(len(shares.classes)))
    for one in (shares, edges):
        after = again.apply(one).array()
        assert np.allclose(after.sum(axis=1), 1)
        assert np.isfinite(after).all()
