"""Which folds a problem has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Part, Problem, Rows
from tunesmith.data.folds import folds, repeats
from tunesmith.tasks import tasks

DISTINCT = 0.5
"""Share of the rows that must have inputs of their own for equal rows to be no accident."""


def crossed(
    problem: Problem,
    *,
    count: int,
    rows: Rows | None = None,
) -> Problem:
    """The problem with so many folds of its train and valid rows, or of these `rows`. Rows with
    equal inputs stay in one fold, and so do those of a group."""
    every = np.union1d(problem.parts["train"], problem.parts["valid"]) if rows is None else rows
    found = folds(
        every,
        strata=tasks[problem.task].strata(problem.data.values(problem.target)[every]),
        groups=together(problem, every),
        count=count,
        times=repeats(len(every)),
        seed=problem.seed,
    )
    parts: dict[Part, Rows] = {**problem.parts, "train": every, "valid": every}
    return replace(problem, parts=parts, folds=found)


def fold_count(problem: Problem) -> int:
    """How many folds a draw has."""
    first = problem.parts["valid"][0]
    draws = sum(first in valid for _, valid in problem.folds)
    return len(problem.folds) // max(1, draws)


def together(problem: Problem, rows: Rows) -> list[NDArray[Any]]:
    """Codes of these rows; those that are equal in any of them belong in one fold."""
    equal = _equal_inputs(problem, rows)
    return [equal] if problem.groups is None else [equal, problem.groups[rows]]


def _equal_inputs(problem: Problem, rows: Rows) -> NDArray[Any]:
    """A code for each row; those whose inputs are equal share it. Where most rows have an equal
    they are alike by accident, and each has its own."""
    import pandas as pd

    inputs = problem.data.with_columns(problem.inputs)
    table = pd.DataFrame({name: inputs.cells[name][rows] for name in problem.inputs})
    codes = np.asarray(table.groupby([*table.columns], dropna=False, sort=False).ngroup())
    return codes if codes.max() >= len(rows) * DISTINCT else np.arange(len(rows))
