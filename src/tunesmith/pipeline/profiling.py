"""What the rows of a fit looked like, kept in the artifact so that new rows can be compared with
them anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import BudgetError, DataError
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json
from tunesmith.core.seeds import generator
from tunesmith.evaluate.feature_sample import FeatureSample
from tunesmith.evaluate.profile import MOST_PICTURES, Profile
from tunesmith.evaluate.properties import VALUE, Property
from tunesmith.learners._sight import Sight, sight_of
from tunesmith.pipeline.artifact import PROFILE, Model, Profiler
from tunesmith.pipeline.run import Run

T = TypeVar("T")

BASE_SECONDS, TEXT_SECONDS, PICTURE_SECONDS = 0.5, 1.0, 0.01
"""What it takes at most: always, with texts, and for each picture that is opened."""
SEEN_ROWS = 300
"""Rows of which it is kept how the model's own encoder sees them."""
SEEN_SECONDS = 5.0
"""Time that must be left for that."""


def profiler(run: Run, problem: Problem) -> Profiler:
    """What makes the profile of a fit's rows for a model of it, as a file holds it. There is none
    where there is no time for it, and for outer folds, whose models are not kept. Whatever goes
    wrong, the model is saved."""

    @cache
    def of_rows() -> Profile | None:
        return _guarded(run, lambda: _of_rows(run, problem))

    def of_model(model: Model) -> bytes | None:
        profile = of_rows()
        if profile is None:
            return None
        features = _guarded(run, lambda: _features(run, problem, model))
        return replace(profile, features=features).written()

    return of_model


def _guarded(run: Run, make: Callable[[], T | None]) -> T | None:
    try:
        return make()
    except KeyboardInterrupt:
        run.note("interrupted: no profile of the rows is kept; the model is saved")
    except Exception as error:  # the model is saved, whatever went wrong
        run.note(f"no profile of the rows could be made: {type(error).__name__}: {error}")
    return None


def _of_rows(run: Run, problem: Problem) -> Profile | None:
    if run.is_outer:
        return None
    if _left(run) < _seconds(problem):
        run.note("no profile of the rows is kept, for want of time: `check` cannot tell drift")
        return None
    data = problem.data.take(problem.rows)
    columns = [data.column(name) for name in problem.inputs]
    return Profile.of(data, columns, _labels(problem, data), seed=problem.seed)


def _labels(problem: Problem, data: Dataset) -> Property | None:
    """The labels as the model knows them; None of several a row."""
    if problem.several:
        return None
    truth = problem.encode(data.values(problem.target))
    if not problem.classes:
        return Property(problem.target, VALUE, truth)
    return Property(problem.target, VALUE, named(truth, problem.classes))


def named(codes: NDArray[np.int64], classes: Sequence[str]) -> NDArray[Any]:
    """Class codes as labels, None for -1."""
    return np.array([*classes, None], dtype=object)[codes]


def _features(run: Run, problem: Problem, model: Model) -> FeatureSample | None:
    sight = sight_in(model)
    if sight is None or _left(run) < SEEN_SECONDS:
        return None
    order = generator(problem.seed, "seen").permutation(len(problem.rows))[:SEEN_ROWS]
    data = problem.data.take(problem.rows[np.sort(order)]).with_columns(problem.inputs)
    features = sight.features(data, lambda done: _stop_late(run))
    return FeatureSample.of(features[~np.isnan(features).any(axis=1)])


def sight_in(model: Model) -> Sight | None:
    """The first encoder inside a model."""
    return next((s for fitted, _ in model.members if (s := sight_of(fitted)) is not None), None)


def _stop_late(run: Run) -> None:
    if _left(run) <= 0:
        raise BudgetError("there is no time to read more rows")


def _left(run: Run) -> float:
    return run.clock.left() - run.reserve_seconds() if run.clock.has_deadline() else float("inf")


def _seconds(problem: Problem) -> float:
    given = problem.data.with_columns(problem.inputs)
    found = BASE_SECONDS + TEXT_SECONDS * bool(given.of_kind("text"))
    rows = min(len(problem.rows), MOST_PICTURES)
    return found + PICTURE_SECONDS * rows * len(given.of_kind("image"))


def read_profile(folder: Path) -> Profile:
    """The profile that an artifact holds.

    Raises:
        DataError: It holds none, or not one that can be read here.
    """
    file = folder / PROFILE
    if not file.is_file():
        raise DataError(
            f"{folder} does not remember what its training rows looked like: it was saved by an "
            "older version, or there was no time for it. Fit again, with more time, to check new "
            "rows against them."
        )
    try:
        return Profile.restore(read_json(file))
    except ValueError as error:
        raise DataError(
            f"{file} is no profile that this version of tunesmith reads ({error}). Fit again, or "
            "install the version that wrote it."
        ) from error
