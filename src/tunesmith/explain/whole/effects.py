"""How an answer goes with a column: partial dependence, single rows, accumulated local effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Dataset, Kind
from tunesmith.explain.pieces import shown
from tunesmith.explain.whole.levels import by_likeness

Numbers = Callable[[Dataset], NDArray[np.float64]]
"""Rows to the one number of their answer that is looked at, (rows,)."""

POINTS, MOST_LEVELS = 20, 20
INNER = (0.01, 0.99)
"""Shares of the cells between which a grid lies: beyond them rows are too few."""
ABLE: tuple[Kind, ...] = ("number", "date", "category")


@dataclass(frozen=True)
class Effect:
    """Of one column. At each of its `points` (numbers, dates, levels; `shown` in words) the mean
    answer if every row had that cell (`mean`: partial dependence), what single rows would be
    answered (`rows`, shape (rows, points): individual conditional expectation), and how the answer
    has changed on the way there among rows that lie there (`local`: accumulated local effects,
    around a mean of 0). `shares` are those of the rows nearest to each point."""

    column: str
    kind: Kind
    points: NDArray[Any]
    shown: tuple[str, ...]
    mean: NDArray[np.float64]
    rows: NDArray[np.float64]
    local: NDArray[np.float64]
    shares: NDArray[np.float64]


def effect(numbers: Numbers, rows: Dataset, column: str, *, points: int = POINTS) -> Effect:
    """Of a column of numbers, dates or categories. Levels stand in the order in which rows are
    alike in the other columns, as far as a line can say that; at most the 20 commonest are looked
    at. Rows that lack the cell are left out.

    Raises:
        ConfigError: It holds texts or pictures, or the same cell everywhere.

    Source: Friedman, "Greedy Function Approximation", Annals of Statistics 2001; Goldstein et al.,
    "Peeking Inside the Black Box", JCGS 2015; Apley & Zhu, "Visualizing the effects of predictor
    variables in black box supervised learning models", JRSS B 2020.
    """
    kind = rows.column(column).kind
    if kind not in ABLE:
        raise ConfigError(
            f"Column {column!r} holds {kind}: an effect is of numbers, dates or categories. What "
            "texts and pictures count for, importance and explanations of single rows say."
        )
    there = rows.take(np.flatnonzero(present(rows.values(column))))
    grid = grid_of(there, column, points)
    if len(grid) < 2:
        raise ConfigError(f"Column {column!r} holds the same everywhere: it has no effect to show.")
    each = np.stack([numbers(filled(there, column, cell)) for cell in grid], axis=1)
    local, shares = (_of_levels if kind == "category" else _of_bins)(numbers, there, column, grid)
    words = tuple(_word(cell, kind) for cell in grid)
    return Effect(column, kind, grid, words, each.mean(axis=0), each, local, shares)


def present(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells are there, shape (rows,)."""
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(~np.isnat(values))
    return np.array([value is not None for value in values], dtype=bool)


def grid_of(rows: Dataset, column: str, points: int) -> NDArray[Any]:
    """Quantiles of numbers and dates, each once; the commonest levels of a category."""
    values = rows.values(column)
    if values.dtype.kind not in "fM":
        common = [level for level, _ in Counter(sorted(values)).most_common(MOST_LEVELS)]
        return by_likeness(rows, column, common)
    known = np.unique(values)
    if len(known) > points:
        ends = np.sort(values)
        shares = np.linspace(*INNER, points)
        known = np.unique(ends[np.round(shares * (len(ends) - 1)).astype(np.int64)])
    return known


def filled(rows: Dataset, column: str, cell: Any) -> Dataset:
    """The rows with the same cell everywhere."""
    same = np.empty(len(rows), dtype=rows.values(column).dtype)
    same[:] = cell
    return with_cells(rows, column, same)


def with_cells(rows: Dataset, column: str, cells: NDArray[Any]) -> Dataset:
    return replace(rows, cells={**rows.cells, column: cells})


def _word(cell: Any, kind: Kind) -> str:
    return str(cell)[:10] if kind == "date" else shown(cell, kind)


def _of_bins(
    numbers: Numbers, rows: Dataset, column: str, grid: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Between neighbouring points the mean change of the rows that lie there, added up; the mean
    over rows taken off. Rows beyond the ends count to the outermost."""
    values = rows.values(column)
    place = np.clip(np.searchsorted(grid, values, side="left") - 1, 0, len(grid) - 2)
    low, high = (with_cells(rows, column, grid[place + side]) for side in (0, 1))
    change = numbers(high) - numbers(low)
    counts = np.bincount(place, minlength=len(grid) - 1)
    steps = np.bincount(place, change, minlength=len(grid) - 1) / np.maximum(counts, 1)
    risen = np.concatenate([[0.0], np.cumsum(steps)])
    middle = (risen[1:] + risen[:-1]) / 2
    return risen - np.average(middle, weights=counts), _near(grid, values)


def _near(grid: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    """The share of the values that lie nearest to each point."""
    at, known = grid.astype(np.float64), values.astype(np.float64)
    places = np.searchsorted((at[1:] + at[:-1]) / 2, known)
    return np.bincount(places, minlength=len(grid)) / len(known)


def _of_levels(
    numbers: Numbers, rows: Dataset, column: str, grid: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From a level to the next the mean change of the rows that have either, added up."""
    places = {level: place for place, level in enumerate(grid)}
    place = np.array([places.get(level, -1) for level in rows.values(column)])
    total, counts = np.zeros(len(grid) - 1), np.zeros(len(grid) - 1)
    for step in range(len(grid) - 1):
        either = rows.take(np.flatnonzero((place == step) | (place == step + 1)))
        low, high = (filled(either, column, grid[step + side]) for side in (0, 1))
        total[step] = (numbers(high) - numbers(low)).sum()
        counts[step] = len(either)
    risen = np.concatenate([[0.0], np.cumsum(total / np.maximum(counts, 1))])
    shares = np.bincount(place[place >= 0], minlength=len(grid)) / max(1, (place >= 0).sum())
    return risen - np.average(risen, weights=shares), shares
