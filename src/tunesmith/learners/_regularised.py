"""Logistic and ridge regression along a path of regularisation, stoppable between iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.blas import one_thread
from tunesmith.core.clock import Clock

WIDE = 0.5
"""Rows for each feature up to which the space of the rows is worth turning to."""
FLAT = 1e-10
LARGE = 100_000_000
"""Rows times width times classes from which `NEAR_ENOUGH` counts in place of `EXACT`: by what share
the loss falls in the last step. At 7,447 rows, 3,072 features and 77 classes that is after about 25
steps."""
NEAR_ENOUGH, EXACT = 4e-4, 1e-14
FLAT_SLOPE = 1e-4


@dataclass(frozen=True)
class Plane:
    """A linear map: `weights` of shape (width, outputs), `bias` of shape (outputs,). The bias has
    double precision: it holds the level of a target, which may be far larger than its spread."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float64]

    def logits(self, features: Any) -> NDArray[np.float64]:
        """Dense or sparse features of shape (rows, width) → (rows, outputs)."""
        return np.asarray(features @ self.weights, dtype=np.float64) + self.bias

    def redrawn(self, seed: int) -> Plane:
        """The same with weights that are drawn anew, of the mean and the spread that they have."""
        drawn = np.random.default_rng(seed).normal(size=self.weights.shape)
        weights = self.weights.mean() + self.weights.std() * drawn
        return Plane(weights.astype(np.float32), self.bias)


def unscaled(plane: Plane, mean: float, scale: float) -> Plane:
    """A plane fitted to a standardised target, in the target's own units."""
    return Plane(plane.weights * np.float32(scale), plane.bias * scale + mean)


def shifted(plane: Plane, shift: NDArray[np.float64] | None) -> Plane:
    """A plane whose outputs are moved."""
    return plane if shift is None else Plane(plane.weights, plane.bias + shift)


def logistic_path(
    features: Any,
    codes: NDArray[np.int64],
    classes: int,
    *,
    strengths: tuple[float, ...],
    clock: Clock,
    balanced: bool,
    most_iterations: int = 200,
    row_weights: NDArray[np.float64] | None = None,
    turned: bool = True,
) -> Iterator[Plane]:
    """Multinomial logistic regression at each inverse strength C in turn, each starting from the
    last. Ends early at the deadline, after at least one. `row_weights` say how much each row
    counts, with a mean of about one. Few rows of many features are `turned` into the space of the
    rows first, which pays where there are more than a few iterations."""
    seen, places = np.unique(codes, return_inverse=True)
    weights = np.ones(len(places)) if row_weights is None else row_weights
    if len(seen) < 2 or not features.shape[1]:
        yield _shares(features.shape[1], classes, codes, weights)
        return
    features, back = _within_rows(features) if turned else (features, None)
    outputs = len(seen) if len(seen) > 2 else 1
    if balanced:
        counts = np.maximum(np.bincount(places, weights), 1e-12)
        weights = weights * (weights.sum() / (len(seen) * counts[places]))
    plane = np.zeros((features.shape[1] + 1, outputs))
    for number, strength in enumerate(strengths):
        if number and clock.is_over():
            return
        plane = _steepest(features, places, weights, strength, plane, clock, most_iterations)
        found = _scattered(plane, seen, classes)
        yield found if back is None else Plane(back.T @ found.weights, found.bias)


def logistic_paths(
    features: Any,
    truth: NDArray[np.int64],
    *,
    strengths: tuple[float, ...],
    clock: Clock,
    balanced: bool,
    most_iterations: int = 200,
    row_weights: NDArray[np.float64] | None = None,
    turned: bool = True,
) -> Iterator[Plane]:
    """Logistic regression of each label by itself (one against the rest) as one plane, at each
    inverse strength in turn; `truth` has shape (rows, labels). Ends early at the deadline, after at
    least one."""
    inside, back = _within_rows(features) if turned else (features, None)
    paths = [
        logistic_path(
            inside,
            there,
            2,
            strengths=strengths,
            clock=clock,
            balanced=balanced,
            most_iterations=most_iterations,
            row_weights=row_weights,
            turned=turned,
        )
        for there in truth.T
    ]
    for planes in zip(*paths, strict=False):  # all end where one does
        weights = np.stack([one.weights[:, 1] - one.weights[:, 0] for one in planes], axis=1)
        bias = np.array([one.bias[1] - one.bias[0] for one in planes])
        yield Plane(weights if back is None else back.T @ weights, bias)


def _steepest(
    features: Any,
    codes: NDArray[np.int64],
    row_weights: NDArray[np.float64],
    strength: float,
    start: NDArray[np.float64],
    clock: Clock,
    most_iterations: int,
) -> NDArray[np.float64]:
    """The plane with the least loss, by L-BFGS from a start, shape (width + 1, outputs) with the
    bias last; as it is by then where the clock is over. On a large problem it is near enough once
    the loss hardly falls: the last places of a weight change no answer."""
    from scipy.optimize import minimize

    size = (features.nnz if hasattr(features, "nnz") else features.size) * start.shape[1]

    def look(intermediate_result: Any) -> None:
        if clock.is_over():
            raise StopIteration

    with one_thread():
        found = minimize(
            _loss,
            start.ravel(),
            args=(features, codes, row_weights, strength, start.shape[1]),
            jac=True,
            method="L-BFGS-B",
            callback=look,
            options={
                "maxiter": most_iterations,
                "gtol": FLAT_SLOPE,
                "ftol": NEAR_ENOUGH if size >= LARGE else EXACT,
            },
        )
    return np.asarray(found.x).reshape(start.shape)


def _loss(
    flat: NDArray[np.float64],
    features: Any,
    codes: NDArray[np.int64],
    row_weights: NDArray[np.float64],
    strength: float,
    outputs: int,
) -> tuple[float, NDArray[np.float64]]:
    """The weighted mean log loss of a plane with its quadratic penalty, and the gradient; of two
    classes with one output.

    Source: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2009, sections
    4.4 and 18.3.2.
    """
    from scipy.special import expit

    plane = flat.reshape(-1, outputs)
    weights = plane[:-1].astype(features.dtype)
    logits = features @ weights + plane[-1].astype(features.dtype)
    rows = np.arange(len(codes))
    if outputs == 1:
        sign = 2.0 * codes - 1.0
        margin = sign * logits[:, 0]
        losses = np.logaddexp(0.0, -margin)
        slope = (-sign * expit(-margin))[:, None]
    else:
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[rows, codes].astype(np.float64)
        slope = np.exp(logits)
        sums = slope.sum(axis=1, keepdims=True)
        losses = np.log(sums[:, 0].astype(np.float64)) - chosen
        slope /= sums
        slope[rows, codes] -= 1
    slope = (slope * row_weights[:, None]).astype(features.dtype)
    gradient = np.empty(plane.shape)
    gradient[:-1] = features.T @ slope + weights / strength
    gradient[-1] = slope.sum(axis=0, dtype=np.float64)
    penalty = 0.5 / strength * float(np.square(weights, dtype=np.float64).sum())
    total = float(row_weights.sum())
    return (float(row_weights @ losses) + penalty) / total, gradient.ravel() / total


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


def _scattered(plane: NDArray[np.float64], seen: NDArray[np.int64], classes: int) -> Plane:
    """The outputs of the classes seen among those of all; one never seen gets a very low logit."""
    if plane.shape[1] == 1:
        plane = np.concatenate([-plane / 2, plane / 2], axis=1)
    weights = np.zeros((len(plane) - 1, classes), dtype=np.float32)
    bias = np.full(classes, -30.0)
    weights[:, seen], bias[seen] = plane[:-1], plane[-1]
    return Plane(weights, bias)


def _shares(
    width: int, classes: int, codes: NDArray[np.int64], weights: NDArray[np.float64]
) -> Plane:
    """The share of each class, whatever the features: there is nothing to tell classes apart."""
    shares = np.bincount(codes, weights, minlength=classes) / max(weights.sum(), 1e-12)
    bias = np.log(np.maximum(shares, np.exp(-30.0)))
    return Plane(np.zeros((width, classes), dtype=np.float32), bias)


def ridge_path(
    features: Any,
    target: NDArray[np.float64],
    *,
    strengths: tuple[float, ...],
    clock: Clock,
    row_weights: NDArray[np.float64] | None = None,
) -> Iterator[Plane]:
    """Ridge regression at each inverse strength in turn (the penalty is 1 / strength)."""
    from sklearn.linear_model import Ridge

    if not features.shape[1]:
        yield Plane(
            np.zeros((0, 1), dtype=np.float32), np.array([np.average(target, weights=row_weights)])
        )
        return
    for number, strength in enumerate(strengths):
        if number and clock.is_over():
            return
        solver = "sparse_cg" if hasattr(features, "tocsr") else "auto"
        model = Ridge(alpha=1 / strength, solver=solver, max_iter=300)
        with one_thread():
            model.fit(features, target, sample_weight=row_weights)
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
