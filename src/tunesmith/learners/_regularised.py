"""Logistic and ridge regression along a path of regularisation, stoppable between iterations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock

CHUNK_ITERATIONS = 20
WIDE = 0.5
"""Rows for each feature up to which the space of the rows is worth turning to."""
FLAT = 1e-10
LARGE = 100_000_000
"""Rows times width times classes from which the clock is looked at more often."""


@dataclass(frozen=True)
class Plane:
    """A linear map: `weights` of shape (width, outputs), `bias` of shape (outputs,). The bias has
    double precision: it holds the level of a target, which may be far larger than its spread."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float64]

    def logits(self, features: Any) -> NDArray[np.float64]:
        """Dense or sparse features of shape (rows, width) → (rows, outputs)."""
        return np.asarray(features @ self.weights, dtype=np.float64) + self.bias


def unscaled(plane: Plane, mean: float, scale: float) -> Plane:
    """A plane fitted to a standardised target, in the target's own units."""
    return Plane(plane.weights * np.float32(scale), plane.bias * scale + mean)


def logistic_path(
    features: Any,
    codes: NDArray[np.int64],
    classes: int,
    *,
    strengths: tuple[float, ...],
    clock: Clock,
    balanced: bool,
    most_iterations: int = 200,
) -> Iterator[Plane]:
    """Multinomial logistic regression at each inverse strength C in turn, each starting from the
    last. Ends early at the deadline, after at least one."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(codes)
    if len(seen) < 2 or not features.shape[1]:
        yield _shares(features.shape[1], classes, codes)
        return
    features, back = _within_rows(features)
    size = (features.nnz if hasattr(features, "nnz") else features.size) * len(seen)
    chunk = CHUNK_ITERATIONS if size < LARGE else CHUNK_ITERATIONS // 4
    model = LogisticRegression(
        max_iter=chunk,
        warm_start=True,
        class_weight="balanced" if balanced else None,
    )
    for number, strength in enumerate(strengths):
        if number and clock.is_over():
            return
        model.C = strength
        for _ in range(0, most_iterations, chunk):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(features, codes)
            if model.n_iter_[0] < chunk or clock.is_over():
                break
        plane = _plane(model, classes)
        yield plane if back is None else Plane(back.T @ plane.weights, plane.bias)


def _within_rows(features: Any) -> tuple[Any, NDArray[np.float32] | None]:
    """Where there are far fewer rows than features: the rows in the space that they span, shape
    (rows, rank), and what leads back, shape (rank, width). A quadratic penalty lets no weight point
    out of that space and does not see a rotation, so that the solution is the same.

    Source: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2009, section
    18.3.5.
    """
    rows, width = features.shape
    if hasattr(features, "tocsr") or rows > WIDE * width:
        return features, None
    values, vectors = np.linalg.eigh(np.asarray(features @ features.T, dtype=np.float64))
    kept = values > FLAT * values[-1]
    spread, turned = np.sqrt(values[kept]), vectors[:, kept]
    inside = (turned * spread).astype(np.float32)
    return inside, ((turned / spread).T @ features).astype(np.float32)


def _plane(model: Any, classes: int) -> Plane:
    """Scatter the classes seen into all classes; one never seen gets a very low logit."""
    coefficients, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        bias = np.concatenate([-bias / 2, bias / 2])
    weights = np.zeros((coefficients.shape[1], classes), dtype=np.float32)
    full_bias = np.full(classes, -30.0)
    weights[:, model.classes_] = coefficients.T
    full_bias[model.classes_] = bias
    return Plane(weights, full_bias)


def _shares(width: int, classes: int, codes: NDArray[np.int64]) -> Plane:
    """The share of each class, whatever the features: there is nothing to tell classes apart."""
    shares = np.bincount(codes, minlength=classes) / len(codes)
    bias = np.log(np.maximum(shares, np.exp(-30.0)))
    return Plane(np.zeros((width, classes), dtype=np.float32), bias)


def ridge_path(
    features: Any, target: NDArray[np.float64], *, strengths: tuple[float, ...], clock: Clock
) -> Iterator[Plane]:
    """Ridge regression at each inverse strength in turn (the penalty is 1 / strength)."""
    from sklearn.linear_model import Ridge

    if not features.shape[1]:
        yield Plane(np.zeros((0, 1), dtype=np.float32), np.array([target.mean()]))
        return
    for number, strength in enumerate(strengths):
        if number and clock.is_over():
            return
        solver = "sparse_cg" if hasattr(features, "tocsr") else "auto"
        model = Ridge(alpha=1 / strength, solver=solver, max_iter=300)
        model.fit(features, target)
        yield Plane(
            np.asarray(model.coef_, dtype=np.float32).reshape(-1, 1),
            np.array([model.intercept_], dtype=np.float64),
        )


def best_on_path(
    planes: Iterator[Plane], score: Callable[[Plane], float], *, patience: int = 2
) -> tuple[Plane, int]:
    """Walk a path while it gets better by a score (higher is better); the best plane and its place
    on the path."""
    best, place = next(planes), 0
    best_score = score(best)
    for number, plane in enumerate(planes, start=1):
        value = score(plane)
        if value > best_score:
            best, best_score, place = plane, value, number
        elif number - place >= patience:
            break
    return best, place
