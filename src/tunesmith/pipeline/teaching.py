"""Students: each one model that learns what the models of a fit answer together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.core.architecture import Measured
from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError, ConfigError, TunesmithError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Problem, Result
from tunesmith.core.space import default, from_dict
from tunesmith.learners import learners
from tunesmith.learners._folded import with_own_valid
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.pipeline import architectures
from tunesmith.pipeline.halving import LEARNER, SMALLER, halved
from tunesmith.pipeline.soft_labels import softened
from tunesmith.pipeline.standing import rank
from tunesmith.pipeline.teacher import Lesson, Lessons, Teacher, labels_alone, lessons

STUDENTS_SHARE = 0.6
"""Of the time left once the teacher has answered, what the students may take before the one chosen
is fitted to the labels alone."""


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
    fit_seconds: float = 0.0

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
    labelled; `left_out` says why who did not come through."""

    judged: Problem
    clock: Clock
    offline: bool
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
            began = self.clock.now()
            fitted = learners[name].fit(problem, config, problem.seed, watch)
            took = self.clock.now() - began
            student = Student(name, config, fitted, temperature, fit_seconds=took)
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
    (None where there was no time), and what was learned."""

    judged: Problem
    best: Student
    alone: Student | None
    lessons: Lessons
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

    With folds a tenth of the rows ends a student's training. A student takes the config of the best
    trial of its learner. The one that answers the valid rows best is chosen, of those that are
    smaller than the teacher where any is.

    Args:
        desk: An empty folder, where the students are saved.

    Raises:
        ConfigError: No student can learn this.
        BudgetError: Not in the time.
    """
    judged = _judged(problem)
    room = Class(judged, clock, offline, {})
    given, temperature = lessons(problem, judged, teacher, lesson, clock), lesson.temperature
    found: list[Student] = []
    names = lesson.students or usual_students(problem)
    for place, name in enumerate(names):
        learner = LEARNER if name == SMALLER else name
        why = learners[learner].suits(problem)
        try:
            config = None if why else _config(name, problem, results)
        except ConfigError as reason:
            why = str(reason)
        if why:
            room.left_out[name] = why
            continue
        share = STUDENTS_SHARE / (len(names) - place)
        student = room.fit(learner, config, given.problem, temperature, share)
        found += [_saved(student, desk / name)] if student else []
    if not found:
        told = "; ".join(f"{name}: {why}" for name, why in room.left_out.items())
        error = BudgetError if clock.is_over() else ConfigError
        raise error(f"Nothing was distilled: {told.rstrip('.')}.")
    small = [student for student in found if student.size_bytes < teacher.size_bytes]
    best, left_out = max(small or found, key=lambda one: one.value), dict(room.left_out)
    alone = room.fit(best.learner, best.config, labels_alone(judged), 1.0, 1.0)
    return Taught(judged, best, alone, given, left_out)


def _saved(student: Student, folder: Path) -> Student:
    folder.mkdir()
    student.fitted.save(folder)
    architectures.write(folder, student.fitted, Measured())
    return replace(student, folder=folder)


def _judged(problem: Problem) -> Problem:
    """The problem with the rows that one model learns from, and those that end its training."""
    if not problem.folds:
        return problem
    return with_own_valid(replace(problem, folds=()), 0)


def _config(name: str, problem: Problem, results: Sequence[Result]) -> Any:
    """That of the best trial of the learner, or its default, on the smallest checkpoint that a
    trial has opened; of a smaller network that of the best one, halved.

    Raises:
        ConfigError: There is no network to be halved.
    """
    if name == SMALLER:
        return halved(problem, results)
    kind, ranked = learners[name].config, rank(problem, results)
    tried = [result for result in ranked if result.trial.learner == name]
    if tried:
        return from_dict(kind, tried[0].trial.config)
    opened = [result for result in ranked if result.trial.config.get("backbone")]
    if not opened or "backbone" not in kind.__dataclass_fields__:
        return default(kind, {})
    smallest = min(opened, key=lambda result: result.size_bytes)
    return default(kind, {"backbone": str(smallest.trial.config["backbone"])})
