"""Learners of columns, which may be given what a frozen encoder makes of the texts as numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import WeightsError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.learners._text_embedding import TextEmbedding, lightest

TOPICS, EMBEDDING, BOTH = "topics", "embedding", "both"
"""What stands for a text: TF-IDF in a few directions, frozen features of an encoder, or both."""
FOLDER = "texts"


class ReadsTexts(Protocol):
    """A config that says what stands for a text."""

    @property
    def text(self) -> str: ...
    @property
    def text_backbone(self) -> str: ...


T = TypeVar("T", bound=ReadsTexts)


def idle_texts(problem: Problem) -> tuple[str, ...]:
    """What changes nothing where there is no text, or no encoder to read it, or is not tried: with
    several labels a row each has a model, which would hold an encoder of its own."""
    return () if lightest(problem)[0] and not problem.several else ("text",)


@dataclass(frozen=True)
class WithTexts(Fitted):
    """Texts as numbers, then a model of columns."""

    embedding: TextEmbedding
    model: Fitted

    def predict(self, data: Dataset) -> Prediction:
        return self.model.predict(_extended(data, self.embedding.numbers(data)))

    def settled(self) -> Mapping[str, Any]:
        return {**self.model.settled(), "text_backbone": self.embedding.name}

    def save(self, folder: Path) -> None:
        self.model.save(folder)
        (folder / FOLDER).mkdir()
        self.embedding.save(folder / FOLDER)


class TableLearner(Learner[T]):
    """A learner of columns."""

    @abstractmethod
    def fit_columns(self, problem: Problem, config: T, seed: int, watch: Watch) -> Fitted:
        """As `fit`, with texts as topics."""

    @abstractmethod
    def load_columns(self, folder: Path) -> Fitted:
        """What `fit_columns` gave, as it was saved."""

    def fit(self, problem: Problem, config: T, seed: int, watch: Watch) -> Fitted:
        if config.text == TOPICS:
            return self.fit_columns(problem, config, seed, watch)
        name, reason = (config.text_backbone, "") if config.text_backbone else lightest(problem)
        if not name:
            raise WeightsError(f"Texts cannot be embedded: {reason}.")
        why = "as asked" if config.text_backbone else "the smallest here that knows the language"
        watch.tell("text", f"read by {name}: {why}")
        embedding, numbers = TextEmbedding.fit(problem, name, watch)
        data = _extended(problem.data, numbers)
        new = data.names[len(problem.data.names) :]
        texts = () if config.text == BOTH else problem.data.of_kind("text")
        kept = [name for name in problem.inputs if name not in texts]
        inner = replace(problem, data=data, inputs=(*kept, *new))
        return WithTexts(embedding, self.fit_columns(inner, config, seed, watch))

    def load(self, folder: Path) -> Fitted:
        model = self.load_columns(folder)
        if not (folder / FOLDER).is_dir():
            return model
        return WithTexts(TextEmbedding.load(folder / FOLDER), model)


def _extended(data: Dataset, numbers: NDArray[np.float32]) -> Dataset:
    """Rows with each of the numbers of their texts, shape (rows, width), as a column more."""
    new = {
        Column(f"texts: embedding {place}", "number", "read by an encoder"): values
        for place, values in enumerate(numbers.T.astype(np.float64))
    }
    cells = {**data.cells, **{column.name: values for column, values in new.items()}}
    return replace(data, columns=(*data.columns, *new), cells=cells)
