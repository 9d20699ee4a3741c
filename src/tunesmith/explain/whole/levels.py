"""Levels of a category on a line, so that those lie together whose rows are alike otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset

BINS = 10


def by_likeness(rows: Dataset, column: str, levels: Sequence[str]) -> NDArray[Any]:
    """The levels in the order of the first coordinate of a scaling of their distances, which are
    summed over the other columns: between the shares of categories, or of tenths of numbers and
    dates. The commonest level lies in the first half.

    Source: Apley & Zhu, JRSS B 2020, section on categories; classical scaling: Torgerson,
    "Multidimensional Scaling", Psychometrika 1952.
    """
    found = np.empty(len(levels), dtype=object)
    found[:] = list(levels)
    others = [c.name for c in rows.columns if c.name != column]
    if len(levels) < 3 or not others:
        return found
    own = [np.flatnonzero(rows.values(column) == level) for level in levels]
    apart = np.zeros((len(levels), len(levels)))
    for name in others:
        codes = _codes(rows, name)
        if codes is None:
            continue
        shares = np.stack([np.bincount(codes[r], minlength=codes.max() + 1) for r in own]).astype(
            np.float64
        )
        shares /= shares.sum(axis=1, keepdims=True)
        apart += np.abs(shares[:, None] - shares[None]).sum(axis=2) / 2
    return found[_line(apart)]


def _codes(rows: Dataset, name: str) -> NDArray[np.int64] | None:
    """Cells as codes of levels or of tenths; None for texts and pictures."""
    values, kind = rows.values(name), rows.column(name).kind
    if kind == "category":
        known = {level: code for code, level in enumerate(sorted({str(v) for v in values}))}
        return np.array([known[str(value)] for value in values], dtype=np.int64)
    if kind not in ("number", "date"):
        return None
    numbers = values.astype("datetime64[s]").astype(np.float64) if kind == "date" else values
    numbers = np.where(np.isnat(values), np.nan, numbers) if kind == "date" else numbers
    known_ones = numbers[~np.isnan(numbers)]
    if not len(known_ones):
        return None
    edges = np.unique(np.quantile(known_ones, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers))


def _line(apart: NDArray[np.float64]) -> NDArray[np.int64]:
    count = len(apart)
    centre = np.eye(count) - 1 / count
    inner = -centre @ apart**2 @ centre / 2
    _, ways = np.linalg.eigh(inner)
    first = ways[:, -1]
    first = first if first[0] <= 0 else -first
    return np.argsort(first, kind="stable")
