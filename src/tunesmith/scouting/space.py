"""Frozen features reduced once to what every score needs: an orthonormal basis of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError

Matrix = NDArray[np.float64]

CONSTANT = 1e-6
"""A feature whose deviation is below this share of its mean is float32 rounding, not signal."""
FLAT = 1e-9
"""Directions with less than this share of the largest variance are dropped: below it the Gram
matrix, in double precision, holds rounding alone."""
MOST_BROKEN = 0.5


@dataclass(frozen=True)
class Space:
    """Standardised features Z = basis · diag(spread) · (rotation, not kept).

    `basis` has shape (rows, rank), orthonormal columns, each of mean 0; `spread` has shape (rank,),
    the singular values, largest first; `width` counts the features that vary. Whatever depends on
    inner products between rows alone can be computed from these.
    """

    basis: Matrix
    spread: NDArray[np.float64]
    width: int

    def __len__(self) -> int:
        return len(self.basis)

    def coordinates(self) -> Matrix:
        """The rows of Z, rotated to its principal axes, shape (rows, rank)."""
        return self.basis * self.spread


def reduce(features: NDArray[Any]) -> Space:
    """Standardise features of shape (rows, width) and decompose them, through the smaller of the
    two Gram matrices: O(rows · width · min(rows, width)).

    A row with a number that is not finite counts as an average row.

    Raises:
        DataError: They are no matrix, or more than half of the rows are not finite.
    """
    scaled = _standardised(features)
    rows, width = scaled.shape
    if not width:
        return Space(np.zeros((rows, 0)), np.zeros(0), 0)
    if width > rows:
        squares, basis = _eigen(scaled @ scaled.T)
        return Space(basis, np.sqrt(squares), width)
    squares, axes = _eigen(scaled.T @ scaled)
    spread = np.sqrt(squares)
    return Space((scaled @ axes) / spread, spread, width)


def _standardised(features: NDArray[Any]) -> Matrix:
    """Mean 0, variance 1, without the features that do not vary, shape (rows, at most width)."""
    if features.ndim != 2:
        raise DataError(f"Features must have shape (rows, width), not {features.shape}.")
    whole = np.asarray(features, dtype=np.float64)
    fine = np.isfinite(whole).all(axis=1)
    if (~fine).sum() > MOST_BROKEN * len(whole):
        raise DataError(
            f"{int((~fine).sum())} of {len(whole)} rows of features are NaN or infinite: "
            "this backbone cannot be read in this precision."
        )
    known = whole if fine.all() else whole[fine]
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    varies = deviation > CONSTANT * np.abs(mean) + np.finfo(np.float32).tiny
    scaled = (whole[:, varies] - mean[varies]) / deviation[varies]
    scaled[~fine] = 0.0
    return np.asarray(scaled)


def _eigen(gram: Matrix) -> tuple[NDArray[np.float64], Matrix]:
    """The positive eigenvalues, largest first, and their vectors as columns."""
    from scipy.linalg import eigh

    values, vectors = eigh(gram, overwrite_a=True, check_finite=False, driver="evd")
    keep = values > FLAT * max(values[-1], 0.0)
    return values[keep][::-1], np.ascontiguousarray(vectors[:, keep][:, ::-1])
