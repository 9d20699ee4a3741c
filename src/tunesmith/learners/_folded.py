"""Models of one config, each fitted to all folds but one, or to most of all rows: fitted, saved and
opened as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import Architecture
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.explaining import Heats
from tunesmith.core.heats import mixed
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.records import Dataset, Part, Problem, Rows
from tunesmith.core.seeds import derive
from tunesmith.core.trees import Grove
from tunesmith.data.folds import ends_training
from tunesmith.learners._beside import Pace, in_threads, most_threads
from tunesmith.learners._per_label import fit_labels, is_per_label, middle, open_labels
from tunesmith.learners._shelf import learners
from tunesmith.tasks import tasks

FOLD = "fold-"
INNER = 10
"""Of a fold's training rows, one in so many selects."""


@dataclass(frozen=True)
class Folded(Fitted):
    """They answer by their mean."""

    models: tuple[Fitted, ...]

    def predict(self, data: Dataset) -> Prediction:
        return mix([one.predict(data) for one in self.models], [1.0] * len(self.models))

    def seen(self, data: Dataset) -> NDArray[np.floating[Any]] | None:
        return self.models[0].seen(data)

    def architecture(self) -> Architecture | None:
        return self.models[0].architecture()

    @property
    def is_of_trees(self) -> bool:
        return all(one.is_of_trees for one in self.models)

    def groves(self, data: Dataset, output: int) -> Sequence[tuple[Grove, float]]:
        inside = [pair for one in self.models for pair in one.groves(data, output)]
        return [(grove, share / len(self.models)) for grove, share in inside]

    def heat_methods(self) -> frozenset[str]:
        return frozenset().union(*(one.heat_methods() for one in self.models))

    def heat_packages(self, method: str) -> frozenset[str]:
        return frozenset().union(*(one.heat_packages(method) for one in self.models))

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        clock, count = clock or Clock(), len(self.models)
        found = [
            one.heats(data, output, method, clock.share(count - place))
            for place, one in enumerate(self.models)
        ]
        return mixed(found, [1.0] * len(self.models))

    def redrawn(self, seed: int) -> Folded | None:
        found = [one.redrawn(derive(seed, n)) for n, one in enumerate(self.models)]
        drawn = tuple(one for one in found if one is not None)
        return Folded(drawn) if drawn else None

    def save(self, folder: Path) -> None:
        for number, one in enumerate(self.models):
            place = folder / f"{FOLD}{number}"
            place.mkdir()
            one.save(place)


def fold_folders(folder: Path) -> tuple[Path, ...]:
    """Where a trial saved the model of every fold, in order; empty where it saved one model."""
    count = sum(1 for place in folder.glob(f"{FOLD}[0-9]*") if place.is_dir())
    return tuple(folder / f"{FOLD}{number}" for number in range(count))


def open_model(learner: str, folder: Path) -> Fitted:
    """The model that a trial saved: one, or that of every fold."""
    places = fold_folders(folder)
    if not places:
        return _open_one(learner, folder)
    return Folded(tuple(_open_one(learner, place) for place in places))


def _open_one(learner: str, folder: Path) -> Fitted:
    """A model, or one of each label."""
    if is_per_label(folder):
        return open_labels(folder, learners[learner].load)
    return learners[learner].load(folder)


def settled(model: Fitted) -> dict[str, Any]:
    """What selection settled; of folds the middle of what each of them settled."""
    if not isinstance(model, Folded):
        return dict(model.settled())
    return middle([dict(one.settled()) for one in model.models])


def fit_whole(
    learner: Learner[Any], problem: Problem, config: Any, seed: int, watch: Watch
) -> tuple[Fitted, Prediction | None]:
    """The model of a config. With folds one of each, and what they answer for the valid rows that
    they have not seen; where a row is valid in several draws, the mean.

    Raises:
        BudgetError: Not all folds would be fitted within the clock's time.
    """
    if problem.is_few and learner.fits_few:
        return learner.fit_few(problem, config, seed, watch)
    if not problem.folds:
        return fit_labels(learner, problem, config, seed, watch), None
    count, beside = len(problem.folds), beside_in_folds(learner, problem)
    pace = Pace(watch.clock, count, beside, ends_in_time=learner.ends_in_time)

    def one(number: int) -> tuple[Fitted, Prediction]:
        part = problem.fold(number)
        own = replace(watch, clock=pace.clock(number), checkpoint=None, report=_silent)
        own = replace(own, tell=watch.tell if not number else _unheard)
        inner = _all_select(part) if problem.is_few else with_own_valid(part, number)
        model = fit_labels(learner, inner, config, seed, own)
        return model, model.predict(part.part("valid"))

    found = in_threads(one, range(count), beside, pace.halt)
    return Folded(tuple(model for model, _ in found)), joined(problem, [a for _, a in found])


def beside_in_folds(learner: Learner[Any], problem: Problem) -> int:
    """How many models of the folds of a problem are fitted side by side; 1 without folds."""
    is_read = bool(problem.data.with_columns(problem.inputs).of_kind("text", "image"))
    if not problem.folds or not learner.fits_beside or is_read:
        return 1
    return min(len(problem.folds), most_threads())


def fit_again(
    learner: Learner[Any],
    problem: Problem,
    config: Any,
    rows: Sequence[Rows],
    seed: int,
    watch: Watch,
    *,
    beside: int = 1,
) -> Fitted:
    """Models of a config whose selection is settled, one for each of these training rows, so many
    fitted side by side.

    Raises:
        BudgetError: Not all of them would be fitted within the clock's time.
    """
    pace = Pace(watch.clock, len(rows), beside, ends_in_time=learner.ends_in_time)

    def one(number: int) -> Fitted:
        parts: dict[Part, Rows] = {**problem.parts, "train": rows[number]}
        own = replace(watch, clock=pace.clock(number))
        own = own if not number else replace(own, tell=_unheard)
        part = replace(problem, folds=(), parts=parts)
        return fit_labels(
            learner, part, config, derive(seed, "again", number) if number else seed, own
        )

    models = in_threads(one, range(len(rows)), beside, pace.halt)
    return Folded(tuple(models)) if len(models) > 1 else models[0]


def with_own_valid(part: Problem, number: int) -> Problem:
    """The problem of a fold with a tenth of its training rows to select by (rounds, epochs, a
    strength). Its valid rows select nothing: who ends training where those are answered best
    foretells labels that nothing foretells. They are whole groups, or the latest rows, where rows
    have groups or times.

    Source: Varma & Simon, "Bias in error estimation when using cross-validation for model
    selection", BMC Bioinformatics 2006.
    """
    rows = part.parts["train"]
    strata = tasks[part.task].strata(part.data.values(part.target)[rows])
    train, valid = ends_training(
        rows,
        strata=strata,
        classes=strata if part.classes else None,
        groups=None if part.groups is None else part.groups[rows],
        times=None if part.times is None else part.times[rows],
        count=INNER,
        seed=derive(part.seed, "inner", number),
    )
    parts: dict[Part, Rows] = {**part.parts, "train": train, "valid": valid}
    return replace(part, parts=parts)


def _all_select(part: Problem) -> Problem:
    """The problem of a fold of few examples: none of them is spared to select, what is selected is
    fixed beforehand."""
    parts: dict[Part, Rows] = {**part.parts, "valid": part.parts["train"]}
    return replace(part, parts=parts)


def _silent(score: float, progress: float) -> bool:
    return True


def _unheard(about: str, text: str) -> None:
    return


def joined(problem: Problem, answers: list[Prediction]) -> Prediction:
    """The mean of what was answered for each valid row, in their order."""
    rows = problem.parts["valid"]
    total = np.zeros((len(rows), *answers[0].array().shape[1:]))
    times = np.zeros(len(rows))
    for (_, valid), answer in zip(problem.folds, answers, strict=True):
        places = np.searchsorted(rows, valid)
        total[places] += answer.array()
        times[places] += 1
    return answers[0].with_array((total.T / times).T)
