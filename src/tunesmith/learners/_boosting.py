"""What the learners of boosted trees share: features, the course of a training, the model."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError, TunesmithError
from tunesmith.core.predictions import Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.trees import Grove
from tunesmith.learners._answers import answer, target_scale
from tunesmith.learners._columns import only_contents
from tunesmith.learners._steering import selection_score
from tunesmith.learners._with_embeddings import idle_contents
from tunesmith.modalities.columns import Columns

MOST_ROUNDS = 2_000
WHOLE = 100.0
"""Learning rate times rounds at which a training counts as whole: few go further."""
MARKS = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
"""Learning rate times rounds at which the score is looked at."""
PATIENCE = 3.0
FEWEST_WAITED, MOST_WAITED = 20, 200
"""Rounds without a better loss after which a training ends: that divided by the learning rate,
within these."""
BY_SIZE = ("mae", "median_absolute_error", "mape")
"""Metrics of the size of an error, for which its absolute value is the loss."""


def why_not(problem: Problem, package: str = "", line: str = "") -> str:
    """Why trees cannot learn this: there are but texts and pictures, or a package is not there,
    which the line installs. Empty where they can."""
    if package and find_spec(package) is None:
        return f"{package} is not installed: {line}"
    return only_contents(problem)


def idle(problem: Problem, of_categories: tuple[str, ...]) -> tuple[str, ...]:
    """What changes nothing: without categories, without classes, without texts
    and without pictures."""
    has = any(problem.data.column(name).kind == "category" for name in problem.inputs)
    of_classes = () if problem.classes else ("balanced",)
    return (*(() if has else of_categories), *of_classes, *idle_contents(problem))


def library(package: str) -> Any:
    """A package of compiled code.

    Raises:
        TunesmithError: It cannot be loaded, though it is there.
    """
    try:
        return importlib.import_module(package)
    except (ImportError, OSError) as error:
        raise TunesmithError(f"{package} cannot be loaded: {error}") from error


@dataclass(frozen=True)
class Table:
    """A problem as features. `train` and `valid` have shape (rows, width); truth is class codes, or
    numbers of mean 0 and deviation 1; `weights` has shape (training rows,)."""

    problem: Problem
    columns: Columns
    train: NDArray[np.float32]
    valid: NDArray[np.float32]
    truth: NDArray[Any]
    valid_truth: NDArray[Any]
    weights: NDArray[np.float64] | None
    mean: float
    scale: float

    @staticmethod
    def of(problem: Problem, *, most_codes: int, balanced: bool, seed: int) -> Table:
        mean, scale = target_scale(problem)
        truth, valid_truth = problem.truth("train"), problem.truth("valid")
        if not problem.classes:
            truth, valid_truth = (truth - mean) / scale, (valid_truth - mean) / scale
        columns, train = Columns.fit(
            problem.part("train"),
            problem.inputs,
            truth,
            classes=len(problem.classes),
            most_codes=most_codes,
            seed=seed,
        )
        valid = columns.matrix(problem.part("valid"))
        weights = problem.weight("train")
        if balanced and problem.classes:
            weights = class_weights(truth) * (1 if weights is None else weights)
        return Table(problem, columns, train, valid, truth, valid_truth, weights, mean, scale)

    @property
    def outputs(self) -> int:
        """Columns of margins: one for two classes or a number, else one a class."""
        return max(1, len(self.problem.classes)) if len(self.problem.classes) != 2 else 1

    @property
    def is_by_size(self) -> bool:
        """Whether the absolute error is the loss, not its square."""
        return not self.problem.classes and self.problem.metric in BY_SIZE

    def loss(self, margins: NDArray[Any]) -> float:
        """Of the valid rows' margins, shape (rows, outputs): mean log loss, absolute or squared
        error."""
        if not self.problem.classes:
            error = np.abs(margins[:, 0] - self.valid_truth)
            return float((error if self.is_by_size else error**2).mean())
        rows = np.arange(len(self.valid_truth))
        logits = np.asarray(_logits(margins), dtype=np.float64)
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return float((total - logits[rows, self.valid_truth]).mean())

    def scored(self, seed: int) -> Callable[[NDArray[Any]], float]:
        """The score of the valid rows' margins, higher is better."""
        rate = selection_score(self.problem, seed)
        return lambda margins: rate(answer_of(margins, self.problem.classes, self.mean, self.scale))


def class_weights(truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights by which each class counts alike, 1 on average."""
    counts = np.bincount(truth)
    return np.asarray(len(truth) / ((counts > 0).sum() * counts[truth]), dtype=np.float64)


def _logits(margins: NDArray[Any]) -> NDArray[Any]:
    if margins.shape[1] > 1:
        return margins
    return np.concatenate([np.zeros_like(margins), margins], axis=1)


def answer_of(
    margins: NDArray[Any], classes: tuple[str, ...], mean: float, scale: float
) -> Prediction:
    """Margins of shape (rows, outputs) as a prediction in the units of the target."""
    if classes:
        return answer(_logits(margins), classes)
    return Values(np.asarray(margins[:, 0], dtype=np.float64) * scale + mean)


@dataclass
class Course:
    """The rounds of a training: by the loss of the valid rows it ends once that gets no better, and
    keeps the rounds up to the best; or takes exactly as many as were settled. It ends at the clock
    too, and where a stopper says so."""

    watch: Watch
    lr: float
    settled: int = 0
    rounds: int = 0
    best_rounds: int = 0
    best_loss: float = float("inf")
    _marks: list[float] = field(default_factory=lambda: list(MARKS))

    def begin(self) -> None:
        """Before the first round.

        Raises:
            BudgetError: The time is over.
        """
        if self.watch.clock.is_over():
            raise BudgetError(
                f"reading the columns took {self.watch.clock.elapsed():.1f} s; there was no time "
                "for a first round"
            )

    @property
    def most(self) -> int:
        return self.settled or MOST_ROUNDS

    @property
    def kept(self) -> int:
        """The rounds that make the model."""
        return self.rounds if self.settled else self.best_rounds

    def goes_on(self, loss: float, score: Callable[[], float | None]) -> bool:
        """Whether to train another round, after one that brought the valid rows to a loss."""
        self.rounds += 1
        if loss < self.best_loss or not self.best_rounds:
            self.best_loss, self.best_rounds = loss, self.rounds
        if self.rounds >= self.most or self.watch.clock.is_over():
            return False
        if self.settled:
            return True
        waited = min(MOST_WAITED, max(FEWEST_WAITED, round(PATIENCE / self.lr)))
        if self.rounds - self.best_rounds >= waited:
            return False
        done = self.rounds * self.lr
        if not self._marks or done < self._marks[0]:
            return True
        while self._marks and done >= self._marks[0]:
            self._marks.pop(0)
        value = score()
        return value is None or self.watch.report(value, min(1.0, done / WHOLE))


class Trees(Protocol):
    """Grown trees of some library."""

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Shape (rows, width) → (rows, outputs)."""
        ...

    def grove(
        self, features: NDArray[np.float32], owners: Sequence[str], margins: NDArray[np.float64]
    ) -> Grove:
        """Their nodes with rows in them, whose features are made of the columns that own them."""
        ...

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Boosted(Fitted):
    """Columns, then trees."""

    classes: tuple[str, ...]
    columns: Columns
    trees: Trees
    rounds: int
    mean: float
    scale: float

    @staticmethod
    def of(table: Table, trees: Trees, rounds: int) -> Boosted:
        classes = table.problem.classes
        return Boosted(classes, table.columns, trees, rounds, table.mean, table.scale)

    @property
    def inputs(self) -> Columns:
        return self.columns

    def predict(self, data: Dataset) -> Prediction:
        margins = self.trees.margins(self.columns.matrix(data))
        return answer_of(margins, self.classes, self.mean, self.scale)

    @property
    def is_of_trees(self) -> bool:
        return True

    def groves(self, data: Dataset, output: int) -> Sequence[tuple[Grove, float]]:
        features = self.columns.matrix(data)
        margins = self.trees.margins(features)
        grove = self.trees.grove(features, self.columns.owners, margins)
        if self.classes:
            return [(replace(grove, has_odds=True), 1.0)]
        answers = margins * self.scale + self.mean
        return [(replace(grove, values=grove.values * self.scale, margins=answers), 1.0)]

    def settled(self) -> dict[str, Any]:
        return {"rounds": self.rounds}

    def save(self, folder: Path) -> None:
        facts = {"rounds": self.rounds, "mean": self.mean, "scale": self.scale}
        save_columns(folder, self.classes, self.columns, facts)
        self.trees.save(folder)


def load_boosted(folder: Path, opened: Callable[[int, Columns], Trees]) -> Boosted:
    """The model that was saved; `opened` gives its trees, told how many outputs there are."""
    classes, columns, facts = load_columns(folder)
    outputs = len(classes) if len(classes) > 2 else 1
    return Boosted(
        classes, columns, opened(outputs, columns), facts["rounds"], facts["mean"], facts["scale"]
    )


def save_columns(
    folder: Path, classes: Sequence[str], columns: Columns, facts: Mapping[str, Any]
) -> None:
    """What a model of columns remembers, beside what is its own."""
    from safetensors.numpy import save_file

    state = {"classes": classes, "columns": columns.state(), **facts}
    write_json(folder / "model.json", state)
    if columns.tensors():
        save_file(columns.tensors(), folder / "columns.safetensors")


def load_columns(folder: Path) -> tuple[tuple[str, ...], Columns, dict[str, Any]]:
    """The classes, the columns, and the rest of what `save_columns` wrote."""
    from safetensors.numpy import load_file

    saved = read_json(folder / "model.json")
    file = folder / "columns.safetensors"
    tensors = load_file(file) if file.is_file() else {}
    return tuple(saved["classes"]), Columns.restore(saved["columns"], tensors), saved
