"""Whether the test of an explanation tells a true one from a false one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.explaining import Credits, Heat, Heats
from tunesmith.explain import explainers, faithfulness
from tunesmith.explain.choosing import (
    AUTO,
    Chosen,
    Tried,
    deepened,
    explained,
    names_for,
    preferred,
    rivals,
)

from .made import Made

WEIGHTS = np.linspace(-0.1, 0.15, 30)
PIECES = len(WEIGHTS)


def linear(masks: NDArray[np.float64]) -> NDArray[np.float64]:
    return masks @ WEIGHTS + 0.2


def gain_of(credits: NDArray[np.float64], seed: int = 0) -> faithfulness.Faithfulness:
    game = Made(linear, PIECES)
    random = faithfulness.random_values(game, seed)
    return faithfulness.of_one(faithfulness.curves(game, credits), random)


def test_true_credits_are_better_than_a_random_order_and_turned_round_they_are_worse():
    assert gain_of(WEIGHTS).is_better
    assert gain_of(-WEIGHTS).gain < 0
    assert not gain_of(-WEIGHTS).is_better


def test_random_credits_are_hardly_ever_called_better():
    dice = np.random.default_rng(0)
    called = [gain_of(dice.normal(size=PIECES), seed).is_better for seed in range(200)]
    assert np.mean(called) < 0.1


def test_of_several_rows_random_credits_are_hardly_ever_called_better_and_true_ones_are():
    dice, game = np.random.default_rng(1), Made(linear, PIECES)

    def gains(draw: bool) -> NDArray[np.float64]:
        told = [dice.normal(size=PIECES) if draw else WEIGHTS for _ in range(20)]
        return np.array([faithfulness.curves(game, one).gain for one in told])

    called = [faithfulness.of_many(gains(True), 0).is_better for _ in range(100)]
    assert np.mean(called) < 0.1
    assert faithfulness.of_many(gains(False), 0).is_better


def test_the_expected_gain_of_a_random_order_is_zero_whatever_the_model():
    def tangled(masks: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(masks[:, 0] * masks[:, 1], masks[:, 2]) ** 2)

    game, dice = Made(tangled, 6), np.random.default_rng(2)
    gains = [faithfulness.curves(game, dice.permutation(6)).gain for _ in range(4_000)]
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(4_000)


def test_the_first_of_more_orders_are_those_of_fewer():
    game = Made(linear, PIECES)
    few, more = (faithfulness.random_values(game, 3, orders) for orders in (2, 5))
    assert np.array_equal(few, more[:2])


def test_auto_takes_the_method_whose_order_does_best_and_says_what_the_others_came_to():
    chosen = explained(
        Made(linear, PIECES), names_for(AUTO, Made(linear, PIECES)), seed=0, clock=Clock()
    )
    gains = {one.method: one.gain for one in chosen.tried}
    assert set(gains) >= {"permutation-shap", "lime", "occlusion"}
    assert chosen.best.gain >= 0.99 * max(gains.values())


def test_methods_are_rivals_until_rows_tell_them_apart():
    assert rivals([[0.2], [0.1995], [0.1]]) == [0, 1]
    assert rivals([[-0.2], [-0.1]]) == [1]
    assert rivals([[0.20, 0.30, 0.25], [0.24, 0.22, 0.30], [0.0, 0.01, 0.0]]) == [0, 1]
    assert rivals([[0.20, 0.30, 0.25], [0.15, 0.24, 0.20]]) == [0]


def told(name: str, credits: NDArray[np.float64], gain: float) -> Tried:
    shares = np.array([0.0, 1.0])
    curves = faithfulness.Curves(shares, -np.full(2, gain), np.full(2, gain))
    return Tried(name, Credits(credits), curves, 0.1)


def test_a_gain_that_is_no_number_is_the_worst_of_all():
    nothing = np.nan
    assert rivals([[nothing], [0.1], [0.2]]) == [2]
    assert rivals([[nothing, 0.3], [0.1, 0.2]]) == [1]
    assert rivals([[nothing], [nothing]]) == []
    assert preferred([[told("a", WEIGHTS, nothing)], [told("b", WEIGHTS, 0.1)]]) == 1
    assert preferred([[told("a", WEIGHTS, nothing)], [told("b", WEIGHTS, -0.1)]]) == 1
    assert preferred([[told("a", WEIGHTS, nothing)], [told("b", WEIGHTS, nothing)]]) == 0


def test_of_equals_the_first_is_taken_unless_its_pieces_share_their_credit():
    alike, apart = np.repeat(WEIGHTS[::2], 2), WEIGHTS
    assert preferred([[told("a", apart, 0.2)], [told("b", apart, 0.201)]]) == 0
    assert preferred([[told("a", alike, 0.2)], [told("b", apart, 0.199)]]) == 1
    assert preferred([[told("a", alike, 0.2)], [told("b", alike, 0.199)]]) == 0
    assert preferred([[told("a", alike, 0.2)], [told("b", apart, 0.1)]]) == 0


def test_without_time_for_all_one_explanation_is_there_and_the_rest_is_refused_with_the_reason():
    times = iter(np.arange(0, 10_000, 0.05))
    clock = Clock(3.0, now=lambda: float(next(times)))
    chosen = explained(
        Made(linear, PIECES), names_for(AUTO, Made(linear, PIECES)), seed=0, clock=clock
    )
    assert len(chosen.tried) >= 1
    assert all(why for why in chosen.refused.values())


def test_a_method_of_networks_that_was_asked_for_is_late_rather_than_silent():
    class Slow(Made):
        """Its networks need a second."""

        def heat_methods(self) -> frozenset[str]:
            return frozenset({"integrated-gradients"})

        def heats(self, method: str, clock: Clock) -> Heats:
            if clock.left() < 1:
                raise BudgetError("The time for this explanation is over.")
            at = {f"c{n}": Heat(np.array(weight)) for n, weight in enumerate(WEIGHTS)}
            return Heats(at, float(WEIGHTS.sum()))

    game = Slow(linear, PIECES, columns=PIECES)
    chosen = explained(game, ("integrated-gradients",), seed=0, clock=Clock(0.01))
    assert np.allclose(chosen.best.credits.credits, WEIGHTS)
    assert not chosen.refused
    both = explained(game, ("integrated-gradients", "occlusion"), seed=0, clock=Clock(0.01))
    assert both.best.method == "occlusion"
    assert "over" in both.refused["integrated-gradients"]


def test_what_was_cut_short_is_deepened_by_the_time_that_is_left_and_never_for_worse():
    for seed in range(3):
        game = Made(linear, PIECES)
        credits = explainers["lime"].explain(game, seed=seed, clock=Clock(), evaluations=10)
        short = Tried("lime", credits, faithfulness.curves(game, credits.credits), 0.1, 10)
        chosen = Chosen(short, (short,), {}, faithfulness.random_values(game, seed))
        assert deepened(game, chosen, seed=seed, clock=Clock(0.0)) is chosen
        found = deepened(game, chosen, seed=seed, clock=Clock()).best
        assert found.evaluations == explainers["lime"].evaluations(game)
        assert found.gain >= short.gain


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean.*occlusion"):
        names_for("oclusion", Made(linear, PIECES))


def test_shap_is_the_kind_of_it_that_suits():
    assert names_for("shap", Made(linear, PIECES)) == ("permutation-shap",)
    assert names_for("shap", Made(lambda masks: masks[:, 0], 5)) == ("kernel-shap",)
