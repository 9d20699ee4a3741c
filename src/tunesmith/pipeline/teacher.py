"""A teacher, and what it gives to learn: its answers to the training rows, and to more."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.records import Dataset, Problem, Rows
from tunesmith.core.seeds import generator
from tunesmith.learners import learners
from tunesmith.learners._folded import Folded, open_model
from tunesmith.pipeline.after import After
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.halving import SMALLER
from tunesmith.pipeline.soft_labels import (
    columns_of,
    joined,
    labels_as_answers,
    softened,
    taught,
)

STUDENTS = (
    *("linear", "lightgbm", "xgboost", "catboost", "forest", "scorecard"),
    *("probe", "neural"),
)
"""The learners that weigh rows, and can thereby learn probabilities."""
TEMPERATURES = (0.1, 100.0)
ANSWERING_SHARE = 0.5
"""Of the time, what the teacher may take to answer rows."""
HALF = 0.5
"""What the answer counts beside the label of a training row. Answers out of fold alone leave out
what the label tells, and answers to rows that a model has learned tell little else."""
MADE, MOST_MADE, SWAPPED = 2, 100_000, 0.2
"""Rows that are made of each training row, the most of all, and the share of their cells that are
those of another row."""


@dataclass(frozen=True)
class Lesson:
    """What is asked of a distillation: who learns (nobody named: the usual ones), how far
    probabilities are softened, and rows without labels to learn from as well."""

    students: tuple[str, ...] = ()
    temperature: float = 1.0
    unlabelled: Dataset | None = None

    def check(self) -> None:
        """Raises:
        ConfigError: A student cannot learn probabilities, or the temperature is out of bounds.
        """
        for name in self.students:
            if name == SMALLER:
                continue
            if learners[name] and name not in STUDENTS:
                raise ConfigError(
                    f"The learner {name!r} cannot learn probabilities: it does not weigh rows. "
                    f"Students are {', '.join(STUDENTS)} and {SMALLER}."
                )
        low, high = TEMPERATURES
        if not low <= self.temperature <= high:
            raise ConfigError(
                f"A temperature lies between {low:g} and {high:g}, not at {self.temperature!r}."
            )


@dataclass(frozen=True)
class Teacher:
    """The models of a fit as they were scored, before any was fitted again to all rows."""

    models: tuple[tuple[Fitted, float], ...]
    after: After
    unseen: Prediction
    """What they answered for the valid rows, out of fold where there are folds."""
    size_bytes: int
    row_seconds: float
    tested: Prediction | None = None
    """What they answered for the test rows, where that is known."""

    @staticmethod
    def of(chosen: Blend, after: After, tested: Prediction | None = None) -> Teacher:
        """The members of a blend, opened from where their trials saved them."""
        opened = (open_model(r.trial.learner, Path(r.folder)) for r in chosen.results)
        return Teacher(
            tuple(zip(opened, chosen.weights, strict=True)),
            after,
            after.apply(chosen.prediction),
            sum(result.size_bytes for result in chosen.results),
            sum(result.predict_seconds for result in chosen.results),
            tested,
        )

    @property
    def count(self) -> int:
        """How many models it is made of, those of all folds."""
        return sum(len(m.models) if isinstance(m, Folded) else 1 for m, _ in self.models)

    def predict(self, data: Dataset) -> Prediction:
        answers = [model.predict(data) for model, _ in self.models]
        return self.after.apply(mix(answers, [weight for _, weight in self.models]))


@dataclass(frozen=True)
class Lessons:
    """What is to be learned, and from how many rows: labelled ones with the teacher's answers,
    those of the user's without labels, and made ones."""

    problem: Problem
    answered: int
    unlabelled: int
    made: int


def lessons(
    problem: Problem, judged: Problem, teacher: Teacher, lesson: Lesson, clock: Clock
) -> Lessons:
    """The rows to learn from, with what is to be answered.

    A training row is taught the mean of its label and of the teacher's answer; with folds that is
    the one out of fold. Unlabelled rows, and without texts made ones, are taught the answer. Rows
    that there is no time to answer keep their label, or are left out.

    Args:
        judged: The problem with the rows that a student learns from as its train part, and those
            that end its training as its valid part.

    Source: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, for the
    mean with the labels; Buciluă, Caruana & Niculescu-Mizil, "Model Compression", KDD 2006, for
    made rows (theirs take cells of the nearest row, these of any).
    """
    rows, names = judged.parts["train"], columns_of(problem)
    data = problem.data.take(rows).with_columns(names)
    most = _affordable(teacher, clock)
    answers = labels_as_answers(problem, rows)
    dice = generator(problem.seed, "distilled rows")
    drawn = np.arange(len(rows))
    if not problem.folds:
        drawn = np.sort(dice.permutation(len(rows))[:most])
        most -= len(drawn)
    array = answers.array().copy()
    if len(drawn):
        told = _to_training(problem, judged, teacher, drawn)
        array[drawn] = HALF * array[drawn] + (1 - HALF) * told.array()
    more = [] if lesson.unlabelled is None else [lesson.unlabelled.with_columns(names)]
    texts = problem.data.with_columns(problem.inputs).of_kind("text")
    count = 0 if texts else min(MADE * len(rows), MOST_MADE, most)
    more += [made_of(data, count, dice)] if count else []
    given = [array, *(teacher.predict(one).array() for one in more)]
    answers = softened(answers.with_array(np.concatenate(given)), lesson.temperature)
    weights = _weights(judged, sum(map(len, more)))
    soft = taught(judged, joined([data, *more]), answers, weights, judged.parts["valid"])
    unlabelled = 0 if lesson.unlabelled is None else len(lesson.unlabelled)
    return Lessons(soft, len(drawn), unlabelled, count)


def labels_alone(judged: Problem) -> Problem:
    """The same training rows with their labels."""
    rows = judged.parts["train"]
    answers, weights = labels_as_answers(judged, rows), judged.weight("train")
    return taught(judged, judged.data.take(rows), answers, weights, judged.parts["valid"])


def made_of(data: Dataset, count: int, dice: np.random.Generator) -> Dataset:
    """Rows of which each is one of the data's, with some of its cells taken from other rows."""
    base = dice.integers(0, len(data), count)
    cells = {}
    for name in data.names:
        other = dice.integers(0, len(data), count)
        cells[name] = data.cells[name][np.where(dice.random(count) < SWAPPED, other, base)]
    return replace(data.take(base), cells=cells)


def _affordable(teacher: Teacher, clock: Clock) -> int:
    """How many rows there is time to answer."""
    if not clock.has_deadline() or not teacher.row_seconds:
        return sys.maxsize
    return int(ANSWERING_SHARE * clock.left() / teacher.row_seconds)


def _to_training(problem: Problem, judged: Problem, teacher: Teacher, places: Rows) -> Prediction:
    """What the teacher answers for training rows, by their places among them."""
    rows = judged.parts["train"][places]
    if problem.folds:
        return teacher.unseen.take(np.searchsorted(problem.parts["valid"], rows))
    return teacher.predict(problem.data.take(rows))


def _weights(judged: Problem, more: int) -> NDArray[np.float64] | None:
    weights = judged.weight("train")
    return None if weights is None else np.concatenate([weights, np.ones(more)])
