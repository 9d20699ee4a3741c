"""Several labels a row for learners of two classes: a model of each label, saved and opened as
one."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.explaining import Heats
from tunesmith.core.predictions import Labels, Prediction
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import derive
from tunesmith.core.trees import Grove
from tunesmith.learners._beside import beside_others

LABEL, FILE = "label-", "labels.json"
MOST_LABELS = 50
"""With more, one model of each would take too long and too much room."""
ABSENT, PRESENT = "0", "1"
FEW_ROWS = 20_000
"""Up to which every label is answered with one thread: threads that wait for one another at so many
small steps are slow, most of all beside a busy process."""
FIRST_SHARE = 2
"""Of the time the first label may take as much as so many others: it waits for its library."""


def suits(learner: Learner[Any], problem: Problem) -> str:
    """Empty where a learner can learn this problem; otherwise the reason it cannot."""
    if not problem.several or learner.labels == "together":
        return learner.suits(problem)
    if learner.labels == "none":
        return "not built for several labels a row"
    if len(problem.classes) > MOST_LABELS:
        return f"a model of each of {len(problem.classes):,} labels is more than {MOST_LABELS}"
    return learner.suits(of_label(problem, 0))


def of_label(problem: Problem, place: int) -> Problem:
    """The problem of one label: whether it is there, by its log loss."""
    there = problem.encode(problem.data.values(problem.target))[:, place]
    cells = np.where(there == 1, PRESENT, ABSENT).astype(object)
    data = problem.data
    columns = tuple(
        Column(c.name, "category", "one label") if c.name == problem.target else c
        for c in data.columns
    )
    return replace(
        problem,
        data=replace(data, columns=columns, cells={**data.cells, problem.target: cells}),
        task="classification",
        classes=(ABSENT, PRESENT),
        metric="log_loss",
        label_form=None,
    )


@dataclass(frozen=True)
class PerLabel(Fitted):
    """A model for each label; one that every training row has, or none, has a share alone."""

    classes: tuple[str, ...]
    models: tuple[Fitted | None, ...]
    shares: tuple[float, ...]

    def predict(self, data: Dataset) -> Prediction:
        found = np.empty((len(data), len(self.classes)))
        with beside_others() if len(data) <= FEW_ROWS else contextlib.nullcontext():
            for place, (model, share) in enumerate(zip(self.models, self.shares, strict=True)):
                found[:, place] = share if model is None else model.predict(data).array()[:, 1]
        return Labels(self.classes, found)

    @property
    def is_of_trees(self) -> bool:
        return all(model is None or model.is_of_trees for model in self.models)

    def groves(self, data: Dataset, output: int) -> Sequence[tuple[Grove, float]]:
        model = self.models[output]
        inside = () if model is None else model.groves(data, 1)
        return [(replace(grove, only=1), share) for grove, share in inside]

    def heat_methods(self) -> frozenset[str]:
        return frozenset().union(*(one.heat_methods() for one in self.models if one is not None))

    def heat_packages(self, method: str) -> frozenset[str]:
        known = (one for one in self.models if one is not None)
        return frozenset().union(*(one.heat_packages(method) for one in known))

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        """Of the model of the label, whether it is there."""
        model = self.models[output]
        return None if model is None else model.heats(data, 1, method, clock)

    def redrawn(self, seed: int) -> PerLabel | None:
        drawn = tuple(
            None if one is None else one.redrawn(derive(seed, n))
            for n, one in enumerate(self.models)
        )
        return replace(self, models=drawn) if any(drawn) else None

    def settled(self) -> Mapping[str, Any]:
        """The middle of what selection settled for each label."""
        each = [dict(model.settled()) for model in self.models if model is not None]
        return middle(each) if each else {}

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, {"classes": self.classes, "shares": self.shares})
        for place, model in enumerate(self.models):
            if model is not None:
                inside = folder / f"{LABEL}{place}"
                inside.mkdir()
                model.save(inside)


def middle(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Of what all of several models settled the middle, or what most did."""
    found: dict[str, Any] = {}
    for name in (one for one in each[0] if all(one in other for other in each)):
        values = [one[name] for one in each]
        is_number = all(type(value) in (int, float) for value in values)
        found[name] = statistics.median_low(values) if is_number else statistics.mode(values)
    return found


def fit_labels(
    learner: Learner[Any], problem: Problem, config: Any, seed: int, watch: Watch
) -> Fitted:
    """The model of a config, in whichever way the learner takes several labels.

    Raises:
        BudgetError: Not all labels would be fitted within the clock's time.
    """
    if not problem.several or learner.labels == "together":
        return learner.fit(problem, config, seed, watch)
    truth, count = problem.truth("train"), len(problem.classes)
    shares = tuple(map(float, np.average(truth, axis=0, weights=problem.weight("train"))))
    models: list[Fitted | None] = []
    for place, share in enumerate(shares):
        if not 0 < share < 1:
            models.append(None)
            continue
        left = count - place
        mine = _clock(watch.clock, left, FIRST_SHARE if left == count else 1)
        own = replace(watch, clock=mine, checkpoint=None, report=_silent)
        own = replace(own, tell=watch.tell if not place else _unheard)
        began = watch.clock.elapsed()
        models.append(learner.fit(of_label(problem, place), config, derive(seed, place), own))
        took = watch.clock.elapsed() - began
        if watch.clock.has_deadline() and not learner.ends_in_time:
            _refuse_too_slow(took * (left - 1), watch.clock, count)
        if left > 1 and watch.clock.is_over():
            raise BudgetError(f"{place + 1} of {count} labels were fitted when the time was over")
    return PerLabel(problem.classes, tuple(models), shares)


def _clock(clock: Clock, left: int, times: int) -> Clock:
    """What the model of a label may take of the time, so many being left: so many times what each
    of the others may."""
    if not clock.has_deadline():
        return clock
    return Clock(clock.left() * times / (left - 1 + times), clock.now)


def _refuse_too_slow(seconds: float, clock: Clock, count: int) -> None:
    if seconds > clock.left():
        raise BudgetError(
            f"a model of each of {count} labels takes about {seconds:.0f} s more, and "
            f"{clock.left():.0f} s are left"
        )


def _silent(score: float, progress: float) -> bool:
    return True


def _unheard(about: str, text: str) -> None:
    return


def is_per_label(folder: Path) -> bool:
    """Whether a model of each label was saved there."""
    return (folder / FILE).is_file()


def open_labels(folder: Path, opened: Callable[[Path], Fitted]) -> PerLabel:
    """What was saved; `opened` reads the model of one label."""
    told = read_json(folder / FILE)
    places = [folder / f"{LABEL}{place}" for place in range(len(told["classes"]))]
    with beside_others():
        models = tuple(opened(place) if place.is_dir() else None for place in places)
    return PerLabel(tuple(told["classes"]), models, tuple(told["shares"]))
