"""Each row has one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Task
from tunesmith.core.records import Column, Dataset
from tunesmith.tasks._shelf import tasks
from tunesmith.tasks.classification import reviews

BANDS = 10


@tasks.add("regression")
class Regression(Task):
    """One number a row."""

    def claim(self, column: Column, values: NDArray[Any]) -> tuple[float, str]:
        if column.kind != "number":
            return 0.0, f"the target {column.name!r} does not hold numbers"
        count = len(np.unique(values[~np.isnan(values)]))
        return 0.5, f"the target {column.name!r} holds {count:,} distinct numbers"

    def classes(self, values: NDArray[Any]) -> tuple[str, ...]:
        return ()

    def metric(self, values: NDArray[Any], classes: Sequence[str]) -> tuple[str, str]:
        return "rmse", "the usual one for numbers: in the target's units, large misses count more"

    def metrics(self, classes: Sequence[str]) -> tuple[str, ...]:
        return ("rmse", "mae", "median_absolute_error", "r2", "mape", "spearman")

    def strata(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Tenths of the target, so that each part has the whole range."""
        ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        return (ranks * BANDS // max(1, len(values))).astype(np.int64)

    def example(self, generator: np.random.Generator) -> tuple[Dataset, str]:
        data = reviews(generator, rows=120)
        return data.with_columns(("text", "age", "shop", "stars")), "stars"
