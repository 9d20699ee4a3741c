"""The nearest changes of a row that change its answer.

A search from few changes to more: of each way to change so many columns the most promising are kept
and go on (a beam). What changes the answer is then made smaller: columns go back to what they were,
and numbers as near to it as the answer allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.records import Column, Dataset
from tunesmith.explain.pieces import shown
from tunesmith.explain.whole.distance import Distance
from tunesmith.explain.whole.effects import ABLE, present

Towards = Callable[[Dataset], NDArray[np.float64]]
"""How far rows are answered as wished, shape (rows,): above 0 they are."""

MOST_CHANGES = 3
BEAM = 24
CELLS = 16
"""Cells of a column that are tried."""
ONE_CHANGE = 0.25
"""What a further change costs, in distances of one column."""


@dataclass(frozen=True)
class Counterfactual:
    """A row that is answered as wished: what was changed, from and to, in words; the summed
    distance of the changes; and how far it lies from the nearest row that there really is, in the
    mean of its columns."""

    changes: tuple[tuple[str, str, str], ...]
    row: Dataset
    distance: float
    from_real: float


@dataclass(frozen=True)
class _Change:
    """Cells that take the place of a row's own, by column: places in the columns' candidates."""

    cells: tuple[tuple[str, int], ...]
    cost: float


def counterfactuals(
    towards: Towards,
    row: Dataset,
    background: Dataset,
    *,
    count: int = 3,
    actionable: Sequence[str] | None = None,
    frozen: Sequence[str] = (),
    most_changes: int = MOST_CHANGES,
) -> tuple[Counterfactual, ...]:
    """Rows near to one that are answered as wished, each by other columns, the nearest first; none
    where up to so many changes do not do. Cells come from the background. Texts and pictures stay
    as they are. Only `actionable` columns change, where some are named, and no `frozen` ones.

    Raises:
        ConfigError: There is no such column, or none is left to change.

    Source: Wachter, Mittelstadt & Russell, "Counterfactual Explanations without Opening the Black
    Box", 2018; Mothilal, Sharma & Tan, "Explaining Machine Learning Classifiers through Diverse
    Counterfactual Explanations", FAT* 2020, for what makes them of use: near, few, real, diverse.
    """
    columns = _free(row, actionable, frozen)
    distance = Distance.of(background, columns)
    search = _Search(towards, row, distance, _candidates(columns, row, background))
    found = search.run(most_changes, count)
    whole = Distance.of(background, row.columns)
    return tuple(search.told(one, whole, background) for one in found[:count])


def _free(
    row: Dataset, actionable: Sequence[str] | None, frozen: Sequence[str]
) -> tuple[Column, ...]:
    for name in (*(actionable or ()), *frozen):
        if name not in row.names:
            raise ConfigError(
                f"There is no column {name!r} to change or to keep.{did_you_mean(name, row.names)}"
            )
    may = set(row.names if actionable is None else actionable) - set(frozen)
    free = tuple(c for c in row.columns if c.name in may and c.kind in ABLE)
    if not free:
        raise ConfigError(
            "No column is left to change: texts and pictures stay as they are, and so do columns "
            "that are frozen or not actionable. Name others."
        )
    return free


def _candidates(
    columns: Sequence[Column], row: Dataset, background: Dataset
) -> Mapping[str, NDArray[Any]]:
    """Cells to try in each column: quantiles of numbers and dates, the commonest levels; never the
    row's own."""
    found = {}
    for column in columns:
        values, own = background.values(column.name), row.values(column.name)[0]
        known = values[present(values)]
        if column.kind == "category":
            levels, counts = np.unique(known.astype(str), return_counts=True)
            cells = levels[np.argsort(-counts, kind="stable")][:CELLS].astype(object)
        else:
            ends = np.sort(known)
            places = np.linspace(0, len(ends) - 1, CELLS).round().astype(np.int64)
            cells = np.unique(ends[places]) if len(ends) else ends
        found[column.name] = cells[np.array([cell != own for cell in cells], dtype=bool)]
    return found


class _Search:
    """One row, and what may take the place of its cells."""

    def __init__(
        self,
        towards: Towards,
        row: Dataset,
        distance: Distance,
        cells: Mapping[str, NDArray[Any]],
    ) -> None:
        self._towards, self._row, self._cells = towards, row, cells
        self._names = {column.name: column for column in distance.columns}
        self._costs = {
            name: distance.of_cells(column, _column(column, cells[name]), row)
            for name, column in self._names.items()
        }

    def run(self, most_changes: int, count: int) -> list[_Change]:
        """Changes that do, each by other columns, the cheapest first."""
        beam, done = [_Change((), 0.0)], dict[frozenset[str], _Change]()
        for _ in range(most_changes):
            tried = self._further(beam, done)
            if not tried:
                break
            gains = self._towards(self._rows(tried))
            for change in (one for one, gain in zip(tried, gains, strict=True) if gain > 0):
                key = frozenset(name for name, _ in change.cells)
                if key not in done or change.cost < done[key].cost:
                    done[key] = change
            if len(done) >= count:
                break
            beam = _best(tried, gains)
        nearer = [self._nearer(one) for one in sorted(done.values(), key=lambda one: one.cost)]
        unique = {frozenset(name for name, _ in one.cells): one for one in reversed(nearer)}
        return sorted(unique.values(), key=lambda one: one.cost)

    def _further(
        self, beam: Sequence[_Change], done: Mapping[frozenset[str], _Change]
    ) -> list[_Change]:
        """Each with one column more; none that holds what does already."""
        found = dict[tuple[tuple[str, int], ...], _Change]()
        for change in beam:
            names = {name for name, _ in change.cells}
            if any(key <= names for key in done):
                continue
            for name, costs in self._costs.items():
                if name in names or any(key <= {*names, name} for key in done):
                    continue
                for place, cost in enumerate(costs):
                    cells = tuple(sorted((*change.cells, (name, place))))
                    found[cells] = _Change(cells, change.cost + ONE_CHANGE + float(cost))
        return list(found.values())

    def _nearer(self, change: _Change) -> _Change:
        """With every column whose change is not needed as it was, and others as near as can be."""
        while True:
            smaller = self._smaller(change)
            if not smaller:
                return change
            gains = self._towards(self._rows(smaller))
            kept = [one for one, gain in zip(smaller, gains, strict=True) if gain > 0]
            if not kept:
                return change
            change = min(kept, key=lambda one: one.cost)

    def _smaller(self, change: _Change) -> list[_Change]:
        found = []
        for at, (name, place) in enumerate(change.cells):
            rest = (*change.cells[:at], *change.cells[at + 1 :])
            own = float(self._costs[name][place])
            if rest:
                found.append(_Change(rest, change.cost - ONE_CHANGE - own))
            for other, cost in enumerate(self._costs[name]):
                if cost < own - 1e-12:
                    cells = tuple(sorted((*rest, (name, other))))
                    found.append(_Change(cells, change.cost - own + float(cost)))
        return found

    def _rows(self, changes: Sequence[_Change]) -> Dataset:
        cells = {name: np.repeat(self._row.values(name), len(changes)) for name in self._row.names}
        for at, change in enumerate(changes):
            for name, place in change.cells:
                cells[name][at] = self._cells[name][place]
        lines = np.arange(1, len(changes) + 1, dtype=np.int64)
        return Dataset(self._row.source, self._row.columns, cells, lines)

    def told(self, change: _Change, whole: Distance, background: Dataset) -> Counterfactual:
        row = self._rows([change])
        words = []
        for name, place in change.cells:
            kind = self._names[name].kind
            before, after = self._row.values(name)[0], self._cells[name][place]
            words.append((name, shown(before, kind), shown(after, kind)))
        far = float(whole.apart(background, row).mean(axis=1).min())
        cost = change.cost - ONE_CHANGE * len(change.cells)
        return Counterfactual(tuple(words), row, cost, far)


def _column(column: Column, cells: NDArray[Any]) -> Dataset:
    lines = np.arange(1, len(cells) + 1, dtype=np.int64)
    return Dataset("cells to try", (column,), {column.name: cells}, lines)


def _best(tried: Sequence[_Change], gains: NDArray[np.float64]) -> list[_Change]:
    """Those that came furthest for what they cost, not all by the same columns."""
    costs = np.array([one.cost for one in tried])
    order = np.argsort(-(gains - gains.min()) / (costs + ONE_CHANGE), kind="stable")
    most_alike, seen, kept = max(1, BEAM // 4), dict[frozenset[str], int](), []
    for place in order:
        key = frozenset(name for name, _ in tried[place].cells)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= most_alike:
            kept.append(tried[place])
        if len(kept) == BEAM:
            break
    return kept
