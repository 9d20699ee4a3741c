"""Planes over what a frozen encoder makes of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.records import Problem
from tunesmith.learners._answers import target_scale
from tunesmith.learners._regularised import (
    Plane,
    logistic_path,
    logistic_paths,
    ridge_path,
    unscaled,
)

FEW_ITERATIONS = 50
"""Up to which features are taken as they are."""


def planes_on(
    problem: Problem,
    strengths: Sequence[float],
    clock: Clock,
    rows: NDArray[np.int64],
    seen: NDArray[np.float32],
    dense: NDArray[np.float32],
    *,
    balanced: bool,
    most_iterations: int = 200,
) -> Any:
    """Planes over standardised features and dense inputs, along the path of strengths; of classes
    after so many iterations at most."""
    turned = most_iterations > FEW_ITERATIONS
    both = np.concatenate([seen, dense], axis=1)
    truth, weights = problem.truth("train")[rows], problem.weight("train")
    weights = None if weights is None else weights[rows]
    if problem.several:
        return logistic_paths(
            both,
            truth,
            strengths=tuple(strengths),
            clock=clock,
            balanced=balanced,
            most_iterations=most_iterations,
            row_weights=weights,
            turned=turned,
        )
    if problem.classes:
        return logistic_path(
            both,
            truth,
            len(problem.classes),
            strengths=tuple(strengths),
            clock=clock,
            balanced=balanced,
            most_iterations=most_iterations,
            row_weights=weights,
            turned=turned,
        )
    mean, scale = target_scale(problem)
    return ridge_path(
        both,
        (truth - mean) / scale,
        strengths=tuple(strengths),
        clock=clock,
        row_weights=weights,
    )


def as_they_are(plane: Plane, scale: NDArray[np.float32], problem: Problem) -> Plane:
    """The plane for features as they are, and a target in its own units."""
    weights = plane.weights.copy()
    weights[: len(scale)] /= scale[:, None]
    return unscaled(Plane(weights, plane.bias), *target_scale(problem))
