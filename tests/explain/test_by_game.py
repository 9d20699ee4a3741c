"""Every explainer that asks the game, on games whose credits are known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import is_valid_linkage

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.core.explaining import Piece
from tunesmith.explain import explainers
from tunesmith.explain.partition_shap import halves, linkage

from .made import Made

BY_GAME = ("permutation-shap", "kernel-shap", "partition-shap", "lime", "occlusion")
SHAPLEY = BY_GAME[:3]
WEIGHTS = np.array([0.5, -2.0, 0.0, 1.0, 3.0, 0.25, -0.5])


def credits_of(name: str, game: Made, evaluations: int | None = None) -> NDArray[np.float64]:
    explainer = explainers[name]
    most = explainer.evaluations(game) if evaluations is None else evaluations
    return explainer.explain(game, seed=0, clock=Clock(), evaluations=most).credits


def joined(masks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two count together alone; the others by themselves."""
    return masks @ np.r_[0, 0, WEIGHTS[2:]] + 4 * masks[:, 0] * masks[:, 1] + 0.3


@pytest.mark.parametrize("name", BY_GAME)
def test_where_pieces_count_by_themselves_credit_is_what_they_count(name: str):
    found = credits_of(name, Made(lambda masks: masks @ WEIGHTS + 0.3, 7))
    room = 0.1 if name == "lime" else 1e-9
    assert np.allclose(found, WEIGHTS, atol=room)


@pytest.mark.parametrize("name", SHAPLEY)
def test_two_that_count_together_share_the_credit(name: str):
    found = credits_of(name, Made(joined, 7))
    assert np.allclose(found, [2, 2, *WEIGHTS[2:]], atol=1e-6)


@pytest.mark.parametrize("name", SHAPLEY)
def test_shapley_values_are_the_mean_over_all_orders(name: str):
    dice = np.random.default_rng(0)
    table = dice.normal(size=2**4)
    game = Made(lambda masks: table[(masks @ [1, 2, 4, 8]).astype(int)], 4, columns=4)
    exact = np.zeros(4)
    for order in permutations(range(4)):
        mask = np.zeros(4)
        for piece in order:
            before = game.values(mask[None] > 0)[0]
            mask[piece] = 1
            exact[piece] += (game.values(mask[None] > 0)[0] - before) / 24
    found = credits_of(name, game, 20_000)
    whole = game.values(np.ones((1, 4), dtype=bool))[0]
    assert np.isclose(found.sum(), whole - table[0], atol=1e-9)
    if name == "kernel-shap":
        assert np.allclose(found, exact, atol=1e-6)
    elif name == "permutation-shap":
        assert np.allclose(found, exact, atol=0.05)


@pytest.mark.parametrize("name", SHAPLEY)
@pytest.mark.parametrize("evaluations", [1, 20, 200])
def test_credits_and_base_sum_to_the_answer_however_few_evaluations(name: str, evaluations: int):
    def tangled(masks: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.tanh(masks @ np.linspace(-1, 2, masks.shape[1])) * masks[:, 3]

    game, explainer = Made(tangled, 23, columns=3), explainers[name]
    found = explainer.explain(game, seed=1, clock=Clock(), evaluations=evaluations)
    assert explainer.is_additive
    assert found.base is not None
    whole = game.values(np.ones((1, 23), dtype=bool))[0]
    assert np.isclose(found.base + found.credits.sum(), whole, atol=1e-6)


@pytest.mark.parametrize("name", BY_GAME)
def test_a_seed_gives_the_same_credits_and_leaves_the_global_generator_alone(name: str):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (credits_of(name, Made(joined, 7), 60) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", BY_GAME)
def test_a_single_piece_has_it_all(name: str):
    assert np.allclose(credits_of(name, Made(lambda masks: 2 * masks[:, 0] + 1, 1)), [2])


@pytest.mark.parametrize("name", BY_GAME)
def test_a_clock_that_is_over_ends_it(name: str):
    game = Made(joined, 7)
    with pytest.raises(BudgetError):
        explainers[name].explain(
            game, seed=0, clock=Clock(0.0), evaluations=explainers[name].evaluations(game)
        )


def test_partition_shap_asks_no_more_than_it_may():
    game = Made(lambda masks: np.tanh(masks.sum(axis=1)), 100)
    credits_of("partition-shap", game, 60)
    assert game.asked <= 64


def test_the_tree_of_pieces_is_one_that_scipy_knows_and_keeps_columns_together():
    game = Made(joined, 7, columns=2)
    tree = linkage(halves(game))
    assert is_valid_linkage(tree)
    first = {n for n, piece in enumerate(game.pieces) if piece.column == "c0"}
    members: dict[int, set[int]] = {n: {n} for n in range(7)}
    for number, (left, right, _, _) in enumerate(tree):
        members[7 + number] = members[int(left)] | members[int(right)]
    assert first in members.values()


def test_a_picture_is_halved_across_its_longer_side():
    game = Made(joined, 8, kind="image")
    game.pieces = tuple(
        Piece("c", "image", "", (x / 4, y / 2, (x + 1) / 4, (y + 1) / 2))
        for y in range(2)
        for x in range(4)
    )
    left, right = halves(game)
    flat = lambda tree: {tree} if isinstance(tree, int) else flat(tree[0]) | flat(tree[1])  # noqa: E731
    assert flat(left) == {0, 1, 4, 5}
    assert flat(right) == {2, 3, 6, 7}
