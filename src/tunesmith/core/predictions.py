"""What a model hands back: one type per shape of answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.costs import RowCosts
from tunesmith.core.errors import DataError

HALF = 0.5


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


@dataclass(frozen=True)
class Labels:
    """A probability for each label, for each row, which may have several labels or none.

    `probabilities` has shape (rows, labels), each between 0 and 1 by itself; `classes` are the
    labels as text, in the order of the columns. A label is answered where its probability reaches
    its threshold: one a label, 0.5 where there are none. Rows of several models have thresholds of
    their own, shape (rows, labels).
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    thresholds: tuple[float, ...] | NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        count = len(self.classes)
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != count:
            raise DataError(
                f"Probabilities of shape {self.probabilities.shape} do not fit {count} labels."
            )
        if self.thresholds is not None and (many := np.shape(self.thresholds)[-1]) != count:
            raise DataError(f"{many} thresholds do not fit {count} labels.")

    def __len__(self) -> int:
        return len(self.probabilities)

    def chosen(self) -> NDArray[np.int64]:
        """1 where a label is answered, 0 elsewhere, shape (rows, labels)."""
        least = HALF if self.thresholds is None else np.asarray(self.thresholds)
        return np.asarray(self.probabilities >= least, dtype=np.int64)

    def decode(self) -> NDArray[np.object_]:
        """The labels to answer in each row, as a list of text, shape (rows,)."""
        found = np.empty(len(self), dtype=object)
        for row, chosen in enumerate(self.chosen()):
            found[row] = [self.classes[place] for place in np.flatnonzero(chosen)]
        return found

    def take(self, rows: NDArray[np.int64]) -> Labels:
        own = self.thresholds[rows] if isinstance(self.thresholds, np.ndarray) else self.thresholds
        return replace(self, probabilities=self.probabilities[rows], thresholds=own)

    def array(self) -> NDArray[np.float64]:
        return self.probabilities

    def with_array(self, array: NDArray[np.float64]) -> Labels:
        """The same labels and thresholds with other numbers."""
        return replace(self, probabilities=array)


Prediction = ClassScores | Values | Labels


def prediction_of(
    array: NDArray[np.float64], classes: tuple[str, ...], *, several: bool = False
) -> Prediction:
    """What a model hands back, of its array alone: numbers where there are no classes, and where
    there are, of rows that have `several` of them or one."""
    if several:
        return Labels(classes, array)
    return ClassScores(classes, array) if classes else Values(array)


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
