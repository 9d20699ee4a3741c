"""Sets and intervals hold the truth as often as asked, whatever the model is."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.abstaining import confidence, risk_coverage
from tunesmith.evaluate.conformal import (
    Conformal,
    coverage_of,
    covered,
    of_classes,
    of_numbers,
)


def classes(rows: int, seed: int) -> tuple[np.ndarray, ClassScores]:
    """Four classes, the last rare, told by a model that is much too sure."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(size=(rows, 4)) - np.array([0, 0, 0, 1.5])
    real = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (real.cumsum(axis=1) < dice.random((rows, 1))).sum(axis=1)
    told = np.exp(4 * logits) / np.exp(4 * logits).sum(axis=1, keepdims=True)
    return truth, ClassScores(tuple("abcd"), told)


def numbers(rows: int, seed: int) -> tuple[np.ndarray, Values]:
    """Numbers from 1 to 10 of which the higher are further off."""
    dice = np.random.default_rng(seed)
    answers = dice.uniform(1, 10, rows)
    return answers + answers * dice.normal(size=rows), Values(answers)


@pytest.mark.parametrize("coverage", [0.7, 0.9, 0.95])
@pytest.mark.parametrize("kind", ["sets", "sets of each class", "intervals"])
def test_coverage_is_as_asked_over_many_draws(kind: str, coverage: float) -> None:
    found = []
    for seed in range(30):
        if kind == "intervals":
            known = of_numbers(*numbers(400, seed), seed=0)
            found.append(covered(known, *numbers(2000, 1000 + seed), coverage)[0].mean())
            continue
        known = of_classes(*classes(400, seed), seed=0)
        truth, shares = classes(2000, 1000 + seed)
        sets = known.sets(shares, coverage, each_class=kind != "sets")
        held = sets[np.arange(2000), truth]
        found.append(held.mean() if kind == "sets" else held[truth == 3].mean())
    room = 0.02 if kind != "sets of each class" else 0.045
    assert np.mean(found) >= coverage - 0.012
    assert np.mean(found) <= coverage + room


def test_a_rare_class_is_held_less_often_unless_asked_for() -> None:
    known = of_classes(*classes(3000, 0), seed=0)
    truth, shares = classes(6000, 1)
    last = truth == 3
    plain = known.sets(shares, 0.9)[last, 3].mean()
    assert plain < 0.85
    assert known.sets(shares, 0.9, each_class=True)[last, 3].mean() > plain + 0.04


@pytest.mark.parametrize("share", [0.123456789, 1 / 3, 0.3, 0.45 - 1e-9])
def test_rows_that_are_tied_are_all_held_or_none(share: float) -> None:
    """A model that tells only two kinds of rows apart: it has to hold more than asked."""
    dice = np.random.default_rng(0)
    yes = dice.random(2000) < share
    shares = np.tile([1 - share, share], (2000, 1))
    known = of_classes(yes.astype(int), ClassScores(("no", "yes"), shares), seed=0)
    sets = known.sets(ClassScores(("no", "yes"), shares), 0.95)
    assert sets.all()


@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_tied_rows_are_held_as_often_as_asked_by_lot(coverage: float) -> None:
    """Of a model that tells two kinds of rows apart and is sure of all: in one its answer is right
    in 60 of 100 rows, in the other in 95."""
    dice = np.random.default_rng(0)
    rows = 8000
    told, right = np.tile([0, 1], rows // 2), np.tile([0.6, 0.95], rows // 2)
    truth = np.where(dice.random(rows) < right, told, 1 - told)
    shares = ClassScores(("no", "yes"), np.eye(2)[told])
    known = of_classes(truth[:3000], shares.take(np.arange(3000)), seed=0)
    new, truth = shares.take(np.arange(3000, rows)), truth[3000:]
    least = (new.codes() == truth).mean()
    together, by_lot = known.sets(new, coverage), known.sets(new, coverage, lot=0)
    places = np.arange(len(truth))
    assert together[places, truth].mean() == (1 if coverage > least else least)
    assert by_lot[places, truth].mean() == pytest.approx(max(coverage, least), abs=0.015)
    assert by_lot.sum() <= together.sum()
    assert np.array_equal(by_lot, known.sets(new, coverage, lot=0))
    each = known.sets(new, 0.7, each_class=True, lot=0)
    assert all(each[truth == c, c].mean() >= 0.68 for c in (0, 1))


def test_by_lot_as_many_are_held_where_nothing_is_tied() -> None:
    held = []
    for seed in range(20):
        known = of_classes(*classes(200, seed), seed=0)
        truth, shares = classes(1000, 100 + seed)
        held.append(known.sets(shares, 0.9, lot=seed)[np.arange(1000), truth].mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.012)


def test_sets_are_never_empty_and_grow_with_coverage() -> None:
    known = of_classes(*classes(500, 0), seed=0)
    _, shares = classes(1000, 1)
    sizes = [known.sets(shares, c).sum(axis=1) for c in (0.1, 0.5, 0.9, 0.99)]
    assert sizes[0].min() == 1
    assert all((b >= a).all() for a, b in pairwise(sizes))


def test_intervals_are_wider_where_errors_are_larger_and_only_there() -> None:
    truth, answers = numbers(1000, 0)
    known = of_numbers(truth, answers, seed=0)
    low, high = known.interval(Values(np.array([2.0, 9.0])), 0.9)
    assert (high - low)[1] > 2 * (high - low)[0]
    even = of_numbers(answers.values + np.random.default_rng(1).normal(size=1000), answers, seed=0)
    assert len(even.usual) == 1


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1, 2, "0.9", True, float("nan")])
def test_a_coverage_out_of_range_is_refused(coverage: object) -> None:
    known = of_classes(*classes(100, 0), seed=0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        known.sets(classes(3, 1)[1], coverage)  # type: ignore[arg-type]


def test_a_coverage_that_few_rows_cannot_tell_is_refused() -> None:
    known = of_numbers(*numbers(30, 0), seed=0)
    with pytest.raises(ConfigError, match=r"30 rows.*0\.968 can"):
        known.interval(numbers(3, 1)[1], 0.99)
    low, high = known.interval(numbers(3, 1)[1], 0.96)
    assert np.isfinite([low, high]).all()


def test_a_class_without_rows_is_in_every_set_of_each_class() -> None:
    truth, shares = classes(500, 0)
    some = np.flatnonzero(truth != 3)
    known = of_classes(truth[some], shares.take(some), seed=0)
    assert known.sets(shares, 0.9, each_class=True)[:, 3].all()


def test_what_is_known_goes_through_json() -> None:
    for made in (of_classes(*classes(50, 0), seed=0), of_numbers(*numbers(50, 0), seed=0)):
        assert Conformal.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_of_many_rows_a_few_thousand_are_kept() -> None:
    assert of_classes(*classes(9000, 0), seed=0).rows == 4000


def test_abstaining_leaves_out_that_share_and_the_risk_falls() -> None:
    known = of_classes(*classes(2000, 0), seed=0)
    truth, shares = classes(4000, 1)
    sure = confidence(shares) >= known.abstain_below(0.3)
    assert sure.mean() == pytest.approx(0.7, abs=0.03)
    wrong = shares.codes() != truth
    assert wrong[sure].mean() < wrong.mean() - 0.03


def test_a_risk_is_kept_on_new_rows() -> None:
    kept = []
    for seed in range(20):
        known = of_classes(*classes(1500, seed), seed=0)
        truth, shares = classes(4000, 100 + seed)
        sure = confidence(shares) >= known.confidence_for(0.35)
        kept.append((shares.codes() != truth)[sure].mean() <= 0.35)
    assert np.mean(kept) >= 0.8
    with pytest.raises(ConfigError, match=r"below 0\.001"):
        known.confidence_for(0.001)


def test_the_risk_coverage_curve_ends_at_the_risk_of_all() -> None:
    truth, shares = classes(1000, 0)
    curve = risk_coverage(truth, shares)
    assert curve[-1]["coverage"] == 1
    assert curve[-1]["risk"] == pytest.approx((shares.codes() != truth).mean())
    assert curve[9]["risk"] < curve[-1]["risk"]
    assert [one["coverage"] for one in curve] == sorted(one["coverage"] for one in curve)


def test_coverage_is_told_of_all_of_each_class_and_group() -> None:
    known = of_classes(*classes(500, 0), seed=0)
    truth, shares = classes(400, 1)
    side = np.array(["left", "right"], dtype=object)[np.arange(400) % 2]
    told = coverage_of(known, truth, shares, 0.9, {"side": side})
    parts = told["groups"]["side"]
    assert parts["left"]["rows"] == parts["right"]["rows"] == 200
    assert np.mean([parts["left"]["held"], parts["right"]["held"]]) == pytest.approx(told["held"])
    assert sum(part["rows"] for part in told["classes"].values()) == 400
