"""Columns cut into a few bins, by what they tell of one class; along a number only ever more of it,
or only ever less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

FINE = 24
"""Quantiles that bins of numbers are made of."""
FEWEST_MISSING = 20
"""A bin of missing cells has a say of its own from so many."""
SMOOTH = 0.5
"""Rows of each class that are added to a bin, so that an empty one is not infinitely telling."""
NAMED = 6


@dataclass(frozen=True)
class Bins:
    """How a column is cut. Numbers and dates (in seconds): bin i holds what lies from `edges[i-1]`
    to below `edges[i]`. Categories: bin i holds the levels of `groups[i]`. The last bin, one more,
    is for missing cells and levels never seen."""

    name: str
    kind: str
    edges: tuple[float, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def count(self) -> int:
        """Of all bins, that of missing cells included."""
        return 1 + (len(self.groups) if self.kind == "category" else len(self.edges) + 1)

    def codes(self, cells: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each cell, shape (rows,)."""
        last = self.count - 1
        if self.kind == "category":
            place = {level: i for i, group in enumerate(self.groups) for level in group}
            return np.array([place.get(cell, last) for cell in cells.tolist()], dtype=np.int64)
        numbers = as_numbers(cells)
        gone = np.isnan(numbers)
        found = np.searchsorted(np.array(self.edges), np.where(gone, 0, numbers), side="right")
        return np.where(gone, last, found).astype(np.int64)

    def labels(self) -> list[str]:
        """The bins in words."""
        if self.kind == "category":
            return [*map(_listed, self.groups), "missing or new"]
        ends = [self._said(edge) for edge in self.edges]
        if not ends:
            return ["any", "missing"]
        middle = [f"{low} to below {high}" for low, high in pairwise(ends)]
        return [f"below {ends[0]}", *middle, f"from {ends[-1]}", "missing"]

    def _said(self, edge: float) -> str:
        if self.kind == "date":
            return str(np.datetime64(int(edge), "s").astype("datetime64[D]"))
        return f"{edge:.6g}"


@dataclass(frozen=True)
class Cut:
    """A column's bins with what each holds: weight of evidence (the log of its odds over those of
    all rows), share of the rows, share of the class among them."""

    bins: Bins
    evidence: tuple[float, ...]
    shares: tuple[float, ...]
    rates: tuple[float, ...]


def cut_column(
    name: str,
    kind: str,
    cells: NDArray[Any],
    good: NDArray[np.bool_],
    counted: NDArray[np.float64],
    *,
    most: int,
    least: float,
    monotone: bool,
) -> Cut:
    """Cut a column into at most `most` bins, each with at least that share of the rows.

    Args:
        kind: number, date or category.
        good: Whether each row is of the class that evidence speaks for, shape (rows,).
        counted: How much each row counts, shape (rows,).
    """
    fewest = least * float(counted.sum())
    if kind == "category":
        bins = _of_levels(name, cells, good, counted, most, fewest)
    else:
        bins = _of_numbers(name, kind, as_numbers(cells), good, counted, most, fewest, monotone)
    return _weighed(bins, bins.codes(cells), good, counted)


def as_numbers(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers as they are, dates in seconds; NaN where missing."""
    if cells.dtype.kind != "M":
        return cells.astype(np.float64)
    return np.where(np.isnat(cells), np.nan, cells.astype("datetime64[s]").astype(np.float64))


def _weighed(
    bins: Bins,
    codes: NDArray[np.int64],
    good: NDArray[np.bool_],
    counted: NDArray[np.float64],
) -> Cut:
    counts = np.bincount(codes, weights=counted, minlength=bins.count)
    goods = np.bincount(codes, weights=good * counted, minlength=bins.count)
    whole = goods.sum(), (counts - goods).sum()
    odds = (goods + SMOOTH) / (counts - goods + SMOOTH)
    evidence = np.log(odds) - np.log((whole[0] + SMOOTH) / (whole[1] + SMOOTH))
    evidence[counts == 0] = 0.0
    if counts[-1] < FEWEST_MISSING:
        evidence[-1] = 0.0
    rates = goods / np.maximum(counts, 1)
    told = (evidence, counts / max(1.0, counts.sum()), rates)
    return Cut(bins, *(tuple(float(one) for one in values) for values in told))


def _of_numbers(
    name: str,
    kind: str,
    numbers: NDArray[np.float64],
    good: NDArray[np.bool_],
    counted: NDArray[np.float64],
    most: int,
    fewest: float,
    monotone: bool,
) -> Bins:
    known = ~np.isnan(numbers)
    values, sides = numbers[known], good[known]
    if not len(values):
        return Bins(name, kind, (), ())
    edges = np.unique(np.quantile(values, np.linspace(0, 1, FINE + 1)[1:-1], method="higher"))
    edges = edges[edges > values.min()]
    codes = np.searchsorted(edges, values, side="right")
    blocks = _counted(codes, sides, counted[known], len(edges) + 1)
    if monotone:
        ways = [_pooled(blocks, sign) for sign in (1.0, -1.0)]
        blocks = max(ways, key=lambda way: sum(map(likelihood, way)))
    blocks = _merged(blocks, most, fewest)
    ends = np.cumsum([len(block.members) for block in blocks])[:-1]
    return Bins(name, kind, tuple(float(edges[end - 1]) for end in ends), ())


def _of_levels(
    name: str,
    cells: NDArray[Any],
    good: NDArray[np.bool_],
    counted: NDArray[np.float64],
    most: int,
    fewest: float,
) -> Bins:
    """Levels in the order of their share of the class, rare ones drawn to that of all rows."""
    place: dict[Any, int] = {}
    codes = np.array([place.setdefault(cell, len(place)) for cell in cells.tolist()])
    blocks = [
        block
        for block, level in zip(_counted(codes, good, counted, len(place)), place, strict=True)
        if level is not None
    ]
    whole, levels = float(np.average(good, weights=counted)), list(place)

    def rate(block: Block) -> float:
        return (block.goods + 5 * whole) / (block.rows + 5)

    merged = _merged(sorted(blocks, key=rate), most, fewest)
    return Bins(
        name, "category", (), tuple(tuple(levels[i] for i in block.members) for block in merged)
    )


@dataclass(frozen=True)
class Block:
    """Bins that are taken together: which, their rows, and how many of these are of the class."""

    members: tuple[int, ...]
    rows: float
    goods: float

    def __add__(self, other: Block) -> Block:
        members = (*self.members, *other.members)
        return Block(members, self.rows + other.rows, self.goods + other.goods)


def _counted(
    codes: NDArray[np.int64],
    good: NDArray[np.bool_],
    counted: NDArray[np.float64],
    count: int,
) -> list[Block]:
    rows = np.bincount(codes, weights=counted, minlength=count)
    goods = np.bincount(codes, weights=good * counted, minlength=count)
    return [Block((i,), float(rows[i]), float(goods[i])) for i in range(count)]


def likelihood(block: Block) -> float:
    """Log likelihood of its rows where all have the share of the class that it has."""
    share = block.goods / max(1.0, block.rows)
    sides = ((block.goods, share), (block.rows - block.goods, 1 - share))
    return float(sum(count * np.log(part) for count, part in sides if count > 0))


def _pooled(blocks: list[Block], sign: float) -> list[Block]:
    """Adjacent blocks taken together until the share of the class only rises (sign 1) or falls.

    Source: Barlow, Bartholomew, Bremner & Brunk, "Statistical Inference under Order Restrictions",
    1972: pool adjacent violators.
    """
    found: list[Block] = []
    for block in blocks:
        found.append(block)
        while len(found) > 1 and sign * (_share(found[-1]) - _share(found[-2])) <= 0:
            last = found.pop()
            found[-1] = found[-1] + last
    return found


def _share(block: Block) -> float:
    return block.goods / max(1.0, block.rows)


def _merged(blocks: list[Block], most: int, fewest: float) -> list[Block]:
    """Neighbours taken together, those first that tell least apart, until there are few enough and
    each has rows enough."""
    blocks = list(blocks)
    while len(blocks) > 1:
        small = [i for i, block in enumerate(blocks) if block.rows < fewest]
        if len(blocks) <= most and not small:
            break
        places = set(_pairs(small, len(blocks))) if small else range(len(blocks) - 1)
        place = min(places, key=lambda i: _lost(blocks[i], blocks[i + 1]))
        blocks[place : place + 2] = [blocks[place] + blocks[place + 1]]
    return blocks


def _pairs(small: list[int], count: int) -> Iterator[int]:
    for i in small:
        if i > 0:
            yield i - 1
        if i + 1 < count:
            yield i


def _lost(one: Block, other: Block) -> float:
    return likelihood(one) + likelihood(other) - likelihood(one + other)


def _listed(levels: tuple[str, ...]) -> str:
    more = f" and {len(levels) - NAMED:,} more" if len(levels) > NAMED else ""
    return ", ".join(levels[:NAMED]) + more
