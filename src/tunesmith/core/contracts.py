"""What a plug-in on each shelf must be able to do. One to eight methods each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import Architecture
from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError
from tunesmith.core.explaining import Heats
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import (
    BadCell,
    Card,
    Column,
    Dataset,
    Kind,
    Problem,
    Rows,
)
from tunesmith.core.space import Range, Scalar
from tunesmith.core.trees import Grove

C = TypeVar("C")
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class RawTable:
    """What a reader hands over before kinds are inferred: cells as they came, with their place.

    `cells[name]` is an object array of shape (rows,) of str, int, float, bool, datetime or None;
    text formats give str only. `lines` as in `Dataset`. `kinds` are those that the source itself
    tells, such as those of a folder of pictures.
    """

    source: str
    names: tuple[str, ...]
    cells: Mapping[str, NDArray[np.object_]]
    lines: Rows
    bad: tuple[BadCell, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)


class Reader(ABC):
    """Source → raw table."""

    @abstractmethod
    def claims(self, source: object) -> bool:
        """Whether this reader is the one for a source: a path or URL by its ending, or an object
        by its type."""

    @abstractmethod
    def read(self, source: Any) -> RawTable:
        """Read it all.

        Raises:
            DataError: It cannot be read; names file, line and column.
        """


class Modality(ABC):
    """Fitted on training columns; turns cells into model input; saved with the model as JSON."""

    @abstractmethod
    def fit(self, values: NDArray[Any]) -> Mapping[str, Any]:
        """What must be remembered of a column, as JSON."""

    @abstractmethod
    def transform(self, values: NDArray[Any], state: Mapping[str, Any]) -> NDArray[np.float32]:
        """Cells as numbers, shape (rows, width)."""


class Task(ABC):
    """Everything about the target."""

    @abstractmethod
    def claim(self, column: Column, values: NDArray[Any]) -> tuple[float, str]:
        """How sure this task is the right one for a target, in [0, 1], and the reason."""

    @abstractmethod
    def classes(self, values: NDArray[Any]) -> tuple[str, ...]:
        """The labels in a fixed order; empty where the answer is a number."""

    @abstractmethod
    def metric(self, values: NDArray[Any], classes: Sequence[str]) -> tuple[str, str]:
        """The metric to select by, and the reason."""

    @abstractmethod
    def metrics(self, classes: Sequence[str]) -> tuple[str, ...]:
        """The metrics to report."""

    @abstractmethod
    def strata(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """A code for each row; a split keeps the shares of each code. Shape (rows,)."""

    @abstractmethod
    def example(self, generator: np.random.Generator) -> tuple[Dataset, str]:
        """A small data set and its target, for contract tests."""


class Metric(ABC):
    """A score of predictions against the truth."""

    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0

    @abstractmethod
    def accepts(self, prediction: Prediction) -> bool:
        """Whether it is defined for this kind of prediction."""

    @abstractmethod
    def score(
        self, truth: NDArray[Any], prediction: Prediction, weights: NDArray[np.float64] | None
    ) -> float:
        """The value over rows weighted as told (None: equally)."""

    def by_weights(
        self, truth: NDArray[Any], prediction: Prediction
    ) -> Callable[[NDArray[np.float64] | None], float]:
        """The score of these rows by their weights, for many weights: what does not hang on them
        is done once."""
        return lambda weights: self.score(truth, prediction, weights)


Weights = Mapping[str, Mapping[str, float]]
"""Of each choice of an architecture search, by name, its options and how much each counts."""


@dataclass
class Watch:
    """What a learner is given to look up from its work: how long it has, what it costs to go on.

    `report(score, progress)` notes a validation score (higher is better) at a share of the planned
    work in (0, 1] and answers whether to go on. `tell(about, text)` puts a choice and its reason
    into the trial's record. `depths` are the shares of a network that later trials will train: who
    runs the frozen part below them anyway keeps what comes out. `checkpoint` is a folder for the
    state under way, which may hold one already: of this trial, before a crash. `weigh(progress,
    weights)` notes how an architecture search weighs the options of each choice by then.
    """

    clock: Clock
    report: Callable[[float, float], bool]
    offline: bool = True
    tell: Callable[[str, str], None] = lambda about, text: None
    depths: tuple[float, ...] = ()
    checkpoint: Path | None = None
    weigh: Callable[[float, Weights], None] = lambda progress, weights: None


class Fitted(ABC):
    """What came out of a learner: it predicts, and it saves itself without code."""

    @abstractmethod
    def predict(self, data: Dataset) -> Prediction:
        """Answers for rows that have the problem's input columns."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write JSON, safetensors and native text files into an empty folder."""

    def settled(self) -> Mapping[str, Any]:
        """Config fields that the valid part decided (a strength, a number of epochs): with them
        pinned the same model can be fitted to all rows, with nothing left to select."""
        return {}

    def architecture(self) -> Architecture | None:
        """The shape of the network that it is, nothing of it measured; None where it is none, or
        none that can be told so."""
        return None

    def heat_methods(self) -> frozenset[str]:
        """Which of `HEATS` its inside can give."""
        return frozenset()

    def heat_packages(self, method: str) -> frozenset[str]:
        """The optional packages without which its `heats` by a method cannot be told, by names that
        `find_spec` knows."""
        return frozenset()

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        """What its inside gives credit to, of one row, by column, for one number of its answer
        (the probability of a class or label by its code, or the value); None where this method
        cannot look into it, or it reads nothing of the row. `method` is one of `HEATS`.

        Raises:
            BudgetError: The clock's time is over before there is any.
        """
        return None

    def redrawn(self, seed: int) -> Fitted | None:
        """The same model with the weights that were learned here drawn anew (planes, heads, blocks
        that were trained), to see whether credit hangs on them; itself is left as it is. None where
        it has no weights."""
        return None

    def seen(self, data: Dataset) -> NDArray[np.floating[Any]] | None:
        """The space in which a network sees rows before its head, (rows, width), where near rows
        are alike to it; None where it has none."""
        return None

    @property
    def is_of_trees(self) -> bool:
        """Whether it is made of trees alone, into which `groves` lets one look."""
        return False

    def groves(self, data: Dataset, output: int) -> Sequence[tuple[Grove, float]]:
        """The trees that it is made of, with these rows in them, and the share that each grove has
        in the answer, which is their weighted mean. `output` is the label that is meant, where a
        row has several. Only where `is_of_trees`."""
        raise NotImplementedError


class Learner(ABC, Generic[C]):
    """One way to fit."""

    config: type[C]
    version: int = 1
    uses_all_time: bool = False
    """Whether it fits its work into the time it is given, and is better for more of it."""
    is_proposed: bool = True
    """Whether a fit tries it by itself, or when asked; otherwise it is made of other trials."""
    ends_in_time: bool = False
    """Whether it ends where its time does, with what it has learned by then."""
    fits_beside: bool = False
    """Whether several may be fitted side by side in threads: its library computes outside of
    Python's lock, with `threads()` of its own."""
    can_go_on: bool = False
    """Whether it keeps its state where it is ended early, and goes on from there."""
    knows_weights: bool = True
    """Whether rows that count more are learned from more."""
    fits_few: bool = False
    """Whether it makes one model of few examples, and answers their folds by itself."""
    shapes: Mapping[str, Range] = MappingProxyType({})
    """Dimensions of the config that are searched, in these ranges, where an architecture is; else
    each is at its default."""
    usual: Mapping[str, Range | str] = MappingProxyType({})
    """Dimensions that are searched in these narrower ranges, or have this value, where no
    architecture is searched."""
    usual_of_pictures: Mapping[str, Range] = MappingProxyType({})
    """Those that are narrower still where pictures are read."""
    replaced: Mapping[str, Sequence[str]] = MappingProxyType({})
    """Of a field that says itself what others say where it is empty: those others, which change
    nothing where it is pinned."""
    labels: Literal["none", "each", "together"] = "none"
    """What it makes of several labels a row: nothing; a model of each label, present or absent; or
    one model of all, whose truth and answers are matrices."""

    @abstractmethod
    def suits(self, problem: Problem) -> str:
        """Empty where it can learn this problem; otherwise the reason it cannot."""

    def refuses(self, problem: Problem, config: C) -> str:
        """Why it cannot learn this problem by this config; empty where it can."""
        return ""

    def idle(self, problem: Problem) -> tuple[str, ...]:
        """Dimensions of the config that change nothing on this problem."""
        return ()

    def shaped(self, architecture: Architecture) -> Mapping[str, Any]:
        """What of its config, by dotted path, makes this architecture: what to pin.

        Raises:
            ConfigError: It cannot make it; says what of it.
        """
        raise ConfigError(
            f"The learner {architecture.learner!r} makes no architecture that can be handed on."
        )

    @abstractmethod
    def fit(self, problem: Problem, config: C, seed: int, watch: Watch) -> Fitted:
        """Learn from the train part, looking at the valid part to stop early.

        Raises:
            BudgetError: It would not finish within the clock's time.
        """

    def fit_few(
        self, problem: Problem, config: C, seed: int, watch: Watch
    ) -> tuple[Fitted, Prediction | None]:
        """One model of all few examples, and what the folds answer for the valid rows; None where
        there are no folds. Only where `fits_few`.

        Raises:
            BudgetError: It would not finish within the clock's time.
        """
        raise NotImplementedError

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """The model that `Fitted.save` wrote."""


class Study(ABC):
    """One search under way: the next proposal from the history. Values are by dotted path, for the
    dimensions that count; scores are one for each goal, higher is better."""

    @abstractmethod
    def ask(self) -> tuple[int, Mapping[str, Scalar]] | None:
        """A proposal, with its number; None where there is nothing left to propose."""

    @abstractmethod
    def tell(
        self,
        proposal: int,
        scores: Sequence[float] | None,
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        """How a proposal ended, scores None where it failed; what it took, in seconds, where that
        is to count; and after which share of the work, or on which of the rows, it scored so."""

    @abstractmethod
    def add(
        self,
        values: Mapping[str, Scalar],
        scores: Sequence[float],
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        """A result that was not proposed here, to learn from."""


class Searcher(ABC):
    """A way to search."""

    goes_first: bool = False
    """Whether, beside others, its proposals all come before theirs."""
    knows_shares: bool = False
    """Whether it knows a score after a part of the work for what it is. Others take it as it is."""

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        """Why it cannot search these dimensions for so many goals; empty where it can."""
        return ""

    @abstractmethod
    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        """Start a search. `ranges` as of `core.dimensions`; `known` are proposals that have done
        well elsewhere, best first.

        Raises:
            ConfigError: It cannot search this; says why.
        """


Point = tuple[float, float]
"""Progress in (0, 1], and the score there, higher is better."""


@dataclass(frozen=True)
class Curve:
    """The course of a trial that has ended, and whether a stopper ended it. `number` counts the
    trials of its learner."""

    number: int
    points: tuple[Point, ...]
    was_stopped: bool = False


class Stopper(ABC):
    """Go on or stop, from the curves."""

    @abstractmethod
    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        """Whether the trial of that number goes on after the last point of its curve; `others` are
        trials of the same learner that have ended."""

    promotes: bool = False
    """Whether it ends a trial for the time being, and says itself which go on later."""

    def promoted(self, curves: Sequence[Curve]) -> int | None:
        """Which of the trials that were stopped goes on now, by its number; None: none does."""
        return None


Tell = Callable[[str, Mapping[str, Any]], None]
"""Says what happens: its kind, and the facts."""


class Overdue(BaseException):
    """Raised in a job that is taken to hang. Like Ctrl-C, it is no error that a job may answer:
    who catches it raises it again."""


class Work(ABC, Generic[J, R]):
    """What is done with a job. It, the jobs and what comes of them can be sent to another
    process."""

    def begin(self) -> None:
        """Called once in a process of its own, before its first job."""
        return

    @abstractmethod
    def do(self, job: J, tell: Tell) -> R:
        """What comes of a job."""

    @abstractmethod
    def lost(self, job: J, reason: str, seconds: float) -> R:
        """What comes of a job whose process was lost after so many seconds."""

    def hung(self, job: J, seconds: float) -> R:
        """What comes of a job that was ended after so many seconds, as it was taken to hang."""
        return self.lost(job, f"it was still at work after {seconds:.0f} s and was ended", seconds)

    def limit_seconds(self, job: J) -> float:
        """After how long a job is taken to hang; infinite where that cannot be said."""
        return float("inf")


class Runner(ABC):
    """Executes jobs."""

    @abstractmethod
    def run(
        self, jobs: Iterator[J | None], work: Work[J, R], tell: Tell, places: int
    ) -> Iterator[R]:
        """What comes of the jobs, as they end, at most so many of them at a time. The next is drawn
        when there is a place for it; None says that nothing can begin until another has ended."""


class Source(ABC):
    """Where the bytes of a checkpoint come from."""

    @abstractmethod
    def present(self, card: Card, cache: Path) -> bool:
        """Whether the bytes are on this machine; opens no socket."""

    @abstractmethod
    def fetch(self, card: Card, cache: Path, timeout_seconds: float) -> Path:
        """Bring the bytes, check them, and give the folder that holds them.

        Raises:
            WeightsError: They cannot be had or are not what the card says.
        """


@dataclass(frozen=True)
class Setting:
    """One value in the settings block of a script, and what it is."""

    value: Any
    about: str = ""


@dataclass(frozen=True)
class Recipe:
    """One model as code that stands without this library.

    `code` is a class `name` with the methods `fit(table, truth)` (`weights` of the rows behind
    them, where the problem has such), `scores(table)` (shape (rows,
    classes), or (rows,) for numbers), `save(folder)` and `load(folder)`, made with `settings` by
    name; `table` holds the input columns as `export/_data.py` types them. `helpers` are functions
    that other recipes may need too, `imports` whole import lines, `packages` what pip calls them.
    """

    name: str
    settings: Mapping[str, Setting]
    code: str
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    helpers: tuple[str, ...] = ()


class Exporter(ABC):
    """Writes the models of one learner as code."""

    slower: float = 1.0
    """How many times as long the code takes to fit as the learner does, about."""

    @abstractmethod
    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        """Why a model of this config cannot be written as code; empty where it can."""

    @abstractmethod
    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        """The code of a model; `config` is that of its trial, with what selection settled."""
