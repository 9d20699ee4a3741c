"""Two probes of frozen features that leave each row out in turn: ridge and nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.scouting.space import Matrix, Space
from tunesmith.scouting.target import Target

STRENGTHS = tuple(float(power) for power in np.logspace(-3, 4, 15))
"""Penalties in units of a row's mean squared length, where 1 means that a row's own length and the
noise on its answer weigh the same (Rasmussen & Williams, "Gaussian Processes", 2006, eq. 2.25)."""
NEIGHBOURS = 10
TEMPERATURE = 0.07
BLOCK_ROWS = 1024


@dataclass(frozen=True)
class Probe:
    """What a probe said of each row without having seen that row.

    `outputs` has shape (rows, outputs), in the units of the target's columns; `wins` has shape
    (rows,): 1 where the class was told rightly, else 0; for numbers the squared error, in units of
    the target's variance; `losses` are squared errors summed over columns, shape (rows,);
    `strength` is the penalty chosen, in units of a row's mean squared length (0: no such thing).
    """

    outputs: Matrix
    wins: NDArray[np.float64]
    losses: NDArray[np.float64]
    strength: float = 0.0

    @property
    def loss(self) -> float:
        """Mean squared error over rows, summed over columns."""
        return float(self.losses.mean())

    def value(self, target: Target) -> float:
        """Accuracy in [0, 1], or R² of numbers in (-∞, 1]."""
        return value(self.wins, target)


def value(wins: NDArray[np.float64], target: Target) -> float:
    """The target's metric from the wins of each row: accuracy, or R² (0 of constant numbers)."""
    mean = float(wins.mean())
    if target.codes is not None:
        return mean
    return 1.0 - mean if target.columns.any() else 0.0


def ridge(space: Space, target: Target, strengths: tuple[float, ...] = STRENGTHS) -> Probe:
    """Ridge regression on the target's columns, each row left out in turn, in closed form.

    The intercept is not penalised and is refitted with each row left out, so that the outputs are
    exactly those of as many refits on the standardised features; only the standardisation itself
    has seen the row. The strength is the one of least squared error over the left-out rows. Classes
    are told with the shares of all rows: leaving a row out makes its class rarer, and features
    that tell nothing would be below chance.

    Source: Allen, "The relationship between variable selection and data augmentation", 1974
    (PRESS); Golub, Heath & Wahba, "Generalized cross-validation", Technometrics 1979.
    """
    rows = len(space)
    shares = target.shares()
    centred = target.columns - shares
    squares = space.spread**2
    unit = float(squares.sum()) / rows or 1.0
    shrink = squares[:, None] / (squares[:, None] + unit * np.array(strengths))
    free = np.maximum(1.0 - 1.0 / rows - space.basis**2 @ shrink, 1e-9)
    projected = space.basis.T @ centred
    best: tuple[float, int, Matrix] | None = None
    for place in range(len(strengths)):
        error = centred - space.basis @ (shrink[:, place, None] * projected)
        error /= free[:, place, None]
        loss = float(np.einsum("ij,ij->", error, error)) / rows
        if best is None or loss < best[0]:
            best = loss, place, error
    assert best is not None
    _, place, error = best
    outputs = target.columns - error
    return _probe(outputs, outputs + centred / (rows - 1), target, strengths[place])


def nearest(space: Space, target: Target, neighbours: int = NEIGHBOURS) -> Probe:
    """The mean answer of the nearest other rows by cosine, weighted by exp(cosine / 0.07).

    Cosines are between standardised rows, so that a direction which all rows share (embeddings
    have one) counts for nothing.

    Source: Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    CVPR 2018, section 3.4.
    """
    rows = len(space)
    count = min(neighbours, rows - 1)
    coordinates = space.coordinates().astype(np.float32)
    length = np.linalg.norm(coordinates, axis=1, keepdims=True)
    coordinates /= np.where(length > 0, length, 1)
    outputs = np.empty_like(target.columns)
    for start in range(0, rows, BLOCK_ROWS):
        block = np.arange(start, min(start + BLOCK_ROWS, rows))
        cosine = coordinates[block] @ coordinates.T
        cosine[np.arange(len(block)), block] = -np.inf
        near = np.argpartition(cosine, rows - count, axis=1)[:, rows - count :]
        close = np.take_along_axis(cosine, near, axis=1).astype(np.float64)
        weight = np.exp((close - close.max(axis=1, keepdims=True)) / TEMPERATURE)
        weight /= weight.sum(axis=1, keepdims=True)
        outputs[block] = np.einsum("ij,ijk->ik", weight, target.columns[near])
    return _probe(outputs, outputs, target)


def _probe(outputs: Matrix, told: Matrix, target: Target, strength: float = 0.0) -> Probe:
    """`told`, shape (rows, outputs), is what decides the class; where that is even, the first class
    wins, not the rounding, which knows the row's own answer."""
    losses = ((target.columns - outputs) ** 2).sum(axis=1)
    if target.codes is None:
        return Probe(outputs, losses, losses, strength)
    wins = np.asarray(told.round(9).argmax(axis=1) == target.codes, dtype=np.float64)
    return Probe(outputs, wins, losses, strength)
