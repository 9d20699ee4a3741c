"""Sorts of rows that are answered worse are found, named and honestly told; chance is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.records import Column, Dataset, Kind
from tunesmith.evaluate.conditions import Conditions, conditions
from tunesmith.evaluate.properties import properties
from tunesmith.evaluate.slices import Losses, Slices, fewest_rows, find_slices

ROWS = 1_200


def rows_of(rows: int = ROWS, seed: int = 0) -> Dataset:
    """A number, a category and a text, none of which says anything of the others."""
    dice = np.random.default_rng(seed)
    words = np.array(["size", "soft", "red", "long", "fits", "cheap", "warm", "blue"])
    texts = [" ".join(dice.choice(words, dice.integers(2, 6), replace=False)) for _ in range(rows)]
    cells: dict[str, Any] = {
        "age": dice.integers(18, 80, rows).astype(float),
        "shop": dice.choice(np.array(["north", "south", "east", "west"], dtype=object), rows),
        "said": np.array(texts, dtype=object),
    }
    kinds: tuple[Kind, ...] = ("number", "category", "text")
    columns = tuple(Column(name, kind, "") for name, kind in zip(cells, kinds, strict=True))
    return Dataset("made", columns, cells, np.arange(rows) + 2)


def known(data: Dataset) -> Conditions:
    return conditions(properties(data, data.columns), len(data), fewest_rows(len(data)))


def found(data: Dataset, bad: np.ndarray, seed: int = 0, rate: float = 0.55) -> Slices:
    """Slices where one row in ten is wrong, and of some rows more."""
    dice = np.random.default_rng(seed)
    wrong = dice.random(len(data)) < np.where(bad, rate, 0.1)
    losses = Losses(wrong.astype(float), True)
    return find_slices(known(data), losses, data.lines, fewest=fewest_rows(len(data)), seed=seed)


def test_a_word_a_level_and_a_range_are_found_first_and_named() -> None:
    data = rows_of()
    mentions = np.array(["size" in text.split() for text in data.values("said")])
    assert "that mention 'size'" in found(data, mentions).each[0].name
    assert found(data, data.values("shop") == "east").each[0].name == "shop is east"
    first = found(data, (data.values("age") >= 30) & (data.values("age") <= 42)).each[0].name
    low, high = (int(word) for word in first.removeprefix("age ").split(" to "))
    assert abs(low - 30) < 8
    assert abs(high - 42) < 8


def test_two_conditions_together_are_found_where_neither_alone_is_bad_enough() -> None:
    data = rows_of()
    bad = (data.values("shop") == "east") & (data.values("age") < 45)
    first = found(data, bad).each[0]
    assert set(first.columns) == {"shop", "age"}
    assert first.error > 0.35
    assert first.rest_error < 0.15


def test_figures_are_of_rows_that_had_no_say_so_that_they_are_not_too_large() -> None:
    gaps = []
    for seed in range(12):
        data = rows_of(800, seed)
        each = found(data, data.values("shop") == "east", seed, rate=0.3).each
        gaps += [one.gap for one in each if one.name == "shop is east"]
    assert len(gaps) >= 8
    assert abs(np.mean(gaps) - 0.2) < 0.04


def test_errors_at_random_are_no_slice() -> None:
    data = rows_of()
    held = known(data)
    claimed = 0
    for seed in range(30):
        wrong = (np.random.default_rng(seed).random(ROWS) < 0.15).astype(float)
        args = (held, Losses(wrong, True), data.lines)
        claimed += bool(find_slices(*args, fewest=fewest_rows(ROWS), seed=seed).each)
    assert claimed <= 2


def test_numbers_that_are_off_by_more_are_found_too() -> None:
    data = rows_of()
    dice = np.random.default_rng(1)
    off = np.abs(dice.standard_t(3, ROWS)) * np.where(data.values("shop") == "west", 3.0, 1.0)
    held = find_slices(known(data), Losses(off, False, off**2), data.lines, fewest=20)
    assert held.each[0].name == "shop is west"
    assert held.each[0].gap_low > 0


def test_nearly_the_same_rows_are_told_once() -> None:
    data = rows_of()
    twin = np.where(data.values("shop") == "east", "e", "o").astype(object)
    both = Dataset(
        "made",
        (*data.columns, Column("twin", "category", "")),
        {**data.cells, "twin": twin},
        data.lines,
    )
    each = found(both, data.values("shop") == "east").each
    assert sum({"shop", "twin"} >= set(one.columns) for one in each) == 1


@pytest.mark.parametrize("losses", [np.zeros(ROWS), np.ones(ROWS)])
def test_without_any_difference_there_is_nothing_to_look_for(losses: np.ndarray) -> None:
    data = rows_of()
    assert not find_slices(known(data), Losses(losses, True), data.lines, fewest=20).looked_at


def test_missing_cells_are_a_condition() -> None:
    data = rows_of()
    shop = data.values("shop").copy()
    shop[:150] = None
    gone = Dataset("made", data.columns, {**data.cells, "shop": shop}, data.lines)
    assert found(gone, np.arange(ROWS) < 150).each[0].name == "shop is missing"
