"""Heats of columns as credit of pieces, and whether credit hangs on what was learned."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.explaining import GRID, HEATS, Heat, Heats, Piece
from tunesmith.core.explanations import Faithfulness, RowExplanation
from tunesmith.core.heats import mixed
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Column, Dataset
from tunesmith.data.pictures import cell_of
from tunesmith.explain import explainers
from tunesmith.explain._by_heats import credits_of
from tunesmith.explain.game import RowGame, member_heats
from tunesmith.explain.randomised import randomised, ranked
from tunesmith.report.explanation import Explanation

from .made import Made

GRADIENTS, CAM, ROLLOUT = HEATS
CHANGE = 0.5
"""By which made networks answer otherwise than nothing."""


class Telling(Fitted):
    """A network whose heats are given; what is learned in it is a turn of those of the text."""

    def __init__(self, told: Mapping[str, Heat], turns: bool = False, seed: int | None = None):
        self.told, self.turns, self.seed = told, turns, seed

    def predict(self, data: Dataset) -> Prediction:
        return ClassScores(("no", "yes"), np.full((len(data), 2), 0.5))

    def save(self, folder: object) -> None:
        raise NotImplementedError

    def heat_methods(self) -> frozenset[str]:
        return frozenset({GRADIENTS})

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        if self.seed is None or not self.turns:
            return Heats(self.told, CHANGE)
        dice = np.random.default_rng(self.seed)
        turned = {
            name: Heat(
                dice.permutation(heat.credits.ravel()).reshape(heat.credits.shape), heat.spans
            )
            for name, heat in self.told.items()
        }
        return Heats(turned, CHANGE)

    def redrawn(self, seed: int) -> Fitted:
        return Telling(self.told, self.turns, seed)


class Model:
    def __init__(self, row: Dataset, *members: tuple[Fitted, float]) -> None:
        self.inputs, self.members = row.columns, members

    def predict(self, data: Dataset) -> Prediction:
        return self.members[0][0].predict(data)


def row(**cells: object) -> Dataset:
    kinds = {"photo": "image", "age": "number"}
    columns = tuple(Column(name, kinds.get(name, "text"), "") for name in cells)
    held = {
        name: np.array([cell], dtype=None if name == "age" else object)
        for name, cell in cells.items()
    }
    return Dataset("one", columns, held, np.array([1]))


def game_of(data: Dataset, *members: tuple[Fitted, float]) -> RowGame:
    return RowGame(Model(data, *members), data, data, 1)


def spans(*ends: tuple[int, int]) -> np.ndarray:
    return np.array(ends, dtype=np.int64)


def test_the_words_of_a_book_are_brought_to_its_pieces_in_little_memory() -> None:
    data, starts = row(said="dress " * 50_000), 6 * np.arange(50_000)
    each = np.random.default_rng(0).normal(size=50_000)
    told = Heats({"said": Heat(each, np.stack([starts, starts + 5], axis=1))})
    game = game_of(data, (Telling(told), 1.0))
    tracemalloc.start()
    found = credits_of(game, told).credits
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    wanted = [part.sum() for part in np.array_split(each, len(game.pieces))]
    assert np.allclose(found, wanted)
    assert peak < 32e6  # bytes; all words by all pieces are 51 MB of numbers


def test_a_word_has_what_its_tokens_have_and_their_sum_is_kept() -> None:
    data = row(said="a fine  day", age=3.0)
    told = {
        "said": Heat(
            np.array([1.0, 2.0, 4.0, 8.0, 16.0]), spans((0, 1), (2, 4), (4, 6), (6, 8), (7, 11))
        ),
        "age": Heat(np.array(-1.0)),
    }
    game = game_of(data, (Telling(told), 1.0))
    found = explainers[GRADIENTS].explain(game, seed=0, clock=Clock(), evaluations=1).credits
    assert [piece.text for piece in game.pieces] == ["a", "fine", "day", "3"]
    assert np.allclose(found, [1, 2 + 4 + 8, 16, -1])


def test_a_span_over_two_words_is_shared_by_their_letters() -> None:
    game = game_of(row(said="abc d"), (Telling({"said": Heat(np.array([4.0]), spans((0, 5)))}), 1))
    found = explainers[GRADIENTS].explain(game, seed=0, clock=Clock(), evaluations=1).credits
    assert np.allclose(found, [3, 1])


def test_a_rectangle_has_the_sum_of_its_pixels_at_any_resolution() -> None:
    pixels = np.zeros((70, 140, 3), dtype=np.uint8)
    data = row(photo=cell_of(pixels))
    heat = np.zeros((10, 20))
    heat[:1, -2:] = 3.0
    game = game_of(data, (Telling({"photo": Heat(heat)}), 1.0))
    found = explainers[GRADIENTS].explain(game, seed=0, clock=Clock(), evaluations=1).credits
    assert np.isclose(found.sum(), heat.sum())
    assert found.argmax() == GRID - 1
    assert np.isclose(found[GRID - 1], heat.sum())
    even = game_of(data, (Telling({"photo": Heat(np.ones((3, 5)))}), 1.0))
    found = explainers[GRADIENTS].explain(even, seed=0, clock=Clock(), evaluations=1).credits
    assert np.allclose(found, 15 / GRID**2)


def test_a_superpixel_has_the_sum_of_its_pixels_at_any_resolution() -> None:
    pytest.importorskip("skimage")
    pixels = np.zeros((70, 140, 3), dtype=np.uint8)
    pixels[20:50, 30:90] = 200
    data = row(photo=cell_of(pixels))
    heat = np.zeros((14, 28))
    heat[4:10, 6:18] = 0.5
    given = (Telling({"photo": Heat(heat)}), 1.0)
    game = RowGame(Model(data, given), data, data, 1, "superpixels")
    found = explainers[GRADIENTS].explain(game, seed=0, clock=Clock(), evaluations=1).credits
    assert np.isclose(found.sum(), heat.sum())
    light = [piece.mask(70, 140)[20:50, 30:90].mean() > 0 for piece in game.pieces]
    assert np.isclose(found[light].sum(), heat.sum())


def test_members_count_by_their_weight_also_those_that_tell_nothing() -> None:
    text, fine, coarse = spans((0, 1)), np.ones((4, 6)), np.full((2, 3), 8.0)
    first = Heats({"a": Heat(np.array([1.0]), text), "b": Heat(fine)}, 4.0)
    found = mixed([first, None, Heats({"b": Heat(coarse)}, -2.0)], [1, 2, 1])
    assert found is not None
    assert np.allclose(found["a"].credits, 0.25)
    assert found["b"].credits.shape == (4, 6)
    assert np.isclose(found["b"].credits.sum(), (24 + 48) / 4)
    assert found.change == (4 - 2) / 4
    unknown = mixed([first, Heats({"b": Heat(coarse)})], [1, 1])
    assert unknown is not None
    assert unknown.change is None
    assert mixed([None, Heats({})], [1, 1]) is None


@pytest.mark.parametrize(
    ("credits", "change", "told"),
    [
        ([0.25, 0.24], 0.5, "0.0100 is missed"),
        ([0.25, 0.1], 0.5, "30% of it is missed"),
        ([0.25, 0.4], 1e-5, "more than all of it is missed"),
        ([0.25, 0.4], None, "nor what credits miss of it"),
    ],
)
def test_what_credits_miss_of_the_change_is_told(
    credits: list[float], change: float | None, told: str
) -> None:
    row = RowExplanation(
        row=0,
        answer="yes",
        output="yes",
        value=0.9,
        base=None,
        method=GRADIENTS,
        is_additive=False,
        pieces=tuple(Piece("said", "text", word) for word in "ab"),
        credits=np.array(credits),
        cells={"said": "a b"},
        gain=0.1,
        faithfulness=Faithfulness(0.1, 0.0, 0.2, 1),
        tried={},
        seconds=0.1,
        evaluations=1,
        change=change,
    )
    assert told in row.completeness()
    assert not replace(row, method=CAM, change=None).completeness()
    missed = None if change is None else pytest.approx(change - sum(credits))
    assert row.missed == missed
    shown = Explanation((row,), row.faithfulness)
    assert (told in shown.html()) or not told
    assert shown.to_json()["rows"][0]["missed"] == missed
    assert list(shown.frame["missed"]) == [missed] * 2


def test_credit_by_networks_says_what_it_should_sum_to() -> None:
    game = game_of(row(said="a fine day"), (Telling({"said": Heat(np.ones(1), spans((0, 1)))}), 3))
    found = explainers[GRADIENTS].explain(game, seed=0, clock=Clock(), evaluations=1)
    assert found.change == CHANGE


def test_who_cannot_tell_says_why_and_columns_without_heat_have_no_credit() -> None:
    game = game_of(row(said="a fine day"), (Telling({}), 1.0))
    assert explainers[GRADIENTS].suits(game) == ""
    assert "attention" in explainers[ROLLOUT].suits(game)
    assert "maps" in explainers[CAM].suits(game)
    found = explainers[GRADIENTS].explain(game, seed=0, clock=Clock(), evaluations=1)
    assert not found.credits.any()
    assert len(found.credits) == 3


@pytest.mark.parametrize("turns", [True, False])
def test_credit_that_stays_without_what_was_learned_is_found_out(turns: bool) -> None:
    words = " ".join(f"w{n:02d}" for n in range(40))
    ends = spans(*((4 * n, 4 * n + 3) for n in range(40)))
    heat = Heat(np.random.default_rng(0).normal(size=40), ends)
    game = game_of(row(said=words), (Telling({"said": heat}, turns), 1.0))
    found = randomised(game, GRADIENTS, seed=0, clock=Clock())
    assert found is not None
    assert found.is_independent == (not turns)
    assert (found.correlation > 0.999) == (not turns)
    assert found == randomised(game, GRADIENTS, seed=0, clock=Clock())
    assert np.isnan(ranked(np.ones(3), np.arange(3.0)))
    assert (
        randomised(
            game_of(row(said="one word"), (Telling({}), 1.0)), GRADIENTS, seed=0, clock=Clock()
        )
        is None
    )


def test_networks_share_the_time_and_what_one_leaves_the_next_has() -> None:
    given: list[float] = []

    class Looked(Fitted):
        """Writes down how long it may look."""

        def predict(self, data: Dataset) -> Prediction:
            raise NotImplementedError

        def save(self, folder: Path) -> None:
            raise NotImplementedError

        def heat_methods(self) -> frozenset[str]:
            return frozenset({"grad-cam"})

        def heats(
            self, data: Dataset, output: int, method: str, clock: Clock | None = None
        ) -> Heats | None:
            assert clock is not None
            given.append(clock.left())
            return None

    clock = Clock(12.0, now=lambda: 0.0)
    members = [(Looked(), 1.0)] * 3
    assert member_heats(members, Made(lambda masks: masks[:, 0], 2), "grad-cam", clock) is None
    assert given == [4.0, 6.0, 12.0]
