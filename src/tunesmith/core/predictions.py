"""What a model hands back: one type per shape of answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.costs import RowCosts
from tunesmith.core.errors import DataError


@dataclass(frozen=True)
class ClassScores:
    """A probability for each class, for each row.

    `probabilities` has shape (rows, classes), each row sums to one; `classes` are the labels as
    text, in the order of the columns. `weights`, one a class, say what a probability counts when
    the answer is chosen: with two classes (t, 1 - t) answers the second above a probability of t.
    Rows of several models have weights of their own, shape (rows, classes).
    Where answers have `costs`, the one that is expected to cost least is given instead.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    costs: RowCosts | None = None
    weights: tuple[float, ...] | NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and (many := np.shape(self.weights)[-1]) != len(self.classes):
            raise DataError(f"{many} decision weights do not fit {len(self.classes)} classes.")
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.classes):
            raise DataError(
                f"Probabilities of shape {self.probabilities.shape} do not fit "
                f"{len(self.classes)} classes."
            )

    def __len__(self) -> int:
        return len(self.probabilities)

    def codes(self) -> NDArray[np.int64]:
        """The index of the class to answer in each row, shape (rows,): the likeliest, that of the
        largest weighted probability, or the one that is expected to cost least."""
        if self.costs is not None:
            return np.asarray(self.costs.expected(self.probabilities).argmin(axis=1))
        return np.asarray(self.weighted().argmax(axis=1), dtype=np.int64)

    def weighted(self) -> NDArray[np.float64]:
        """The probabilities times the weights, not scaled to one, shape (rows, classes)."""
        if self.weights is None:
            return self.probabilities
        return np.asarray(self.probabilities * np.array(self.weights))

    def decode(self) -> NDArray[np.object_]:
        """The label to answer in each row, as text, shape (rows,)."""
        return np.array(self.classes, dtype=object)[self.codes()]

    def take(self, rows: NDArray[np.int64]) -> ClassScores:
        costs = None if self.costs is None else self.costs.take(rows)
        own = self.weights[rows] if isinstance(self.weights, np.ndarray) else self.weights
        return replace(self, probabilities=self.probabilities[rows], costs=costs, weights=own)

    def array(self) -> NDArray[np.float64]:
        return self.probabilities

    def with_array(self, array: NDArray[np.float64]) -> ClassScores:
        """The same classes and weights with other numbers."""
        return replace(self, probabilities=array)


@dataclass(frozen=True)
class Values:
    """One number for each row, shape (rows,), in the units of the target."""

    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.ndim != 1:
            raise DataError(f"Values must have shape (rows,), not {self.values.shape}.")

    def __len__(self) -> int:
        return len(self.values)

    def decode(self) -> NDArray[np.float64]:
        return self.values

    def take(self, rows: NDArray[np.int64]) -> Values:
        return Values(self.values[rows])

    def array(self) -> NDArray[np.float64]:
        return self.values

    def with_array(self, array: NDArray[np.float64]) -> Values:
        return Values(array)


Prediction = ClassScores | Values


def mix(predictions: Sequence[Prediction], weights: Sequence[float]) -> Prediction:
    """The weighted mean of predictions of one kind, on the same rows."""
    total = sum(weights)
    array = sum(p.array() * (w / total) for p, w in zip(predictions, weights, strict=True))
    return predictions[0].with_array(np.asarray(array, dtype=np.float64))


def row_drift(answers: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """How far answers for the same rows lie apart: the largest difference of a row, in the mean of
    the rows. Features that are rounded otherwise put a single row on the other side of a tree's
    threshold; another model moves them all."""
    apart = np.abs(answers - wanted).reshape(len(wanted), -1)
    return float(apart.max(axis=1).mean())
