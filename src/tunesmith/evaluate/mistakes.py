"""Mistakes by sort: which label is answered for which, at which truths numbers are far off, which
labels of several are missed; and how much each row loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.evaluate.slices import Losses
from tunesmith.metrics._shelf import matrices

LEAST = 1e-9
"""Probability of a label that the model does not know, or gives none."""
EXAMPLES = 3
DECILES = 10
UNKNOWN = "(unknown to the model)"


@dataclass(frozen=True)
class RowLosses:
    """What each row loses, by two measures with their names; the first is what slices compare."""

    name: str
    second_name: str
    losses: Losses


@dataclass(frozen=True)
class Pair:
    """A label and another that was answered for it: how often, which share of the rows of that
    label, and a few lines, those answered most surely first."""

    truth: str
    answer: str
    rows: int
    share: float
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Decile:
    """Rows between two values of the truth: the mean of answer minus truth, the mean absolute
    error, and a few lines, the furthest off first."""

    low: float
    high: float
    rows: int
    mean_error: float
    mean_absolute_error: float
    lines: tuple[int, ...]


@dataclass(frozen=True)
class LabelErrors:
    """One of several labels: in how many rows it is true, missed, and answered where it is not."""

    label: str
    rows: int
    missed: int
    added: int


def losses_of(truth: NDArray[Any], found: Prediction) -> RowLosses:
    """The loss of each row: of classes 1 where the answer is wrong, or what it costs, with the log
    loss beside it; of numbers the absolute error, with the squared one; of several labels 1 - F1 of
    the row, with the share of labels that are wrong."""
    if isinstance(found, ClassScores):
        own = own_probability(truth, found)
        logs = -np.log(np.maximum(own, LEAST))
        if found.costs is not None:
            costs = found.costs.of(truth, found.codes())
            return RowLosses("mean cost", "log loss", Losses(costs, False, logs))
        wrong = (found.codes() != truth).astype(np.float64)
        return RowLosses("error rate", "log loss", Losses(wrong, True, logs))
    if isinstance(found, Labels):
        wanted, given = matrices(truth, found)
        both, either = (wanted * given).sum(axis=1), (wanted + given).sum(axis=1)
        f1 = np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0)
        wrong = (wanted != given).mean(axis=1)
        return RowLosses("1 - F1", "share of labels wrong", Losses(1 - f1, False, wrong))
    off = np.abs(found.values - truth)
    return RowLosses("mean absolute error", "mean squared error", Losses(off, False, off**2))


def own_probability(truth: NDArray[np.int64], found: ClassScores) -> NDArray[np.float64]:
    """The probability of each row's own label, shape (rows,); 0 of one that the model does not
    know."""
    each = found.probabilities[np.arange(len(truth)), np.maximum(truth, 0)]
    return np.where(truth >= 0, each, 0.0)


def pairs(
    truth: NDArray[np.int64], found: ClassScores, lines: NDArray[np.int64], most: int
) -> tuple[Pair, ...]:
    """The pairs of a label and a wrong answer, the most frequent first."""
    codes = found.codes()
    sure = found.probabilities[np.arange(len(codes)), codes]
    wrong = np.flatnonzero(codes != truth)
    keys, places, counts = np.unique(
        np.stack([truth[wrong], codes[wrong]], axis=1),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    told = []
    for key in np.argsort(-counts, kind="stable")[:most]:
        rows = wrong[np.ravel(places) == key]
        best = rows[np.argsort(-sure[rows], kind="stable")][:EXAMPLES]
        own, answer = (int(code) for code in keys[key])
        told.append(
            Pair(
                found.classes[own] if own >= 0 else UNKNOWN,
                found.classes[answer],
                int(counts[key]),
                float(counts[key] / (truth == own).sum()),
                tuple(lines[best].tolist()),
            )
        )
    return tuple(told)


def deciles(
    truth: NDArray[np.float64], answers: NDArray[np.float64], lines: NDArray[np.int64]
) -> tuple[Decile, ...]:
    """Errors by tenths of the truth; fewer where many rows have one value."""
    shares = np.arange(1, DECILES) / DECILES
    edges = np.unique(np.quantile(truth, shares, method="inverted_cdf"))
    places = np.searchsorted(edges, truth, side="left")
    told = []
    for place in np.unique(places):
        rows = np.flatnonzero(places == place)
        off = answers[rows] - truth[rows]
        worst = rows[np.argsort(-np.abs(off), kind="stable")][:EXAMPLES]
        told.append(
            Decile(
                float(truth[rows].min()),
                float(truth[rows].max()),
                len(rows),
                float(off.mean()),
                float(np.abs(off).mean()),
                tuple(lines[worst].tolist()),
            )
        )
    return tuple(told)


def labels(truth: NDArray[np.int64], found: Labels) -> tuple[LabelErrors, ...]:
    """Of each of several labels how often it is missed or added, the worst first."""
    wanted, given = matrices(truth, found)
    told = [
        LabelErrors(
            name,
            int(wanted[:, place].sum()),
            int((wanted * (1 - given))[:, place].sum()),
            int((given * (1 - wanted))[:, place].sum()),
        )
        for place, name in enumerate(found.classes)
    ]
    return tuple(sorted(told, key=lambda one: (-one.missed - one.added, one.label)))
