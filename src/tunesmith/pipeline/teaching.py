"""A teacher and its students: one model that learns what the models of a fit answer together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError, ConfigError, TunesmithError
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.records import Dataset, Problem, Result, Rows
from tunesmith.core.seeds import generator
from tunesmith.core.space import default, from_dict
from tunesmith.learners import learners
from tunesmith.learners._folded import Folded, open_model, with_own_valid
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.pipeline.after import After
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.soft_labels import joined, labels_as_answers, softened, taught
from tunesmith.pipeline.standing import rank

STUDENTS = (
    *("linear", "lightgbm", "xgboost", "catboost", "forest", "scorecard"),
    *("probe", "neural"),
)
"""The learners that weigh rows, and can thereby learn probabilities."""
ANSWERING_SHARE, STUDENTS_SHARE = 0.5, 0.6
"""Of the time, what the teacher may take to answer the training rows; of what is left then, what
the students may take before the one chosen is fitted to the labels alone."""
TEMPERATURES = (0.1, 100.0)


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
            if learners[name] and name not in STUDENTS:
                raise ConfigError(
                    f"The learner {name!r} cannot learn probabilities: it does not weigh rows. "
                    f"Students are {', '.join(STUDENTS)}."
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
class Student:
    """A learner with a config, what came of it, how good that is on the valid rows, and where it is
    saved."""

    learner: str
    config: Any
    fitted: Fitted
    temperature: float
    value: float = 0.0
    folder: Path | None = None

    @property
    def size_bytes(self) -> int:
        files = self.folder.rglob("*") if self.folder else ()
        return sum(file.stat().st_size for file in files if file.is_file())

    def predict(self, data: Dataset) -> Prediction:
        """Its answers; where it has learned softened ones, at a temperature of one again."""
        return softened(self.fitted.predict(data), 1 / self.temperature)


@dataclass(frozen=True)
class Class:
    """Those who learn, from what, and until when. `judged` is the problem with the rows that a
    student learns from as "train" and those that end its training as "valid", as they are
    labelled; `desk` is a folder for who has come through, `left_out` says why others did not."""

    judged: Problem
    lesson: Lesson
    clock: Clock
    offline: bool
    desk: Path
    left_out: dict[str, str]

    def fit(
        self, name: str, config: Any, problem: Problem, temperature: float, share: float
    ) -> Student | None:
        """Who has learned a problem of answers, in a share of the time left; None where it cannot
        be."""
        limit = share * self.clock.left() if self.clock.has_deadline() else UNLIMITED
        watch = Watch(Clock(limit, self.clock.now), lambda value, progress: True, self.offline)
        try:
            if limit <= 0:
                raise BudgetError("no time was left for it")
            fitted = learners[name].fit(problem, config, problem.seed, watch)
            student = Student(name, config, fitted, temperature)
            answers = student.predict(self.judged.part("valid"))
        except TunesmithError as error:
            self.left_out[name] = str(error)
            return None
        rows = len(self.judged.parts["valid"])
        rate = selection_score(self.judged, problem.seed, likelihood=by_likelihood(rows))
        return replace(student, value=rate(answers))


@dataclass(frozen=True)
class Taught:
    """The student that answers the valid rows best, the same learner fitted to the labels alone
    (None where there was no time), and of how many training rows the teacher's answer was learned,
    of how many in all."""

    judged: Problem
    best: Student
    alone: Student | None
    answered: int
    rows: int
    left_out: dict[str, str]


def usual_students(problem: Problem) -> tuple[str, ...]:
    """Who learns where nobody is named: of texts a linear model on their words, of tables trees as
    well."""
    texts = problem.data.with_columns(problem.inputs).of_kind("text")
    return ("linear",) if texts else ("linear", "lightgbm")


def teach(
    problem: Problem,
    teacher: Teacher,
    results: Sequence[Result],
    lesson: Lesson,
    clock: Clock,
    *,
    offline: bool,
    desk: Path,
) -> Taught:
    """Fit students to what the teacher answers for the training rows, and for unlabelled ones.

    With folds these are its answers out of fold, and a tenth of the rows ends a student's training;
    without them it answers rows that its models have learned. Rows that there is no time to answer
    keep their label. A student takes the config of the best trial of its learner. The one that
    answers the valid rows best is chosen, of those that are smaller than the teacher where any is.

    Args:
        desk: An empty folder, where the students are saved.

    Raises:
        ConfigError: No student can learn this.
        BudgetError: Not in the time.

    Source: Buciluă, Caruana & Niculescu-Mizil, "Model Compression", KDD 2006; Hinton, Vinyals &
    Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    room = Class(_judged(problem), lesson, clock, offline, desk, {})
    rows, temperature = room.judged.parts["train"], lesson.temperature
    answers, count = _answers(problem, rows, teacher, clock)
    soft = _problem(room, answers, teacher, lesson.unlabelled)
    found: list[Student] = []
    names = lesson.students or usual_students(problem)
    for place, name in enumerate(names):
        why = learners[name].suits(problem)
        if why:
            room.left_out[name] = why
            continue
        share = STUDENTS_SHARE / (len(names) - place)
        student = room.fit(name, _config(name, problem, results), soft, temperature, share)
        found += [_saved(student, desk / name)] if student else []
    if not found:
        told = "; ".join(f"{name}: {why}" for name, why in room.left_out.items())
        error = BudgetError if clock.is_over() else ConfigError
        raise error(f"Nothing was distilled: {told.rstrip('.')}.")
    small = [student for student in found if student.size_bytes < teacher.size_bytes]
    best, left_out = max(small or found, key=lambda one: one.value), dict(room.left_out)
    labels = _problem(room, labels_as_answers(problem, rows), teacher, None)
    alone = room.fit(best.learner, best.config, labels, 1.0, 1.0)
    return Taught(room.judged, best, alone, count, len(rows), left_out)


def _saved(student: Student, folder: Path) -> Student:
    folder.mkdir()
    student.fitted.save(folder)
    return replace(student, folder=folder)


def _judged(problem: Problem) -> Problem:
    """The problem with the rows that one model learns from, and those that end its training."""
    if not problem.folds:
        return problem
    return with_own_valid(replace(problem, folds=()), 0)


def _config(name: str, problem: Problem, results: Sequence[Result]) -> Any:
    """That of the best trial of the learner, or its default, on the smallest checkpoint that a
    trial has opened."""
    kind, ranked = learners[name].config, rank(problem, results)
    tried = [result for result in ranked if result.trial.learner == name]
    if tried:
        return from_dict(kind, tried[0].trial.config)
    opened = [result for result in ranked if result.trial.config.get("backbone")]
    if not opened or "backbone" not in kind.__dataclass_fields__:
        return default(kind, {})
    smallest = min(opened, key=lambda result: result.size_bytes)
    return default(kind, {"backbone": str(smallest.trial.config["backbone"])})


def _problem(room: Class, answers: Prediction, teacher: Teacher, more: Dataset | None) -> Problem:
    """What is to be learned: the answers to the training rows, and the teacher's to more rows."""
    problem, temperature = room.judged, room.lesson.temperature
    rows = problem.parts["train"]
    data, weights = problem.data.take(rows), problem.weight("train")
    if more is not None:
        data = joined([data.with_columns(more.names), more])
        both = np.concatenate([answers.array(), teacher.predict(more).array()])
        answers = answers.with_array(both)
        weights = None if weights is None else np.concatenate([weights, np.ones(len(more))])
    return taught(problem, data, softened(answers, temperature), weights, problem.parts["valid"])


def _answers(
    problem: Problem, rows: Rows, teacher: Teacher, clock: Clock
) -> tuple[Prediction, int]:
    """What the teacher answers for some rows of the data, and for how many there was time."""
    if problem.folds:
        return teacher.unseen.take(np.searchsorted(problem.parts["valid"], rows)), len(rows)
    count = len(rows)
    if clock.has_deadline() and teacher.row_seconds:
        most = ANSWERING_SHARE * clock.left() / teacher.row_seconds
        count = int(np.clip(most, 0, count))
    found = labels_as_answers(problem, rows)
    if not count:
        return found, 0
    drawn = np.sort(generator(problem.seed, "distilled rows").permutation(len(rows))[:count])
    array = found.array().copy()
    array[drawn] = teacher.predict(problem.data.take(rows[drawn])).array()
    return found.with_array(array), count
