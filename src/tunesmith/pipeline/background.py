"""Typical cells of the training rows, saved with a model: what stands for a cell that is not there
when an answer is explained.

Each column is drawn and shuffled by itself, so that what is saved tells no row of the data; texts
and pictures are not saved at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.seeds import generator

CELLS = 24
MOST_LOOKED_AT = 10_000
"""Rows, spread evenly over the training rows: this is done for every model that is saved."""
SOURCE = "typical cells"


def typical(problem: Problem) -> Dataset:
    """So many rows of the input columns, each column at even steps of its own order."""
    rows = problem.parts["train"]
    looked = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_LOOKED_AT)).astype(np.int64)]
    columns = tuple(problem.data.column(name) for name in problem.inputs)
    cells = {
        column.name: _spread(problem.data.values(column.name)[looked], column, place)
        for place, column in enumerate(columns)
    }
    return Dataset(SOURCE, columns, cells, np.arange(1, CELLS + 1, dtype=np.int64))


def unknown(columns: Sequence[Column], golden: Dataset) -> Dataset:
    """What stands for typical rows in a model that was saved without them: those that it was
    checked by, without their texts and pictures."""
    cells = {
        column.name: _blank(len(golden))
        if column.kind in ("text", "image")
        else golden.values(column.name)
        for column in columns
    }
    return Dataset(SOURCE, tuple(columns), cells, golden.lines)


def _blank(count: int) -> NDArray[np.object_]:
    return np.full(count, None, dtype=object)


def _spread(values: NDArray[np.generic], column: Column, place: int) -> NDArray[np.generic]:
    if column.kind in ("text", "image"):
        return _blank(CELLS)
    if values.dtype == object:
        order = np.argsort(values.astype(str), kind="stable")
    else:
        order = np.argsort(values, kind="stable")  # what is missing comes last
    steps = ((np.arange(CELLS) + 0.5) / CELLS * len(values)).astype(np.int64)
    dice = generator(place, "background")
    return values[order][steps][dice.permutation(CELLS)]
