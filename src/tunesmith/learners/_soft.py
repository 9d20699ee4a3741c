"""Rows that stand there once for each class, as those do that are taught by probabilities, as one
row each with the share of every class: the same loss, in a third of the steps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Problem

Shares = NDArray[np.float32]
"""Of each training row the share of every class, (rows, classes)."""


def merged(problem: Problem) -> tuple[Problem, Shares | None]:
    """The problem with rows that follow each other and have the same inputs as one, of the label
    that counts most, and the shares of all; itself, and None, where there are no such rows."""
    rows = problem.parts["train"]
    if problem.weights is None or not problem.classes or problem.several or len(rows) < 2:
        return problem, None
    begins = np.ones(len(rows), dtype=np.bool_)
    begins[1:] = problem.data.lines[rows[1:]] != problem.data.lines[rows[:-1]]
    for name in problem.inputs:
        cells = problem.data.values(name)[rows]
        begins[1:] |= [_differ(one, other) for one, other in itertools.pairwise(cells)]
    if begins.all():
        return problem, None
    place = np.cumsum(begins) - 1
    counts = problem.weights[rows]
    shares = np.zeros((place[-1] + 1, len(problem.classes)))
    np.add.at(shares, (place, problem.truth("train")), counts)
    whole = shares.sum(axis=1)
    order = np.lexsort((counts, place))
    last = order[np.append(np.flatnonzero(np.diff(place[order])), len(order) - 1)]
    weights = problem.weights.copy()
    weights[rows[last]] = whole / whole.mean()
    kept = replace(problem, parts={**problem.parts, "train": rows[last]}, weights=weights)
    sums = np.where(whole > 0, whole, 1.0)  # rows that count nothing have no shares
    return kept, np.asarray(shares / sums[:, None], dtype=np.float32)


def _differ(one: Any, other: Any) -> bool:
    """What is no number is not even itself."""
    return bool(one != other) and not (one != one and other != other)
