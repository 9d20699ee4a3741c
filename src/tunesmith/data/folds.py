"""Folds: every row is answered once by a model that has not seen it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.records import Rows
from tunesmith.core.seeds import generator

COUNT = 5
MOST_ROWS = 5_000
"""Of more rows the part that selects is large enough, and folds would cost their number of fits."""
FEW_OF_A_CLASS, MOST_ROWS_WITH_FEW = 1_000, 50_000
"""Unless one of two classes has so few rows, up to so many in all: a part that selects would have a
seventh of them, by which models cannot be told apart."""
REPEATED = ((300, 3), (1_000, 2))
"""Up to so many rows the folds are drawn anew so often: where rows are few, a score hangs on how
they happened to be divided.

Source: Kim, "Estimating classification error rate: repeated cross-validation, repeated hold-out and
bootstrap", Computational Statistics & Data Analysis 2009.
"""


def usual(rows: int, rarest: int | None = None) -> int:
    """How many folds so many rows have, if nothing is asked for; 0 for one part that selects.
    `rarest` are the rows of the rarer of two classes."""
    is_rare = rarest is not None and rarest <= FEW_OF_A_CLASS and rows <= MOST_ROWS_WITH_FEW
    return COUNT if rows <= MOST_ROWS or is_rare else 0


def repeats(rows: int) -> int:
    """How often folds are drawn for so many rows."""
    return next((times for most, times in REPEATED if rows <= most), 1)


def folds(
    rows: Rows,
    *,
    strata: NDArray[np.int64] | None,
    groups: Sequence[NDArray[Any]] = (),
    count: int,
    times: int = 1,
    seed: int,
) -> tuple[tuple[Rows, Rows], ...]:
    """Train and valid rows of `count` folds, drawn `times` times.

    Args:
        rows: The rows to divide, shape (rows,).
        strata: Class code of each, shape (rows,): every fold has the classes in their shares.
        groups: Codes of each, shape (rows,) each: rows that are equal in any of them stay together.
        seed: The same seed gives the same folds.

    Returns:
        Sorted rows; every row is valid once in each draw. Fewer folds where there are fewer groups.
    """
    codes = np.zeros(len(rows), dtype=np.int64) if strata is None else strata
    together = _together(len(rows), groups)
    found = []
    for draw in range(times):
        place = _places(codes, together, count, generator(seed, "folds", draw))
        for number in range(int(place.max()) + 1):
            inside = place == number
            found.append((np.sort(rows[~inside]), np.sort(rows[inside])))
    return tuple(found)


def ends_training(
    rows: Rows,
    *,
    strata: NDArray[np.int64] | None,
    classes: NDArray[np.int64] | None = None,
    groups: NDArray[Any] | None = None,
    times: NDArray[np.float64] | None = None,
    count: int,
    seed: int,
) -> tuple[Rows, Rows]:
    """Of rows to learn from those that are learned from, and one in `count` that says when to stop:
    the latest where there are `times` (NaN counts as early), whole groups where there are two or
    more, else drawn in the shares of the strata. Where that would leave one of the `classes` out of
    what is learned from, rows are drawn regardless.

    Args:
        rows: Shape (rows,); what is told of them is of the same shape.

    Returns:
        Sorted rows.
    """
    if times is not None:
        early = np.argsort(np.nan_to_num(times, nan=-np.inf), kind="stable")
        cut = len(rows) - max(1, len(rows) // count)
        found = np.sort(rows[early[:cut]]), np.sort(rows[early[cut:]])
        if _keeps_classes(rows, found[0], classes):
            return found
    if groups is not None and len(np.unique(groups)) > 1:
        found = folds(rows, strata=strata, groups=[groups], count=count, seed=seed)[0]
        if _keeps_classes(rows, found[0], classes):
            return found
    return folds(rows, strata=strata, count=count, seed=seed)[0]


def _keeps_classes(rows: Rows, train: Rows, classes: NDArray[np.int64] | None) -> bool:
    if classes is None:
        return True
    return len(np.unique(classes[np.isin(rows, train)])) == len(np.unique(classes))


def _together(rows: int, groups: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """A code for each row; those that any of the groups joins, directly or by others, share it."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not groups:
        return np.arange(rows)
    ends, starts = [], []
    for one in groups:
        _, first, code = np.unique(one, return_index=True, return_inverse=True)
        starts.append(np.arange(rows))
        ends.append(first[code])
    start, end = np.concatenate(starts), np.concatenate(ends)
    joined = coo_matrix((np.ones(len(start)), (start, end)), shape=(rows, rows))
    return np.asarray(connected_components(joined, directed=False)[1], dtype=np.int64)


def _places(
    codes: NDArray[np.int64], together: NDArray[np.int64], count: int, dice: np.random.Generator
) -> NDArray[np.int64]:
    """The fold of each row: groups in random order, those of one class in turn, so that each fold
    has every class and about as many rows. Groups of many rows go first, each to where there is
    most room."""
    _, group, sizes = np.unique(together, return_inverse=True, return_counts=True)
    count = min(count, len(sizes))
    first = np.zeros(len(sizes), dtype=np.int64)
    first[group[::-1]] = codes[::-1]  # the class of a group's first row
    order = dice.permutation(len(sizes))
    single = order[sizes[order] == 1]
    place = np.full(len(sizes), -1, dtype=np.int64)
    room = np.zeros(count, dtype=np.int64)
    for one in sorted(order[sizes[order] > 1], key=lambda g: -sizes[g]):
        place[one] = int(room.argmin())
        room[place[one]] += sizes[one]
    dealt = single[np.argsort(first[single], kind="stable")]
    slots = _slots(room, len(dealt))
    place[dealt] = slots
    return np.asarray(place[group])


def _slots(taken: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """The folds in turn, for so many rows, leaving out those that are full already."""
    count = len(taken)
    most = -(-(int(taken.sum()) + rows) // count)
    free = np.maximum(most - taken, 0)
    turns = np.repeat(np.arange(count), free)
    turn = np.concatenate([np.arange(n) for n in free]) / np.repeat(np.maximum(free, 1), free)
    return np.asarray(turns[np.argsort(turn, kind="stable")][:rows])


def forward(times: NDArray[Any], *, count: int) -> tuple[tuple[Rows, Rows], ...]:
    """Train and test places of `count` folds by time: each tests a block of rows, and trains on all
    that are older; the oldest block tests nothing.

    Args:
        times: Float or datetime64, shape (rows,); rows without a time train in every fold, and
            those of one moment are never divided.

    Raises:
        DataError: There are too few moments for so many folds.

    Source: Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of
    Forecasting 2000 (rolling origin).
    """
    missing = np.isnat(times) if times.dtype.kind == "M" else np.isnan(times)
    known = np.sort(times[~missing])
    places = [round(number * len(known) / (count + 1)) for number in range(1, count + 1)]
    marks = np.unique(known[places]) if len(known) else known
    if len(marks) < count or marks[0] == known[0]:
        raise DataError(
            f"{len(np.unique(known)):,} different times do not make {count} folds of later rows "
            "with older ones before each. Ask for fewer folds, or name a finer time column."
        )
    found = []
    for number, mark in enumerate(marks):
        held = ~missing & (times >= mark)
        if number + 1 < count:
            held &= times < marks[number + 1]
        before = missing | (times < mark)
        found.append((np.flatnonzero(before), np.flatnonzero(held)))
    return tuple(found)
