"""Which rows probably have a wrong label: confident learning for classes, residuals for numbers.

Source: Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
Journal of Artificial Intelligence Research 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Rows
from tunesmith.evaluate.weighted import Weights, counts, quantile

SURE = 0.9
"""Probability of another class from which a row is taken to be mislabelled. Where classes overlap,
rows are counted to another class that are right: of 2,000 rows of Adult with 5 % of the labels
flipped 30 % of those counted were flipped ones, and 78 % of those that were so probable."""
FENCES = 3.0
"""Quartile ranges beyond the quartiles at which a residual is far out (Tukey, "Exploratory Data
Analysis", 1977)."""


@dataclass(frozen=True)
class Suspects:
    """All rows, the most suspect first.

    `order` are places in what was looked at, shape (rows,); `likelier` the class code, or the
    number, that the models answered for each row, in the rows' own order; `flagged` says which rows
    are taken to be mislabelled, in the rows' own order.
    """

    order: Rows
    likelier: NDArray[Any]
    flagged: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many rows are taken to be mislabelled."""
        return int(self.flagged.sum())


def suspects(truth: NDArray[Any], answers: Prediction, weights: Weights = None) -> Suspects:
    """Rank rows by how improbable their label is.

    Args:
        truth: Class codes (-1 for a label that the model does not know) or numbers, shape (rows,).
        answers: What models that had not seen a row answered for it.
        weights: How much each row counts in what is usual of its class, or of all residuals; no
            row is more suspect for counting more.
    """
    if isinstance(answers, ClassScores):
        return _of_classes(truth, answers.probabilities, weights)
    return _of_numbers(truth, answers.array(), weights)


def thresholds(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: Weights = None
) -> NDArray[np.float64]:
    """For each class the mean probability of it over the rows that have it as their label, from
    which a row counts as one of that class; infinite for a class without rows. Shape (classes,)."""
    classes = probabilities.shape[1]
    known = truth >= 0
    own = probabilities[np.arange(len(truth))[known], truth[known]]
    counted = counts(weights, len(truth))[known]
    total = np.bincount(truth[known], counted, minlength=classes)
    sums = np.bincount(truth[known], counted * own, minlength=classes)
    return np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.inf)


def confident_classes(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: Weights = None
) -> NDArray[np.int64]:
    """The class that a row is counted to: of those whose threshold it reaches, the likeliest; -1
    where it reaches none. Shape (rows,)."""
    reached = probabilities >= thresholds(truth, probabilities, weights)
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1).astype(np.int64)


def joint(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: Weights = None
) -> NDArray[np.float64]:
    """The share of rows by given label (row) and likely true label (column), shape (classes,
    classes): counts of the confident ones, scaled so that each label has as many rows as were given
    it. What lies off the diagonal is the share of wrong labels."""
    classes = probabilities.shape[1]
    found = confident_classes(truth, probabilities, weights)
    own, sure = counts(weights, len(truth)), (found >= 0) & (truth >= 0)
    places = truth[sure] * classes + found[sure]
    counted = np.bincount(places, own[sure], minlength=classes**2).reshape(classes, classes)
    given = np.bincount(truth[truth >= 0], own[truth >= 0], minlength=classes)
    sums = counted.sum(axis=1)
    empty = sums == 0
    counted[empty, empty] = 1.0  # nobody is sure: taken as they are labelled
    scaled = counted / np.where(empty, 1.0, sums)[:, None] * given[:, None]
    return np.asarray(scaled / (given.sum() or 1.0))


def _of_classes(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: Weights
) -> Suspects:
    """By the normalised margin, the probability of the given label less that of the likeliest other
    one. Taken to be wrong where a row is counted to another class with a probability of `SURE`."""
    rows = np.flatnonzero(truth >= 0)
    own, others = np.zeros(len(truth)), probabilities.copy()
    own[rows] = probabilities[rows, truth[rows]]
    others[rows, truth[rows]] = -np.inf
    likelier = others.argmax(axis=1).astype(np.int64)
    most = others[np.arange(len(truth)), likelier]
    counted = confident_classes(truth, probabilities, weights)
    flagged = (truth >= 0) & (counted == likelier) & (most >= SURE)
    return Suspects(np.argsort(own - most, kind="stable"), likelier, flagged)


def _of_numbers(
    truth: NDArray[np.float64], answers: NDArray[np.float64], weights: Weights
) -> Suspects:
    """By the size of the residual; taken to be wrong where it is far out among all."""
    residual = truth - answers
    low, middle, high = (quantile(residual, share, weights) for share in (0.25, 0.5, 0.75))
    room = FENCES * (high - low)
    flagged = (residual < low - room) | (residual > high + room)
    return Suspects(np.argsort(-np.abs(residual - middle)), answers, flagged)
