"""Models of one config, each fitted to all folds but one: fitted, saved and opened as one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.records import Dataset, Part, Problem, Rows
from tunesmith.data.folds import folds, repeats
from tunesmith.learners import learners
from tunesmith.tasks import tasks

FOLD = "fold-"
DISTINCT = 0.5
"""Share of the rows that must have inputs of their own for equal rows to be no accident."""
FIRST_COSTS = 1.3
"""Of an even share, what the first fold may take: it loads libraries as well."""


@dataclass(frozen=True)
class Folded(Fitted):
    """They answer by their mean."""

    models: tuple[Fitted, ...]

    def predict(self, data: Dataset) -> Prediction:
        return mix([one.predict(data) for one in self.models], [1.0] * len(self.models))

    def save(self, folder: Path) -> None:
        for number, one in enumerate(self.models):
            place = folder / f"{FOLD}{number}"
            place.mkdir()
            one.save(place)


def open_model(learner: str, folder: Path) -> Fitted:
    """The model that a trial saved: one, or that of every fold."""
    count = sum(1 for place in folder.glob(f"{FOLD}[0-9]*") if place.is_dir())
    if not count:
        return learners[learner].load(folder)
    return Folded(
        tuple(learners[learner].load(folder / f"{FOLD}{number}") for number in range(count))
    )


def fit_whole(
    learner: Learner[Any], problem: Problem, config: Any, seed: int, watch: Watch
) -> tuple[Fitted, Prediction | None]:
    """The model of a config. With folds one of each, and what they answer for the valid rows that
    they have not seen; where a row is valid in several draws, the mean.

    Raises:
        BudgetError: Not all folds would be fitted within the clock's time.
    """
    if not problem.folds:
        return learner.fit(problem, config, seed, watch), None
    models, answers, began = [], [], watch.clock.elapsed()
    count = len(problem.folds)
    for number in range(count):
        took = watch.clock.elapsed() - began
        if number and watch.clock.has_deadline() and took / number > watch.clock.left():
            raise BudgetError(
                f"{number} of {count} folds took {took:.0f} s, {watch.clock.left():.0f} s are left"
            )
        part = problem.fold(number)
        own = replace(watch, clock=_share(watch.clock, count - number), checkpoint=None)
        own = replace(own, report=_silent, tell=watch.tell if not number else _unheard)
        models.append(learner.fit(part, config, seed, own))
        answers.append(models[-1].predict(part.part("valid")))
    return Folded(tuple(models)), _joined(problem, answers)


def _silent(score: float, progress: float) -> bool:
    return True


def _unheard(about: str, text: str) -> None:
    return


def _share(clock: Clock, count: int) -> Clock:
    """What one of so many folds may take of the time left."""
    if not clock.has_deadline() or count == 1:
        return clock
    return Clock(clock.left() / count * FIRST_COSTS, clock.now)


def _joined(problem: Problem, answers: list[Prediction]) -> Prediction:
    """The mean of what was answered for each valid row, in their order."""
    rows = problem.parts["valid"]
    total = np.zeros((len(rows), *answers[0].array().shape[1:]))
    times = np.zeros(len(rows))
    for (_, valid), answer in zip(problem.folds, answers, strict=True):
        places = np.searchsorted(rows, valid)
        total[places] += answer.array()
        times[places] += 1
    return answers[0].with_array((total.T / times).T)


def crossed(
    problem: Problem,
    *,
    count: int,
    groups: np.ndarray[Any, Any] | None = None,
    rows: Rows | None = None,
) -> Problem:
    """The problem with so many folds of its train and valid rows, or of these `rows`. Rows with
    equal inputs stay in one fold, and so do those of a group (codes of all rows of the data)."""
    every = np.union1d(problem.parts["train"], problem.parts["valid"]) if rows is None else rows
    together = [_equal_inputs(problem, every)]
    if groups is not None:
        together.append(groups[every])
    found = folds(
        every,
        strata=tasks[problem.task].strata(problem.data.values(problem.target)[every]),
        groups=together,
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


def _equal_inputs(problem: Problem, rows: Rows) -> np.ndarray[Any, Any]:
    """A code for each row; those whose inputs are equal share it. Where most rows have an equal
    they are alike by accident, and each has its own."""
    import pandas as pd

    inputs = problem.data.with_columns(problem.inputs)
    table = pd.DataFrame({name: inputs.cells[name][rows] for name in problem.inputs})
    codes = np.asarray(table.groupby([*table.columns], dropna=False, sort=False).ngroup())
    return codes if codes.max() >= len(rows) * DISTINCT else np.arange(len(rows))
