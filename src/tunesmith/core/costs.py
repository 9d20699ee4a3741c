"""What answers cost: by label, and by amounts that stand in the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError

if TYPE_CHECKING:
    from tunesmith.core.records import Dataset

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RowCosts:
    """The costs of some rows: `fixed[true, answer]` for each of them, shape (classes, classes), and
    beside it `amounts`: true class, answered class, and what that costs in each row, shape (rows,).
    """

    fixed: Numbers
    amounts: tuple[tuple[int, int, Numbers], ...] = ()

    def expected(self, probabilities: Numbers) -> Numbers:
        """What each answer is expected to cost in each row, shape (rows, classes).

        Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, eq. 1.
        """
        found = probabilities @ self.fixed
        for true, answer, amounts in self.amounts:
            found[:, answer] += probabilities[:, true] * amounts
        return np.asarray(found)

    def of(self, truth: NDArray[np.int64], answers: NDArray[np.int64]) -> Numbers:
        """What the answers cost, shape (rows,). For a label that the model does not know (-1) it is
        the most that the answer may cost in that row."""
        known = np.maximum(truth, 0)
        found = self._if_true(known, answers)
        unknown = np.flatnonzero(truth < 0)
        if len(unknown):
            some, given = self.take(unknown), answers[unknown]
            each = [some._if_true(np.full_like(given, c), given) for c in range(len(self.fixed))]
            found[unknown] = np.max(each, axis=0)
        return found

    def _if_true(self, truth: NDArray[np.int64], answers: NDArray[np.int64]) -> Numbers:
        found = self.fixed[truth, answers]
        for true, answer, amounts in self.amounts:
            found = found + amounts * ((truth == true) & (answers == answer))
        return np.asarray(found, dtype=np.float64)

    def take(self, rows: NDArray[np.int64]) -> RowCosts:
        return RowCosts(self.fixed, tuple((t, a, values[rows]) for t, a, values in self.amounts))


@dataclass(frozen=True)
class Costs:
    """What it costs to answer one label where another is true: `fixed[true][answer]`, and for each
    of `amounts` (true class, answered class, factor, column) so many times the row's cell more.
    Below zero it is a gain."""

    fixed: tuple[tuple[float, ...], ...]
    amounts: tuple[tuple[int, int, float, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold amounts."""
        return tuple(dict.fromkeys(name for *_, name in self.amounts))

    def of(self, data: Dataset) -> RowCosts:
        """The costs of these rows.

        Raises:
            DataError: An amount is missing or below zero; names column and row.
        """
        cells = {name: _amounts(data, name) for name in self.columns}
        told = ((true, answer, factor * cells[name]) for true, answer, factor, name in self.amounts)
        return RowCosts(np.array(self.fixed, dtype=np.float64), tuple(told))

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"fixed": [list(row) for row in self.fixed], "amounts": [*map(list, self.amounts)]}

    @staticmethod
    def restore(told: Mapping[str, Any] | None) -> Costs | None:
        """What `plain` wrote."""
        if told is None:
            return None
        fixed = tuple(tuple(float(cost) for cost in row) for row in told["fixed"])
        amounts = ((int(t), int(a), float(f), str(name)) for t, a, f, name in told["amounts"])
        return Costs(fixed, tuple(amounts))


def _amounts(data: Dataset, name: str) -> Numbers:
    values = np.asarray(data.values(name), dtype=np.float64)
    bad = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
    if len(bad):
        first = values[bad[0]]
        what = "no number" if np.isnan(first) else f"{first:g}"
        raise DataError(
            f"{data.source}, line {data.lines[bad[0]]}, column {name!r}: {what}, where the costs "
            f"need an amount of 0 or more ({len(bad):,} of {len(values):,} rows are so). Fill in "
            "the amounts, or give a number as the cost."
        )
    return values
