"""A row as a game: what a coalition of its pieces is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted
from tunesmith.core.explaining import Cut
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Column, Dataset
from tunesmith.explain.game import RowGame
from tunesmith.explain.pieces import GRID, MOST_WORDS


@dataclass
class Told:
    """A model given by a function of its rows."""

    inputs: tuple[Column, ...]
    of: Callable[[Dataset], NDArray[np.float64]]
    members: tuple[tuple[Fitted, float], ...] = ()
    rows: int = 0

    def predict(self, data: Dataset) -> Prediction:
        self.rows += len(data)
        found = self.of(data)
        return Values(found) if found.ndim == 1 else ClassScores(("no", "yes"), found)


def data_of(**cells: list[object]) -> Dataset:
    columns, held = [], {}
    for name, values in cells.items():
        numbers = all(isinstance(value, float) for value in values)
        kind = "number" if numbers else "image" if name == "photo" else "text"
        columns.append(Column(name, kind, ""))
        array = np.empty(len(values), dtype=np.float64 if numbers else object)
        array[:] = values
        held[name] = array
    count = len(next(iter(cells.values())))
    return Dataset("test", tuple(columns), held, np.arange(1, count + 1))


def every(pieces: int) -> NDArray[np.bool_]:
    codes = np.arange(2**pieces)
    return (codes[:, None] >> np.arange(pieces) & 1).astype(bool)


def test_an_absent_cell_is_answered_for_in_the_mean_over_typical_rows():
    row, typical = data_of(a=[3.0], b=[5.0]), data_of(a=[0.0, 1.0], b=[2.0, 4.0])
    model = Told(row.columns, lambda d: d.values("a") * d.values("b"))
    game = RowGame(model, row, typical, 0)
    of = {tuple(c): v for c, v in zip(every(2).tolist(), game.values(every(2)), strict=True)}
    assert of[True, True] == 15
    assert of[True, False] == 3 * 3
    assert of[False, True] == 5 * 0.5
    assert of[False, False] == (0 * 2 + 1 * 4) / 2


def test_words_that_are_absent_are_left_out_of_the_text():
    row = data_of(text=["a very  good day"])
    seen: list[str] = []

    def answer(data: Dataset) -> NDArray[np.float64]:
        seen.extend(data.values("text"))
        return np.zeros(len(data))

    game = RowGame(Told(row.columns, answer), row, row, 0)
    assert [piece.text for piece in game.pieces] == ["a", "very", "good", "day"]
    game.values(np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=bool))
    assert seen == ["a very  good day", "a  good", "good day", ""]


def test_a_text_without_spaces_is_cut_into_letters_and_a_long_one_into_runs():
    row = data_of(text=["很好的一天 fine"])
    game = RowGame(Told(row.columns, lambda d: np.zeros(len(d))), row, row, 0)
    assert [piece.text for piece in game.pieces] == ["很", "好", "的", "一", "天", "fine"]
    long = data_of(text=[" ".join(f"w{n}" for n in range(1000))])
    pieces = RowGame(Told(long.columns, lambda d: np.zeros(len(d))), long, long, 0).pieces
    assert len(pieces) == MOST_WORDS
    assert " ".join(piece.text for piece in pieces) == long.values("text")[0]


@pytest.mark.parametrize("cut", ["grid", "superpixels"])
def test_a_part_of_a_picture_that_is_absent_looks_like_what_is_around_it(cut: Cut):
    if cut == "superpixels":
        pytest.importorskip("skimage")
    from tunesmith.data.pictures import cell_of
    from tunesmith.modalities.pictures import pixels

    picture = np.zeros((70, 70, 3), dtype=np.uint8)
    picture[:10, :10] = 245
    row = data_of(photo=[cell_of(picture)])

    def corner(data: Dataset) -> NDArray[np.float64]:
        squares, _ = pixels(list(data.values("photo")), 70, keep=False)
        return np.asarray(squares[:, :10, :10].mean(axis=(1, 2, 3)), dtype=np.float64)

    game = RowGame(Told(row.columns, corner), row, row, 0, cut)
    assert len(game.pieces) == GRID**2
    present = np.ones((2, GRID**2), dtype=bool)
    present[1, [piece.mask(70, 70)[0, 0] for piece in game.pieces].index(True)] = False
    whole, without = game.values(present)
    assert abs(whole - 245) < 1
    assert without < 1


def test_nothing_is_asked_twice():
    row, typical = data_of(a=[3.0], b=[5.0]), data_of(a=[0.0, 1.0], b=[2.0, 4.0])
    model = Told(row.columns, lambda d: d.values("a"))
    game = RowGame(model, row, typical, 0)
    first = game.values(every(2))
    asked = model.rows
    again = game.values(np.concatenate([every(2), every(2)]))
    assert model.rows == asked
    assert game.asked == 4
    assert np.array_equal(again, np.concatenate([first, first]))


def test_a_probability_of_the_asked_class_is_explained():
    row = data_of(a=[0.8])
    model = Told(row.columns, lambda d: np.stack([1 - d.values("a"), d.values("a")], axis=1))
    assert np.isclose(RowGame(model, row, row, 1).answer(), 0.8)
    assert np.isclose(RowGame(model, row, row, 0).answer(), 0.2)


def test_a_missing_text_is_one_piece():
    row = data_of(text=[None], a=[1.0])
    game = RowGame(Told(row.columns, lambda d: d.values("a")), row, row, 0)
    assert [(piece.column, piece.text) for piece in game.pieces] == [
        ("text", "missing"),
        ("a", "1"),
    ]
