"""What a report is made from: the facts of a run, and rows with what was answered for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import Architecture
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Score
from tunesmith.evaluate.weighted import Weights
from tunesmith.report.explanation import Explanation
from tunesmith.report.history import History
from tunesmith.report.section import Section


@dataclass(frozen=True)
class Answered:
    """Rows by what they are (`of`, such as "test rows"), their truth as class codes (-1 where the
    model does not know the label), numbers or a matrix of labels, and what was answered. `codes`
    are the classes answered, where costs decide that are not at hand."""

    of: str
    truth: NDArray[Any]
    prediction: Prediction
    weights: Weights = None
    codes: NDArray[np.int64] | None = None

    def answered(self) -> NDArray[np.int64]:
        """The class answered in each row, shape (rows,)."""
        assert isinstance(self.prediction, ClassScores)
        return self.prediction.codes() if self.codes is None else self.codes

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def told(self) -> str:
        """How many there are of what."""
        return f"{len(self):,} {self.of}"


@dataclass(frozen=True)
class Labelled:
    """Rows of the user's own, where they lie, and the scores of the saved model on them."""

    source: str
    scores: Mapping[str, Score]
    answered: Answered


@dataclass(frozen=True)
class Facts:
    """What a run folder, or a saved model alone, tells.

    `summary` are the facts of the fit, `model` is predictor.json, `metrics` metrics.json, `problem`
    and `request` the files of these names, empty of a saved model; `others` are further files of
    the run by their names. `tested` are rows that selected nothing, `validated` those that did;
    `untold` says why neither is there.
    """

    folder: Path
    summary: Mapping[str, Any]
    model: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    problem: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    history: History | None = None
    tested: Answered | None = None
    validated: Answered | None = None
    labelled: Labelled | None = None
    explained: Explanation | None = None
    unexplained: str = ""
    """Why there is none, where it was wished for."""
    slices: Section | None = None
    """Where it errs on rows of which more is at hand than the answers."""
    untold: str = ""
    architecture: Architecture | None = None
    """The network that answers, or the one that counts most."""
    architecture_course: tuple[Mapping[str, Any], ...] = ()
    """How its search weighed the options by and by, as `Result` has it."""

    @property
    def answers(self) -> Answered | None:
        """The rows by which the model is judged: the user's own, else those that selected nothing,
        else those that did."""
        own = self.labelled.answered if self.labelled else None
        return own or self.tested or self.validated

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.model.get("classes") or ())

    @property
    def metric(self) -> str:
        return str(self.summary.get("metric") or self.model.get("metric", ""))

    @property
    def target(self) -> str:
        return str(self.model.get("target", ""))

    @property
    def has_several(self) -> bool:
        """Whether a row may have several labels."""
        return bool(self.model.get("label_form"))

    @property
    def reasons(self) -> Mapping[str, str]:
        return dict(self.model.get("reasons") or {}) | dict(self.summary.get("reasons") or {})

    @property
    def higher_is_better(self) -> bool:
        return bool(self.problem.get("higher_is_better", True))

    @property
    def is_final(self) -> bool:
        """Whether the run came to its end, so that the model was scored on rows kept apart."""
        return "test" in self.metrics
