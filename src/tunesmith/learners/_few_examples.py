"""A linear model from few examples: how features are scaled, and how strongly it is held back, by
what every row is answered by models that have not seen it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem, Rows

STRENGTHS = (0.01, 0.1, 1.0)
"""Inverse strengths that are compared: of a few rows more of them differ by luck alone."""
USUAL = 1.0
"""Where nothing can be compared. On one row a class the answers hardly hang on it: from 0.03 to 1.0
two sets of texts and one of pictures gain 0 to 0.7 points."""
SHARED_ROWS = 2.0
"""Rows that the spread of a feature is held to have been seen on beforehand, with the mean spread
of all: what a few rows tell of a single one is mostly luck. With one row of each of ten kinds of
clothes a linear model on EfficientNet-Lite 0 answers 0.48 of the others rightly, with own spreads
alone 0.36; with four 0.67 instead of 0.60, with sixteen 0.77 instead of 0.76."""
FLOOR = 1e-6

Answered = Callable[[Rows, Rows, Sequence[float]], list[ClassScores]]
"""Places of rows to learn from and to answer, and strengths → the answers by each strength."""


def shared_scale(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to divide each feature by, shape (width,): its spread drawn to that of all of them, the
    more the fewer rows there are. `features` of shape (rows, width)."""
    rows, spread = len(features), features.var(axis=0, dtype=np.float64)
    shared = (rows * spread + SHARED_ROWS * spread.mean()) / (rows + SHARED_ROWS)
    return np.asarray(np.sqrt(np.maximum(shared, FLOOR**2)), dtype=np.float32)


def compared(
    problem: Problem, answered: Answered, strengths: Sequence[float], clock: Clock
) -> tuple[float, ClassScores]:
    """The strength by which rows are likeliest where no model has seen them, and the mean of what
    is answered for each valid row in the draws. Those answers are by the strength that the rows of
    the other folds choose: the row itself chose nothing. Once the clock is over, fewer draws do.

    Raises:
        BudgetError: The clock leaves no time for every row to be answered once.
    """
    train, valid = problem.parts["train"], problem.parts["valid"]
    truth = problem.truth("valid")
    shape = (len(strengths), len(valid), len(problem.classes))
    total, times = np.zeros(shape), np.zeros(len(valid))
    parts: list[tuple[Rows, NDArray[np.float64]]] = []
    for teach, ask in problem.folds:
        if clock.is_over():
            if times.all():
                break
            raise BudgetError(f"{len(parts)} of {len(problem.folds)} folds were fitted in the time")
        places = np.searchsorted(valid, ask)
        found = answered(np.searchsorted(train, teach), np.searchsorted(train, ask), strengths)
        arrays = np.stack([one.array() for one in found])
        total[:, places] += arrays
        times[places] += 1
        parts.append((places, arrays))
    likely = (total / times[:, None])[:, np.arange(len(valid)), truth]
    own = problem.weight("valid")
    losses = -np.log(np.maximum(likely, FLOOR)) * (1.0 if own is None else own)
    sums = losses.sum(axis=1)
    mean = np.zeros(shape[1:])
    for places, arrays in parts:
        outside = sums - losses[:, places].sum(axis=1)
        mean[places] += arrays[int(outside.argmin())]
    return strengths[int(sums.argmin())], ClassScores(problem.classes, mean / times[:, None])
