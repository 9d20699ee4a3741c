"""What features are asked to tell: classes as one-hot columns, or numbers standardised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError

FEWEST_ROWS = 3


@dataclass(frozen=True)
class Target:
    """The truth of some rows as columns to regress on.

    `columns` has shape (rows, outputs): zeros and ones, a column for each class met, or one column
    of numbers with mean 0 and variance 1. `codes` numbers the classes met from 0, shape (rows,);
    None for numbers.
    """

    columns: NDArray[np.float64]
    codes: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def metric(self) -> str:
        """What the probes are scored by."""
        return "r2" if self.codes is None else "accuracy"

    def shares(self) -> NDArray[np.float64]:
        """How frequent each class is, or 0 for numbers, shape (outputs,)."""
        return np.asarray(self.columns.mean(axis=0))


def aim(truth: NDArray[Any]) -> Target:
    """Class codes (whole numbers) or numbers (float), shape (rows,), as a target. Rows whose label
    or number is not known must be left out before.

    Raises:
        DataError: There are fewer than three rows, or a number is not finite.
    """
    if truth.ndim != 1 or len(truth) < FEWEST_ROWS:
        raise DataError(
            f"Ranking needs one answer a row for at least {FEWEST_ROWS} rows, "
            f"not an array of shape {truth.shape}."
        )
    if truth.dtype.kind in "iub":
        classes, codes = np.unique(truth, return_inverse=True)
        return Target(np.eye(len(classes))[codes], codes.astype(np.int64))
    numbers = truth.astype(np.float64)
    if not np.isfinite(numbers).all():
        missing = int((~np.isfinite(numbers)).sum())
        raise DataError(f"{missing} of {len(numbers)} numbers to tell are missing or infinite.")
    centred = numbers - numbers.mean()
    scale = float(np.sqrt(np.mean(centred**2)))
    level = 1e-12 * float(np.abs(numbers).max(initial=0.0))
    return Target((centred / scale if scale > level else centred * 0)[:, None], None)
