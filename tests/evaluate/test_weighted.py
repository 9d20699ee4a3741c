"""Rows that count unequally: a weight of two is a row twice, one of zero none at all, and what
weights stand for is what is promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.abstaining import confidence, risk_coverage
from tunesmith.evaluate.calibration import brier, choose, ece, fit, reliability
from tunesmith.evaluate.conformal import Conformal, coverage_of, covered, of_classes, of_numbers
from tunesmith.evaluate.fairness import fairness
from tunesmith.evaluate.suspects import joint, suspects
from tunesmith.evaluate.thresholds import tune
from tunesmith.evaluate.weighted import effective_rows, error_of_mean, mean, quantile
from tunesmith.metrics import get

TWO = ("no", "yes")


def two(rows: int, seed: int = 0) -> tuple[np.ndarray, ClassScores]:
    """Labels drawn from probabilities, and these told twice as surely."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(size=rows)
    truth = (dice.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    up = 1 / (1 + np.exp(-2 * logits))
    return truth, ClassScores(TWO, np.stack([1 - up, up], axis=1))


def shifted(rows: int, seed: int) -> tuple[np.ndarray, Values, np.ndarray]:
    """Numbers of which one in five is far off, and weights by which every second one is."""
    dice = np.random.default_rng(seed)
    wild = dice.random(rows) < 0.2
    off = dice.normal(size=rows) * np.where(wild, 5, 1)
    return off, Values(np.zeros(rows)), np.where(wild, 0.5 / 0.2, 0.5 / 0.8)


def test_a_mean_a_quantile_and_their_rows() -> None:
    values, weights = np.array([1.0, 2.0, 6.0]), np.array([2.0, 1.0, 1.0])
    assert mean(values, weights) == pytest.approx(2.5)
    assert quantile(values, 0.5, weights) == 1
    assert quantile(values, 0.75, weights) == 2
    assert effective_rows(np.full(7, 3.0), 7) == pytest.approx(7)
    assert error_of_mean(values, np.ones(3)) == pytest.approx(values.std() / 3**0.5)
    assert np.isnan(mean(values, np.zeros(3)))


def test_intervals_hold_of_what_the_weights_stand_for() -> None:
    held, plain = [], []
    for seed in range(20):
        off, answers, weights = shifted(400, seed)
        new = shifted(2000, 100 + seed)
        known = of_numbers(off, answers, seed=0, weights=weights)
        assert Conformal.from_json(known.to_json()) == known
        held.append(coverage_of(known, new[0], new[1], 0.9, {}, new[2])["held"])
        alike = of_numbers(off, answers, seed=0)
        plain.append(coverage_of(alike, new[0], new[1], 0.9, {}, new[2])["held"])
    assert np.mean(held) == pytest.approx(0.9, abs=0.015)
    assert np.mean(plain) < 0.85


def test_equal_weights_make_the_sets_of_none() -> None:
    truth, shares = two(300)
    plain = of_classes(truth, shares, seed=0)
    alike = of_classes(truth, shares, seed=0, weights=np.full(300, 0.7))
    for each in (False, True):
        left, right = (one.sets(shares, 0.9, each_class=each) for one in (plain, alike))
        assert np.array_equal(left, right)
    assert alike.most == pytest.approx(plain.most)
    assert alike.confidence_for(0.45) == plain.confidence_for(0.45)


def test_rows_of_no_weight_have_no_say_in_sets_and_risks() -> None:
    truth, shares = two(300)
    weights = np.repeat([1.0, 0.0], 150)
    wrong = np.where(weights > 0, truth, 1 - shares.codes())
    known = of_classes(wrong, shares, seed=0, weights=weights)
    half = np.arange(150)
    alone = of_classes(truth[half], shares.take(half), seed=0)
    assert np.array_equal(known.sets(shares, 0.8), alone.sets(shares, 0.8))
    assert known.abstain_below(0.2) == pytest.approx(alone.abstain_below(0.2), abs=0.02)
    assert risk_coverage(wrong, shares, weights) == risk_coverage(truth[half], shares.take(half))


def test_the_share_answered_is_that_of_the_weights() -> None:
    truth, shares = two(1000)
    sure = confidence(shares)
    weights = np.where(sure > np.median(sure), 3.0, 1.0)
    known = of_classes(truth, shares, seed=0, weights=weights)
    left = weights[sure < known.abstain_below(0.25)].sum() / weights.sum()
    assert left == pytest.approx(0.25, abs=0.01)
    assert risk_coverage(truth, shares, weights)[-1]["risk"] == pytest.approx(
        mean(shares.codes() != truth, weights)
    )


def test_calibration_is_measured_and_learned_by_weight() -> None:
    truth, shares = two(1200)
    weights = np.where(np.arange(1200) % 2, 2.0, 1.0)
    again = np.repeat(np.arange(1200), weights.astype(int))
    assert brier(truth, shares, weights) == pytest.approx(brier(truth[again], shares.take(again)))
    some = np.where(np.arange(1200) < 700, 1.0, 0.0)
    first = np.arange(700)
    curve = reliability(truth, shares, weights=some)
    for one, other in zip(curve, reliability(truth[first], shares.take(first)), strict=True):
        assert one == pytest.approx(other)
    assert ece(truth, shares, weights=some) == pytest.approx(ece(truth[first], shares.take(first)))
    chosen = choose(get("log_loss"), truth, shares, seed=0, weights=weights).calibration
    assert chosen is not None
    assert ece(truth, chosen.apply(shares), weights=weights) < ece(truth, shares, weights=weights)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_calibration_follows_the_rows_that_count(method: str) -> None:
    truth, shares = two(3000)
    flipped = np.arange(3000) % 2 == 0
    mixed = np.where(flipped, 1 - truth, truth)  # half of the rows go against the answers
    weights = np.where(flipped, 0.02, 1.98)
    found = fit(method, mixed, shares, weights)  # type: ignore[arg-type]
    honest = np.flatnonzero(~flipped)
    plain = fit(method, mixed, shares)  # type: ignore[arg-type]
    losses = [
        brier(truth[honest], one.apply(shares.take(honest)))
        for one in (found, fit(method, truth[honest], shares.take(honest)), plain)  # type: ignore[arg-type]
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.003)
    assert losses[2] > losses[1] + 0.02


def test_a_threshold_is_that_of_the_rows_that_count() -> None:
    dice = np.random.default_rng(0)
    up = dice.uniform(0, 1, 1200)
    truth = (dice.random(1200) < 0.4 * up).astype(np.int64)
    shares = ClassScores(TWO, np.stack([1 - 0.4 * up, 0.4 * up], axis=1))
    weights = np.where(truth == 1, 6.0, 1.0)
    found, alike = (
        tune("balanced_accuracy", get("accuracy"), truth, shares, seed=0, row_weights=own)
        for own in (weights, None)
    )
    assert found.weights is not None
    assert found.weights[0] < 0.3
    assert alike.weights is None


def test_rates_of_groups_are_those_of_rows_repeated() -> None:
    truth, shares = two(400)
    cells = np.array(["a", "b"], dtype=object)[np.random.default_rng(1).integers(0, 2, 400)]
    weights = np.where(np.arange(400) % 3, 1.0, 2.0)
    again = np.repeat(np.arange(400), weights.astype(int))
    found = fairness("g", cells, truth, shares, weights=weights)
    twice = fairness("g", cells[again], truth[again], shares.take(again))
    for one, other in zip(found.groups, twice.groups, strict=True):
        for key, value in one.metrics.items():
            assert value.value == pytest.approx(other.metrics[key].value), key
    none = fairness("g", cells, truth, shares, weights=np.where(cells == "a", 1.0, 0.0))
    assert [group.name for group in none.groups] == ["a"]


def test_wrong_labels_are_counted_by_weight() -> None:
    truth, shares = two(500)
    weights = np.where(np.arange(500) % 2, 2.0, 1.0)
    again = np.repeat(np.arange(500), weights.astype(int))
    array = shares.probabilities
    assert joint(truth, array, weights) == pytest.approx(joint(truth[again], array[again]))
    found = suspects(truth, replace(shares), weights)
    assert np.array_equal(found.order, suspects(truth, shares).order)


def test_what_is_held_is_counted_by_weight() -> None:
    truth, shares = two(200)
    known = of_classes(truth, shares, seed=0)
    held = covered(known, truth, shares, 0.8)[0]
    told = coverage_of(known, truth, shares, 0.8, {"all": ["x"] * 200}, np.where(held, 3.0, 1.0))
    share = 3 * held.sum() / (3 * held.sum() + (~held).sum())
    assert told["held"] == pytest.approx(share)
    assert told["groups"]["all"]["x"]["held"] == pytest.approx(share)
