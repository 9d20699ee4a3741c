"""Learners of columns, which may be given what frozen encoders make of texts and pictures as
numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import Architecture
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import WeightsError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.learners._embedding import Embedding
from tunesmith.learners._frozen import lightest, lightest_of_pictures
from tunesmith.learners._insight import Insight, Insightful
from tunesmith.zoo.backbones import backbone

TOPICS, EMBEDDING, BOTH = "topics", "embedding", "both"
"""What stands for a text: TF-IDF in a few directions, frozen features of an encoder, or both."""
NONE = "none"
"""What stands for a picture: nothing, or frozen features of an encoder."""
TEXTS, PICTURES = "texts", "pictures"
"""Names of folders; those of pictures are numbered."""


class ReadsPictures(Protocol):
    """A config that says what stands for a picture."""

    @property
    def pictures(self) -> str: ...
    @property
    def picture_backbone(self) -> str: ...
    @property
    def picture_size(self) -> int: ...


class ReadsOneKind(Protocol):
    """A config of a network that reads texts or pictures, and says who reads the other."""

    @property
    def backbone(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def text_backbone(self) -> str: ...
    @property
    def picture_backbone(self) -> str: ...
    @property
    def picture_size(self) -> int: ...


T = TypeVar("T", bound=ReadsPictures)


def idle_texts(problem: Problem) -> tuple[str, ...]:
    """What changes nothing where there is no text, or no encoder to read it, or is not tried: with
    several labels a row each has a model, which would hold an encoder of its own."""
    return () if lightest(problem)[0] and not problem.several else ("text",)


def idle_pictures(problem: Problem) -> tuple[str, ...]:
    """What changes nothing where there is no picture, or no encoder to read it, or is not tried."""
    is_tried = lightest_of_pictures(problem)[0] and not problem.several
    return () if is_tried else ("pictures", "picture_size")


def idle_contents(problem: Problem) -> tuple[str, ...]:
    """Of texts and pictures both."""
    return (*idle_texts(problem), *idle_pictures(problem))


def checkpoints(config: Mapping[str, Any]) -> dict[str, str]:
    """The checkpoints that a config of any learner names and uses, by field; of these learners of
    columns only where texts or pictures are embedded."""
    used = {
        "backbone": True,
        "text_backbone": config.get("text", "") != TOPICS,
        "picture_backbone": config.get("pictures", "") != NONE,
    }
    return {field: str(config[field]) for field in used if used[field] and config.get(field)}


@dataclass(frozen=True)
class WithEmbeddings(Insightful):
    """Texts and pictures as numbers, then a model of columns."""

    embeddings: tuple[Embedding, ...]
    model: Fitted

    def predict(self, data: Dataset) -> Prediction:
        for embedding in self.embeddings:
            data = _extended(data, embedding, embedding.numbers(data))
        return self.model.predict(data)

    @property
    def encoders(self) -> tuple[Any, ...]:
        """None where the model over them is of no network: no gradient goes through it."""
        if not (isinstance(self.model, Insightful) and self.model.heat_methods()):
            return ()
        return (*(one.reads.encoder for one in self.embeddings), *self.model.encoders)

    def insight(self, data: Dataset) -> Insight | None:
        from tunesmith.learners._embedded_insight import through

        whole = data
        for embedding in self.embeddings:
            whole = _extended(whole, embedding, embedding.numbers(data))
        inner = self.model.insight(whole) if isinstance(self.model, Insightful) else None
        return None if inner is None else through(self.embeddings, inner, data)

    def redrawn(self, seed: int) -> WithEmbeddings | None:
        drawn = self.model.redrawn(seed)
        return None if drawn is None else replace(self, model=drawn)

    def architecture(self) -> Architecture | None:
        return self.model.architecture()

    def settled(self) -> Mapping[str, Any]:
        found = dict(self.model.settled())
        for one in self.embeddings:
            if one.reads.is_text:
                found["text_backbone"] = one.reads.name
            else:
                found |= {"picture_backbone": one.reads.name, "picture_size": one.reads.length}
        return found

    def save(self, folder: Path) -> None:
        self.model.save(folder)
        pictures = 0
        for embedding in self.embeddings:
            place = folder / TEXTS
            if not embedding.reads.is_text:
                place = folder / f"{PICTURES}-{pictures}"
                pictures += 1
            place.mkdir()
            embedding.save(place)

    @staticmethod
    def around(model: Fitted, folder: Path) -> Fitted:
        """A model that was saved in a folder, with the embeddings that `save` put beside it; itself
        where there are none."""
        places = [folder / TEXTS, *sorted(folder.glob(f"{PICTURES}-*"))]
        found = tuple(Embedding.load(place) for place in places if place.is_dir())
        return WithEmbeddings(found, model) if found else model


class TableLearner(Learner[T]):
    """A learner of columns. Where its config says nothing of `text`, it knows words by itself."""

    @abstractmethod
    def fit_columns(self, problem: Problem, config: T, seed: int, watch: Watch) -> Fitted:
        """As `fit`, with texts as words and without pictures."""

    @abstractmethod
    def load_columns(self, folder: Path) -> Fitted:
        """What `fit_columns` gave, as it was saved."""

    def fit(self, problem: Problem, config: T, seed: int, watch: Watch) -> Fitted:
        given = problem.data.with_columns(problem.inputs)
        texts, pictures = given.of_kind("text"), given.of_kind("image")
        found: list[Embedding] = []
        data, text = problem.data, getattr(config, "text", TOPICS)
        if text != TOPICS:
            name = _reader(problem, "text", getattr(config, "text_backbone", ""), watch)
            embedding, numbers = Embedding.fit(problem, texts, name, watch)
            data, found = _extended(data, embedding, numbers), [embedding]
        if config.pictures != NONE:
            name = _reader(problem, "image", config.picture_backbone, watch)
            for column in pictures:
                size = config.picture_size
                embedding, numbers = Embedding.fit(problem, (column,), name, watch, size=size)
                data, found = _extended(data, embedding, numbers), [*found, embedding]
        new = data.names[len(problem.data.names) :]
        gone = {*pictures, *(texts if text == EMBEDDING else ())}
        kept = [name for name in problem.inputs if name not in gone]
        inner = replace(problem, data=data, inputs=(*kept, *new))
        model = self.fit_columns(inner, config, seed, watch)
        return WithEmbeddings(tuple(found), model) if found else model

    def load(self, folder: Path) -> Fitted:
        return WithEmbeddings.around(self.load_columns(folder), folder)


def others_embedded(
    problem: Problem, config: ReadsOneKind, watch: Watch
) -> tuple[Problem, tuple[Embedding, ...]]:
    """The problem of a network that reads one kind of content: all texts, or the first column of
    pictures. What it does not read, frozen encoders make numbers of: further columns of pictures
    are read as the first one.

    Raises:
        WeightsError: There is no checkpoint for the texts, or for the pictures.
    """
    given = problem.data.with_columns(problem.inputs)
    texts, pictures = given.of_kind("text"), given.of_kind("image")
    reads_pictures = backbone(config.backbone).reader.kind == "image"
    found: list[Embedding] = []
    data, gone = problem.data, {*(texts if reads_pictures else pictures), *pictures[1:]}
    if texts and reads_pictures:
        name = _reader(problem, "text", config.text_backbone, watch)
        embedding, numbers = Embedding.fit(problem, texts, name, watch)
        data, found = _extended(data, embedding, numbers), [embedding]
    for column in pictures[1:] if reads_pictures else pictures:
        name, size = config.backbone, config.size
        if not reads_pictures:
            name = _reader(problem, "image", config.picture_backbone, watch)
            size = config.picture_size
        embedding, numbers = Embedding.fit(problem, (column,), name, watch, size=size)
        data, found = _extended(data, embedding, numbers), [*found, embedding]
    new = data.names[len(problem.data.names) :]
    kept = [name for name in problem.inputs if name not in gone]
    return replace(problem, data=data, inputs=(*kept, *new)), tuple(found)


WORDS = {"text": "Texts", "image": "Pictures"}


def _reader(problem: Problem, kind: str, asked: str, watch: Watch) -> str:
    """The checkpoint that reads texts or pictures.

    Raises:
        WeightsError: There is none.
    """
    choose = lightest if kind == "text" else lightest_of_pictures
    name, reason = (asked, "") if asked else choose(problem)
    if not name:
        raise WeightsError(f"{WORDS[kind]} cannot be embedded: {reason}.")
    smallest = "the smallest here" + (" that knows the language" if kind == "text" else "")
    about = "text" if kind == "text" else "pictures"
    watch.tell(about, f"read by {name}: {'as asked' if asked else smallest}")
    return name


def _extended(data: Dataset, embedding: Embedding, numbers: NDArray[np.float32]) -> Dataset:
    """Rows with each of the numbers of their texts or pictures, shape (rows, width), as a column
    more."""
    new = {
        Column(embedding.name_of(place), "number", "read by an encoder"): values
        for place, values in enumerate(numbers.T.astype(np.float64))
    }
    cells = {**data.cells, **{column.name: values for column, values in new.items()}}
    return replace(data, columns=(*data.columns, *new), cells=cells)
