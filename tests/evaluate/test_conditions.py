"""Properties become conditions that say in words which rows are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.records import Column, Dataset, Kind
from tunesmith.evaluate.conditions import Conditions, conditions, may_join, named
from tunesmith.evaluate.properties import properties


def held(kind: Kind, values: Any, fewest: int = 2) -> Conditions:
    cells = np.array(values, dtype=object if kind not in ("number", "date") else None)
    column = Column("it", kind, "")
    data = Dataset("made", (column,), {"it": cells}, np.arange(len(cells)) + 1)
    return conditions(properties(data, (column,)), len(data), fewest)


def meets(found: Conditions, words: str) -> list[int]:
    place = [one.words for one in found.each].index(words)
    return np.flatnonzero(found.masks[:, place]).tolist()


def test_texts_are_long_loud_and_mention_things() -> None:
    texts = ["Is it red?", "WHAT A RED ONE!", "no red at all here for once", "a blue one", None, ""]
    found = held("text", [*texts, *texts])
    assert meets(found, "texts that mention 'red'") == [0, 1, 2, 6, 7, 8]
    assert meets(found, "texts that have question marks") == [0, 6]
    assert meets(found, "texts that are missing") == [4, 10]
    assert 3 in meets(found, "texts that have no exclamation marks")


def test_numbers_are_ranges_whose_ends_are_there() -> None:
    found = held("number", np.arange(100.0))
    assert meets(found, "it 0 to 9") == list(range(10))
    assert meets(found, "it 20 to 49") == list(range(20, 50))
    few = held("number", np.array([0.0, 0.0, 1.0, 1.0, np.nan, np.nan]))
    assert meets(few, "it is 1") == [2, 3]
    assert meets(few, "it is missing") == [4, 5]


def test_dates_are_spans_and_weekdays() -> None:
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]").astype("datetime64[s]")
    found = held("date", days)
    assert meets(found, "it is a Monday")[:2] == [0, 7]
    assert any(one.words.startswith("it from 2024-01-01 to ") for one in found.each)


def test_pictures_are_dark_wide_and_of_a_kind(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    cells = []
    for number in range(8):
        size, grey = (40 if number < 4 else 20, 20), 10 if number % 2 else 240
        file = tmp_path / f"{number}.{'png' if number % 4 < 2 else 'jpg'}"
        image.new("RGB", size, (grey, grey, grey)).save(file)
        cells.append(str(file))
    found = held("image", [*cells, None, None])
    words = {one.words: one for one in found.each}
    assert meets(found, "pictures of kind jpeg") == [2, 3, 6, 7]
    assert meets(found, "pictures of 40 or more pixels wide") == [0, 1, 2, 3]
    assert any(one.startswith("pictures of brightness up to") for one in words)
    assert meets(found, "pictures that are missing") == [8, 9]


def test_conditions_are_joined_into_one_name_and_never_with_their_like() -> None:
    texts = ["red and long enough to be so", "red one", "blue one here it is", "green"] * 5
    found = held("text", texts, fewest=5)
    by = {one.words: place for place, one in enumerate(found.each)}
    red = by["texts that mention 'red'"]
    length = next(place for words, place in by.items() if words.startswith("texts of up to"))
    name = named([found.each[red], found.each[length]])
    assert name.startswith("texts of up to ")
    assert name.endswith(" that mention 'red'")
    letters = [p for p, one in enumerate(found.each) if one.family == "length"]
    assert not may_join(found.each)[np.ix_(letters, letters)].any()
    assert may_join(found.each)[red, length]


def test_a_name_cannot_steer_a_terminal() -> None:
    found = held("category", ["\x1b[31mred", "blue"] * 4)
    assert all("\x1b" not in one.words for one in found.each)
