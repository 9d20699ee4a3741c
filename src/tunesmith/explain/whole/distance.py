"""How far rows of a table lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset

WIDE = (5, 95)
"""Percentiles between which most cells of numbers and dates lie: that far apart is 1."""


@dataclass(frozen=True)
class Distance:
    """By columns: of numbers and dates the difference, in the width of most cells and at most 1; of
    other cells whether they differ. A cell that is missing is 1 from one that is there.

    Source: Gower, "A General Coefficient of Similarity and Some of Its Properties", Biometrics
    1971; with a width that no single outlier sets.
    """

    columns: tuple[Column, ...]
    widths: dict[str, float]

    @staticmethod
    def of(rows: Dataset, columns: Sequence[Column]) -> Distance:
        widths = {}
        for column in columns:
            if column.kind in ("number", "date"):
                numbers = as_numbers(rows.values(column.name))
                known = numbers[np.isfinite(numbers)]
                low, high = np.percentile(known, WIDE) if len(known) else (0.0, 0.0)
                wide = high - low or (np.ptp(known) if len(known) else 0.0)
                widths[column.name] = float(wide) or 1.0
        return Distance(tuple(columns), widths)

    def apart(self, rows: Dataset, row: Dataset) -> NDArray[np.float64]:
        """Of each row from one, by column: (rows, columns)."""
        parts = [self.of_cells(column, rows, row) for column in self.columns]
        return np.stack(parts, axis=1) if parts else np.zeros((len(rows), 0))

    def of_cells(self, column: Column, rows: Dataset, row: Dataset) -> NDArray[np.float64]:
        cells, own = rows.values(column.name), row.values(column.name)[0]
        if column.name not in self.widths:
            return np.array([float(cell != own) for cell in cells])
        numbers = as_numbers(cells)
        here = as_numbers(row.values(column.name))[0]
        far = np.minimum(1.0, np.abs(numbers - here) / self.widths[column.name])
        return np.where(np.isnan(numbers) & np.isnan(here), 0.0, np.where(np.isnan(far), 1.0, far))


def as_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers as they are; dates in seconds, NaN where there is none."""
    if values.dtype.kind == "M":
        return np.where(np.isnat(values), np.nan, values.astype("M8[s]").astype(np.float64))
    return np.asarray(values, dtype=np.float64)
