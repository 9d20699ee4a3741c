"""What more would buy: intervals that hold as often as they say, on curves whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tunesmith.evaluate.prospects import Outlook, of_rows, of_search
from tunesmith.metrics import canonical, get

ACCURACY, RMSE = get("accuracy"), get("rmse")


def searched(scores: NDArray[np.float64], metric: str = "accuracy", seed: int = 0) -> Outlook:
    ends = np.arange(1, len(scores) + 1)
    return of_search(get(metric), list(scores), list(ends), factors=(2, 5), seed=seed)


def errors(dice: np.random.Generator, count: int) -> NDArray[np.float64]:
    return 0.1 + 0.1 * dice.beta(2, 3, count)


@pytest.mark.parametrize("count", [5, 20, 100])
@pytest.mark.parametrize(("metric", "of"), [("accuracy", lambda e: 1 - e), ("rmse", lambda e: e)])
def test_the_best_of_more_draws_lies_in_the_interval_about_as_often_as_it_says(
    count: int, metric: str, of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    dice, runs = np.random.default_rng(0), 120
    inside = np.zeros(2)
    for number in range(runs):
        found = errors(dice, 5 * count)
        told = searched(of(found[:count]), metric, number).prospects
        came = [float(of(found[: factor * count].min())) for factor in (2, 5)]
        inside += [one.low <= true <= one.high for one, true in zip(told, came, strict=True)]
    assert ((0.65 * runs < inside) & (inside < 0.97 * runs)).all()


def test_in_the_mean_the_expected_score_is_nearer_to_what_comes_than_the_present_one() -> None:
    dice, told, same = np.random.default_rng(0), [], []
    for number in range(200):
        found = errors(dice, 50)
        (_, five) = searched(1 - found[:10], seed=number).prospects
        told.append(five.expected - (1 - found.min()))
        same.append(found.min() - found[:10].min())
    assert abs(np.mean(told)) < 0.8 * abs(np.mean(same))


def test_nothing_is_promised_below_the_present_score_or_beyond_the_best() -> None:
    dice = np.random.default_rng(0)
    for number in range(50):
        scores = 1 - 0.3 * dice.random(2 + number) ** 3
        for one in searched(scores, seed=number).prospects:
            assert scores.max() <= one.low <= one.expected <= one.high <= 1
        for one in searched(1 - scores, "rmse", number).prospects:
            assert 0 <= one.low <= one.expected <= one.high <= 1 - scores.max() + 1e-12


def test_lower_is_better_is_the_mirror_of_higher_is_better() -> None:
    scores = np.array([0.7, 0.8, 0.78, 0.83, 0.81])
    up, down = searched(scores).prospects, searched(1 - scores, "rmse").prospects
    assert [1 - one.expected for one in up] == pytest.approx([one.expected for one in down])
    assert [1 - one.low for one in up] == pytest.approx([one.high for one in down])


def test_a_search_that_has_long_gained_nothing_is_expected_to_gain_less() -> None:
    values = np.linspace(0.8, 0.9, 24)
    rising, settled = values, values[::-1]
    assert searched(rising).prospects[0].expected > searched(settled).prospects[0].expected + 1e-4


def test_more_buys_more_and_the_same_seed_says_the_same() -> None:
    scores = 1 - errors(np.random.default_rng(0), 12)
    two, five = searched(scores).prospects
    assert two.expected < five.expected
    assert two.high < five.high
    assert searched(scores) == searched(scores)


@pytest.mark.parametrize("scores", [[], [0.9], [0.8, 0.9], [0.8, float("nan"), 0.9]])
def test_of_one_or_two_models_nothing_is_told_and_the_reason_is(scores: list[float]) -> None:
    found = searched(np.array(scores))
    assert found.prospects == ()
    assert "at least 3" in found.reason


def test_a_score_that_is_not_a_number_changes_nothing() -> None:
    scores = np.array([0.7, 0.8, 0.85, 0.84])
    ends = [1.0, 2.0, 3.0, 4.0]
    plain = of_search(ACCURACY, list(scores), ends, factors=(2,), seed=0)
    scores, ends = np.insert(scores, 2, np.nan), [1.0, 2.0, 2.5, 3.0, 4.0]
    assert of_search(ACCURACY, list(scores), ends, factors=(2,), seed=0) == plain


def test_the_best_score_there_is_stays() -> None:
    (two, _) = searched(np.array([0.9, 1.0, 0.95])).prospects
    assert (two.low, two.expected, two.high) == (1.0, 1.0, 1.0)


def test_equal_scores_promise_little() -> None:
    (two, five) = searched(np.full(10, 0.9)).prospects
    assert two.expected < 0.905
    assert five.high < 0.93


def test_a_metric_without_bounds_is_told_in_units_of_its_spread() -> None:
    def profit(truth: object, answers: object) -> float:
        return 0.0

    scores = np.array([100.0, 180.0, 150.0, 190.0, 120.0])
    (two, _) = searched(scores, canonical(profit)).prospects
    assert 190 <= two.low < two.expected < two.high < 400
    (thousand, _) = searched(1000 * scores, canonical(profit)).prospects
    assert thousand.expected == pytest.approx(1000 * two.expected)


def right(
    dice: np.random.Generator, errors: list[float], rows: int
) -> tuple[list[float], NDArray[np.float64]]:
    """Scores of models of such errors on the same rows, some of which are hard for all of them, and
    the same on bootstrap samples."""
    hard = dice.random(rows)
    hits = np.array([0.7 * hard + 0.3 * dice.random(rows) > e for e in errors], dtype=np.float64)
    drawn = dice.multinomial(rows, np.full(rows, 1 / rows), 100) / rows
    return list(hits.mean(axis=1)), drawn @ hits.T


SIZES = [250, 500, 1000, 2000]


def curve(rows: float) -> float:
    return float(0.1 + 0.5 * (rows / 100) ** -0.4)


def test_twice_the_rows_lie_in_the_interval_about_as_often_as_it_says() -> None:
    dice, inside, off, same = np.random.default_rng(0), 0, 0.0, 0.0
    for number in range(80):
        scores, samples = right(dice, [curve(n) for n in [*SIZES, 4000]], 400)
        told = of_rows(ACCURACY, SIZES, scores[:4], samples[:, :4], factors=(2,), seed=number)
        (two,) = told.prospects
        inside += two.low <= scores[4] <= two.high
        off += abs(two.expected - scores[4])
        same += abs(scores[3] - scores[4])
    assert 0.65 * 80 < inside < 0.97 * 80
    assert off < same


def test_a_flat_curve_promises_little_and_a_steep_one_much() -> None:
    gains = []
    for of in (lambda n: 0.3, curve):
        scores, samples = right(np.random.default_rng(1), [of(n) for n in SIZES], 20_000)
        told = of_rows(ACCURACY, SIZES, scores, samples, factors=(2, 5), seed=0)
        gains += [one.expected - scores[-1] for one in told.prospects]
    flat_two, flat_five, two, five = gains
    assert 0 <= flat_two <= flat_five < 0.01
    assert two == pytest.approx(curve(2000) - curve(4000), abs=0.015)
    assert five > two > 0.02


def test_rows_are_told_of_an_error_as_of_a_score() -> None:
    scores, samples = right(np.random.default_rng(0), [curve(n) for n in SIZES], 400)
    up = of_rows(ACCURACY, SIZES, scores, samples, factors=(2,), seed=0).prospects[0]
    lost = [1 - one for one in scores]
    down = of_rows(RMSE, SIZES, lost, 1 - samples, factors=(2,), seed=0).prospects[0]
    assert 1 - up.expected == pytest.approx(down.expected)
    assert 1 - up.high == pytest.approx(down.low)
    assert max(lost[-1], 0) >= down.expected >= 0


@pytest.mark.parametrize("broken", ["sizes", "samples", "score"])
def test_two_sizes_or_no_numbers_tell_nothing_of_rows(broken: str) -> None:
    scores, samples = right(np.random.default_rng(0), [curve(n) for n in SIZES], 100)
    sizes = SIZES
    if broken == "sizes":
        sizes, scores, samples = sizes[:2], scores[:2], samples[:, :2]
    elif broken == "samples":
        samples = np.full_like(samples, np.nan)
    else:
        scores[1] = float("nan")
    found = of_rows(ACCURACY, sizes, scores, samples, factors=(2,), seed=0)
    assert found.prospects == ()
    assert found.reason.startswith("not enough known")
