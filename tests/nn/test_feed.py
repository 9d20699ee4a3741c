"""What the loop is fed: views by turns, fresh ones made ahead, mixed ones, small ones first."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")

from tunesmith.core.seeds import generator
from tunesmith.nn.augment import Recipe, View
from tunesmith.nn.batches import Rows
from tunesmith.nn.feed import (
    ByTurns,
    Fresh,
    mixed,
    prefetched,
    side_at,
    sides_of,
)

DICE = np.random.default_rng(0)
PIXELS = [DICE.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(10)]
DENSE = DICE.normal(size=(10, 2)).astype(np.float32)
BATCHES = [np.array([3, 1, 4]), np.array([0, 9, 2, 6])]


def test_fixed_views_come_by_turns() -> None:
    recipe = Recipe("crops", seed=1)
    views = [View(one, recipe, number) for number in range(3) for one in PIXELS]
    feed = ByTurns(Rows(views, np.tile(DENSE, (3, 1)), 0), 3)
    assert len(feed.lengths()) == 10
    for epoch in range(7):
        for given, chosen in zip(feed.epoch(epoch, 0.0, BATCHES), BATCHES, strict=True):
            for place, row in zip(given.places, chosen, strict=True):
                wanted = View(PIXELS[row], recipe, epoch % 3)
                assert given.rows.ids[place] == wanted
                np.testing.assert_array_equal(given.rows.dense[place], DENSE[row])


def test_fresh_views_are_those_of_seed_epoch_and_picture() -> None:
    recipe = Recipe("flips-and-crops", 0.3, seed=5)
    feed = Fresh(PIXELS, DENSE, recipe)
    for epoch in (0, 4):
        given = list(feed.epoch(epoch, 0.0, BATCHES))
        for one, chosen in zip(given, BATCHES, strict=True):
            for place, row in enumerate(chosen):
                wanted = View(PIXELS[row], recipe, epoch).pixels()
                np.testing.assert_array_equal(one.rows.ids[place], wanted)
            np.testing.assert_array_equal(one.rows.dense, DENSE[chosen])


def test_small_pictures_come_first_and_those_of_full_size_last() -> None:
    sides = sides_of(224, 32)
    assert [side_at(sides, done) for done in (0.0, 0.34, 0.35, 0.69, 0.7, 1.0)] == [
        *(128, 128),  # half of 224 is 3.5 strides
        *(160, 160),
        *(224, 224),
    ]
    assert sides_of(32, 32) == (32, 32, 32)
    assert side_at((), 0.0) == 0
    feed = Fresh(PIXELS, DENSE, Recipe(), sides=(32, 24, 16))
    for done, side in ((0.0, 16), (0.5, 24), (0.9, 32)):
        given = next(feed.epoch(0, done, BATCHES))
        assert np.asarray(given.rows.ids[0]).shape == (side, side, 3)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_what_is_mixed_holds_its_share_of_both(mix: str) -> None:
    rows = Rows([np.full((32, 32, 3), 20 * n, np.uint8) for n in range(10)], DENSE, 0)
    shares = []
    for number in range(40):
        given = mixed(rows, mix, generator(0, mix, number))  # type: ignore[arg-type]
        assert given.partners is not None
        for place in given.places:
            other = given.partners[place]
            wanted = given.share * 20 * place + (1 - given.share) * 20 * other
            assert abs(np.asarray(given.rows.ids[place]).mean() - wanted) < 0.6
            dense = given.share * DENSE[place] + (1 - given.share) * DENSE[other]
            np.testing.assert_allclose(given.rows.dense[place], dense, atol=1e-5)
        shares.append(given.share)
    assert len(set(shares)) > 20
    assert 0 <= min(shares) <= max(shares) <= 1


def test_mixing_hangs_on_the_epoch_and_the_place_of_the_batch() -> None:
    feed = Fresh(PIXELS, DENSE, Recipe(seed=2), "cutmix")
    one, same, other = (list(feed.epoch(number, 0.0, BATCHES)) for number in (1, 1, 2))
    for a, b in zip(one, same, strict=True):
        assert a.share == b.share
        np.testing.assert_array_equal(np.stack(a.rows.ids), np.stack(b.rows.ids))
    assert one[0].share != one[1].share != other[1].share
    single = next(feed.epoch(0, 0.0, [np.array([4])]))
    assert single.partners is None


def test_what_is_made_ahead_keeps_its_order_and_ends_with_its_reader() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        made.append(number)
        return number

    assert list(prefetched(make, 20, workers=3)) == list(range(20))
    made.clear()
    some = prefetched(make, 1000, workers=2)
    assert [next(some), next(some)] == [0, 1]
    some.close()
    deadline = time.monotonic() + 5
    while any(t.name.startswith("views") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(made) < 20


def test_an_error_while_a_view_is_made_reaches_the_reader() -> None:
    def make(number: int) -> int:
        if number == 5:
            raise ValueError("broken")
        return number

    with pytest.raises(ValueError, match="broken"):
        list(prefetched(make, 20))
