"""A model over the answers of other models. The end of a fit makes it of its trials; nobody
proposes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import ConfigError
from tunesmith.core.explaining import Heats
from tunesmith.core.heats import mixed, scaled
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import derive
from tunesmith.core.space import config
from tunesmith.learners._folded import open_model
from tunesmith.learners._shelf import learners

LEAST = 1e-4
"""A probability below counts as this: the logarithm of what is taken for impossible says more of
the model than of the row."""
FILE = "stack.json"
MOVE = 0.1
"""By what share answers are moved to see how far the top follows them."""


@config
class StackConfig:
    """Who answers over whom."""

    learner: str = "pool"
    """The learner on top."""
    bases: str = ""
    """The trials below, by number."""
    level: int = 1
    """How many models lie one over the other."""
    with_inputs: bool = False
    """Whether the learner on top sees the inputs beside the answers."""


def columns_of(answers: Prediction, name: str) -> dict[str, NDArray[np.float64]]:
    """Answers as columns of numbers: log odds of two classes, a log probability for each of more,
    or the numbers as they are."""
    array = answers.array()
    if not isinstance(answers, ClassScores):
        return {name: array}
    logs = np.log(np.clip(array, LEAST, 1 - LEAST))
    if len(answers.classes) == 2:
        return {name: logs[:, 1] - logs[:, 0]}
    return {f"{name}: {label}": logs[:, i] for i, label in enumerate(answers.classes)}


def over(data: Dataset, answers: Sequence[Prediction], kept: Sequence[str] = ()) -> Dataset:
    """A table of the answers, beside those columns of the data that are kept."""
    told: dict[str, NDArray[Any]] = {}
    for number, one in enumerate(answers):
        told |= columns_of(one, f"model {number}")
    while set(told) & set(kept):  # a column of the user's may go by any name
        told = {f"{name}'": cells for name, cells in told.items()}
    columns = [Column(name, "number", "answers of a model") for name in told]
    return replace(
        data,
        columns=(*columns, *(data.column(name) for name in kept)),
        cells={**told, **{name: data.cells[name] for name in kept}},
        bad=(),
    )


@dataclass(frozen=True)
class Stacked(Fitted):
    """The bases answer, and the top answers over their answers."""

    bases: tuple[tuple[str, Fitted], ...]
    top_learner: str
    top: Fitted
    kept: tuple[str, ...]

    def predict(self, data: Dataset) -> Prediction:
        answers = [fitted.predict(data) for _, fitted in self.bases]
        return self.top.predict(over(data, answers, self.kept))

    def heat_methods(self) -> frozenset[str]:
        return frozenset().union(*(fitted.heat_methods() for _, fitted in self.bases))

    def heat_packages(self, method: str) -> frozenset[str]:
        return frozenset().union(*(fitted.heat_packages(method) for _, fitted in self.bases))

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        """Those of the bases, each times how far the top's answer follows its own. They should sum
        to what the top answers otherwise where each base that has some answers as it does to
        nothing."""
        answers = [fitted.predict(data) for _, fitted in self.bases]
        clock, left = clock or Clock(), len(self.bases)
        parts: list[Heats | None] = []
        nothing, is_known = list(answers), True
        for place, (_, fitted) in enumerate(self.bases):
            heats = fitted.heats(data, output, method, clock.share(left - place))
            slope = self._slope(data, answers, place, output) if heats else 0.0
            times = slope * len(answers)  # they add up: their mean is taken below
            parts.append(scaled(heats, times) if heats else None)
            if heats and heats.change is not None:
                before = _number(answers[place].array(), output) - heats.change
                nothing[place] = answers[place].with_array(_set(answers[place], output, before))
            is_known &= not heats or heats.change is not None
        found = mixed(parts, [1.0] * len(parts))
        if found is None or not is_known:
            return found
        own, other = (self._answer(data, each, output) for each in (answers, nothing))
        return replace(found, change=own - other)

    def _answer(self, data: Dataset, answers: Sequence[Prediction], output: int) -> float:
        """The top's answer over some answers of the bases."""
        return _number(self.top.predict(over(data, answers, self.kept)).array(), output)

    def _slope(
        self, data: Dataset, answers: Sequence[Prediction], place: int, output: int
    ) -> float:
        """By how much the top's answer changes where that of one base does, which is moved to both
        sides, other classes in proportion."""
        own, told = answers[place], []
        for moved in (_moved(own, output, MOVE), _moved(own, output, -MOVE)):
            asked = [*answers[:place], own.with_array(moved), *answers[place + 1 :]]
            told.append((_number(moved, output), self._answer(data, asked, output)))
        (above, high), (below, low) = told
        return (high - low) / (above - below) if above > below else 0.0

    def redrawn(self, seed: int) -> Stacked | None:
        drawn = [(name, fitted.redrawn(derive(seed, name))) for name, fitted in self.bases]
        if not any(fitted for _, fitted in drawn):
            return None
        kept = zip(self.bases, drawn, strict=True)
        return replace(self, bases=tuple((n, new or old) for (n, old), (_, new) in kept))

    def save(self, folder: Path) -> None:
        names = [name for name, _ in self.bases]
        told = {"bases": names, "top": self.top_learner, "kept": self.kept}
        write_json(folder / FILE, told)
        for number, (_, fitted) in enumerate(self.bases):
            _save(fitted, folder / f"base-{number}")
        _save(self.top, folder / "top")


def _moved(answers: Prediction, output: int, share: float) -> NDArray[np.float64]:
    """Answers of one row moved by a share of the way to their end: a probability towards 1, or
    below zero towards 0, those of other classes in proportion; a value by that share of itself."""
    old = _number(answers.array(), output)
    if not isinstance(answers, ClassScores | Labels):
        return _set(answers, output, old + share * max(abs(old), LEAST))
    return _set(answers, output, old + share * (1 - old if share > 0 else old))


def _set(answers: Prediction, output: int, number: float) -> NDArray[np.float64]:
    """Answers of one row with another number at one place; probabilities of other classes in
    proportion."""
    found = answers.array().copy()
    if found.ndim == 1:
        found[0] = number
        return found
    new = min(1.0, max(0.0, number))
    if isinstance(answers, ClassScores):
        found[0] *= (1 - new) / max(1 - found[0, output], LEAST)
    found[0, output] = new
    return found


def _number(array: NDArray[np.float64], output: int) -> float:
    return float(array[0] if array.ndim == 1 else array[0, output])


def _save(fitted: Fitted, place: Path) -> None:
    place.mkdir()
    fitted.save(place)


@learners.add("stack")
class Stack(Learner[StackConfig]):
    """Wolpert, "Stacked Generalization", Neural Networks 1992; on answers out of fold, as in van
    der Laan et al., "Super Learner", 2007."""

    config = StackConfig
    is_proposed = False

    def suits(self, problem: Problem) -> str:
        return "it is made of the trials of a fit, at its end"

    def fit(self, problem: Problem, config: StackConfig, seed: int, watch: Watch) -> Fitted:
        raise ConfigError("A stack is made of the trials of a fit, at its end: auto_stack=True.")

    def load(self, folder: Path) -> Fitted:
        told = read_json(folder / FILE)
        bases = tuple(
            (name, open_model(name, folder / f"base-{number}"))
            for number, name in enumerate(told["bases"])
        )
        return Stacked(
            bases, told["top"], open_model(told["top"], folder / "top"), tuple(told["kept"])
        )
