"""Views of pictures: the same for the same seed, number and picture, and what each policy does."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("timm")
pytest.importorskip("PIL")

from tunesmith.nn.augment import (
    GREY,
    MOST_STEADY,
    POLICIES,
    Recipe,
    View,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
RANDOM = POLICIES[1:]


@pytest.mark.parametrize("policy", RANDOM)
def test_what_is_drawn_hangs_on_seed_number_and_picture_alone(policy: str) -> None:
    recipe = Recipe(policy, 0.5, seed=3)
    wanted = [View(PICTURE, recipe, number).pixels() for number in range(20)]
    with ThreadPoolExecutor(4) as pool:  # whatever else draws meanwhile
        numbers = list(range(20))
        found = list(pool.map(lambda n: View(PICTURE.copy(), recipe, n).pixels(), numbers[::-1]))
    for one, other in zip(wanted, found[::-1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({one.tobytes() for one in wanted}) > 10
    others = [View(PICTURE, Recipe(policy, 0.5, seed=4), number).pixels() for number in range(20)]
    assert any((one != other).any() for one, other in zip(wanted, others, strict=True))


@pytest.mark.parametrize("policy", RANDOM)
def test_views_are_pictures_of_the_side_that_is_asked_for(policy: str) -> None:
    before = PICTURE.copy()
    for number in range(30):
        for side in (0, 32):
            view = View(PICTURE, Recipe(policy), number, side)
            assert np.asarray(view).shape == (side or 48, side or 48, 3)
            assert np.asarray(view).dtype == np.uint8
            assert len(view) == (side or 48)
    np.testing.assert_array_equal(PICTURE, before)


def test_the_state_of_the_process_is_neither_read_nor_changed() -> None:
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for policy in RANDOM:
        for number in range(20):
            View(PICTURE, Recipe(policy, 0.5), number).pixels()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002


def test_without_a_policy_a_view_is_the_picture() -> None:
    assert Recipe().is_plain
    assert not Recipe(erase=0.1).is_plain
    np.testing.assert_array_equal(View(PICTURE, Recipe(), 7).pixels(), PICTURE)


def test_about_as_many_pictures_lose_a_part_as_are_to() -> None:
    views = [View(PICTURE, Recipe(erase=0.25), number).pixels() for number in range(400)]
    changed = [view for view in views if (view != PICTURE).any()]
    assert 0.18 < len(changed) / 400 < 0.32
    for view in changed:
        is_gone = (view != PICTURE).any(axis=2)
        assert (view[is_gone] == GREY).all()
        assert is_gone.mean() < 0.4


def test_only_what_flips_mirrors() -> None:
    side = np.zeros((48, 48, 3), dtype=np.uint8)
    side[:, :24] = 200  # light on the left
    means = {}
    for policy in ("crops", "flips-and-crops"):
        views = [View(side, Recipe(policy), number).pixels() for number in range(60)]
        means[policy] = [view[:, :8].mean() > view[:, -8:].mean() for view in views]
    assert all(means["crops"])
    assert 15 < sum(means["flips-and-crops"]) < 45


@pytest.mark.parametrize(("policy", "most"), [("crops", MOST_STEADY), ("flips-and-crops", 6)])
def test_views_for_testing_are_fixed_and_unlike(policy: str, most: int) -> None:
    recipe = Recipe(policy, 0.5).tested_by()
    views = [View(PICTURE, recipe, number).pixels() for number in range(most)]
    np.testing.assert_array_equal(views[0], PICTURE)
    assert len({view.tobytes() for view in views}) == most
    mirrored = (views[1] == PICTURE[:, ::-1]).all()
    assert mirrored == (policy == "flips-and-crops")


def test_a_key_tells_views_apart_and_not_their_makers() -> None:
    recipe = Recipe("crops", seed=1)
    keys = {
        View(PICTURE, recipe, 0).key(),
        View(PICTURE, recipe, 1).key(),
        View(PICTURE, recipe, 0, 32).key(),
        View(PICTURE, Recipe("crops", seed=2), 0).key(),
        View(255 - PICTURE, recipe, 0).key(),
    }
    assert len(keys) == 5
    assert View(PICTURE.copy(), Recipe("crops", seed=1), 0).key() in keys
