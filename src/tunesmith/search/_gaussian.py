"""A Gaussian process over mixed, conditional dimensions: what scores seen so far say of others.

Rows are encoded by `Encoding`: ordered dimensions in [0, 1], others as codes, what does not count
as a value of its own. The kernel is Matérn 5/2 of a distance that adds squared differences of
ordered dimensions and mismatches of the others, each dimension with a weight of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.dimensions import Dimensions, is_ordered, unit
from tunesmith.core.space import Choice, Scalar

Matrix = NDArray[np.float64]
ABSENT = -1.0
ROOT5 = math.sqrt(5.0)
JITTER = 1e-6
MOST_STEPS = 60
MEAN_WEIGHT, SPREAD_WEIGHT = 0.0, 1.5
MEAN_NOISE, SPREAD_NOISE = math.log(0.02), 1.5
"""What is believed of the logarithms of weights and noise: normal, with these means and deviations.
"""


@dataclass(frozen=True)
class Encoding:
    """Proposals as rows of numbers."""

    ranges: Dimensions

    @property
    def ordered(self) -> NDArray[np.bool_]:
        """Which columns are places in [0, 1]; the others are codes. Shape (dimensions,)."""
        return np.array([is_ordered(mark) for mark in self.ranges.values()], dtype=bool)

    def row(self, values: Mapping[str, Scalar]) -> NDArray[np.float64]:
        """Shape (dimensions,)."""
        found = []
        for path, mark in self.ranges.items():
            if path not in values:
                found.append(0.5 if is_ordered(mark) else ABSENT)
            elif isinstance(mark, Choice) and not is_ordered(mark):
                found.append(float(mark.values.index(values[path])))
            else:
                found.append(unit(mark, values[path]))
        return np.array(found)

    def rows(self, many: Sequence[Mapping[str, Scalar]]) -> Matrix:
        """Shape (proposals, dimensions)."""
        return np.array([self.row(values) for values in many]).reshape(len(many), len(self.ranges))


def _differences(left: Matrix, right: Matrix, ordered: NDArray[np.bool_]) -> Matrix:
    """Of each dimension for each pair: squares, or 1 where codes differ. Shape (dimensions, left,
    right)."""
    apart = left.T[:, :, None] - right.T[:, None, :]
    return np.asarray(np.where(ordered[:, None, None], apart * apart, apart != 0))


@dataclass(frozen=True)
class Gaussian:
    """A process given `scores` of `rows`. `weights` are the inverse squared length scales, shape
    (dimensions,); `scale` and `noise` are variances, of scores of variance 1."""

    rows: Matrix
    scores: NDArray[np.float64]
    ordered: NDArray[np.bool_]
    settings: NDArray[np.float64]
    """Logarithms of weights, scale and noise, shape (dimensions + 2,)."""

    @property
    def weights(self) -> NDArray[np.float64]:
        return np.asarray(np.exp(self.settings[:-2]))

    @property
    def scale(self) -> float:
        return float(np.exp(self.settings[-2]))

    @property
    def noise(self) -> float:
        return float(np.exp(self.settings[-1]))

    def given(self, rows: Matrix, scores: NDArray[np.float64]) -> Gaussian:
        """The same settings, given other scores."""
        return Gaussian(rows, scores, self.ordered, self.settings)

    @cached_property
    def _solved(self) -> tuple[Matrix, NDArray[np.float64]]:
        from scipy.linalg import cho_solve, cholesky

        apart = _differences(self.rows, self.rows, self.ordered)
        kernel = self.scale * _matern(np.tensordot(self.weights, apart, axes=1))[0]
        kernel[np.diag_indices_from(kernel)] += self.noise + JITTER
        factor = cholesky(kernel, lower=True, check_finite=False)
        return factor, cho_solve((factor, True), self.scores, check_finite=False)

    def predict(self, rows: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation without noise, each of shape (rows,)."""
        from scipy.linalg import solve_triangular

        factor, solved = self._solved
        apart = _differences(self.rows, rows, self.ordered)
        across = self.scale * _matern(np.tensordot(self.weights, apart, axes=1))[0]
        half = solve_triangular(factor, across, lower=True, check_finite=False)
        variance = self.scale - np.square(half).sum(axis=0)
        return across.T @ solved, np.sqrt(np.maximum(variance, 1e-12))


def fit(
    rows: Matrix,
    scores: NDArray[np.float64],
    ordered: NDArray[np.bool_],
    start: NDArray[np.float64] | None = None,
) -> Gaussian:
    """The process whose settings are likeliest, given scores of mean 0 and variance 1, shape
    (rows,), and a belief that few dimensions matter much and noise is small. `start` is where to
    look first, besides the usual."""
    from scipy.optimize import minimize

    apart = _differences(rows, rows, ordered)
    width = rows.shape[1]
    usual = np.concatenate([np.full(width, MEAN_WEIGHT), [0.0, MEAN_NOISE]])
    best = None
    for first in [usual] if start is None else [start, usual]:
        found = minimize(
            _loss,
            first,
            args=(apart, scores),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-7.0, 5.0)] * width + [(-4.0, 3.0), (-9.0, 1.0)],
            options={"maxiter": MOST_STEPS},
        )
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    return Gaussian(rows, scores, ordered, np.asarray(best.x))


def _matern(squares: Matrix) -> tuple[Matrix, Matrix]:
    """The kernel of squared distances, and its derivative by them."""
    distance = np.sqrt(squares)
    fading = np.exp(-ROOT5 * distance)
    return (1 + ROOT5 * distance + 5 / 3 * squares) * fading, -5 / 6 * (
        1 + ROOT5 * distance
    ) * fading


def _loss(
    settings: NDArray[np.float64], apart: Matrix, scores: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Negative log posterior of the settings and its gradient.

    Source: Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, section 5.4.1.
    """
    from scipy.linalg import cho_solve, cholesky

    weights, (scale, noise) = np.exp(settings[:-2]), np.exp(settings[-2:])
    shape, slope = _matern(np.tensordot(weights, apart, axes=1))
    kernel = scale * shape
    kernel[np.diag_indices_from(kernel)] += noise + JITTER
    try:
        factor = cholesky(kernel, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(settings)
    solved = cho_solve((factor, True), scores, check_finite=False)
    value = 0.5 * scores @ solved + np.log(np.diag(factor)).sum()
    inverse = cho_solve((factor, True), np.eye(len(scores)), check_finite=False)
    pull = inverse - np.outer(solved, solved)
    gradient = np.empty_like(settings)
    gradient[:-2] = 0.5 * scale * weights * np.tensordot(apart, pull * slope, axes=2)
    gradient[-2] = 0.5 * scale * float((pull * shape).sum())
    gradient[-1] = 0.5 * noise * float(np.trace(pull))
    belief, lean = _belief(settings)
    return float(value + belief), gradient + lean


def _belief(settings: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Negative log prior: normal in the logarithm of each setting."""
    mean = np.concatenate([np.full(len(settings) - 2, MEAN_WEIGHT), [0.0, MEAN_NOISE]])
    spread = np.concatenate([np.full(len(settings) - 2, SPREAD_WEIGHT), [1.0, SPREAD_NOISE]])
    off = (settings - mean) / spread
    return float(0.5 * off @ off), off / spread
