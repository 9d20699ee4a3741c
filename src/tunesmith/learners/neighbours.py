"""The rows most alike answer, the nearer ones more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import Choice, config
from tunesmith.learners._beside import threads
from tunesmith.learners._boosting import why_not
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.learners._with_embeddings import TableLearner, idle_contents
from tunesmith.modalities.inputs import Inputs
from tunesmith.modalities.topics import Topics
from tunesmith.zoo.backbones import MOST_SIDE

MOST_ROWS = 50_000
COUNTS = (1, 2, 5, 10, 20, 40, 80, 160, 320)
LEAST_DISTANCE = 1e-3
"""Of the mean distance: nearer rows count no more."""
PRIOR = 1.0
"""By so many neighbours at the mean distance the shares of all rows count beside theirs."""
TEXT_SCALE = 4.0
"""A text counts about as much as so many numbers."""


@config
class NeighboursConfig:
    """How many rows answer, and what makes them alike."""

    relevant: Annotated[bool, Choice(True, False)] = True
    """Let each feature count by how closely it goes with the target."""
    by_distance: Annotated[bool, Choice(True, False)] = True
    """Let nearer rows count more."""
    text: Annotated[str, Choice("topics", "embedding", "both")] = "topics"
    """What stands for a text: the topics of its words, frozen features of an encoder, or both."""
    text_backbone: str = ""
    """The checkpoint that reads texts; empty for the smallest on this machine that knows the
    language."""
    pictures: Annotated[str, Choice("none", "embedding")] = "none"
    """What stands for a picture: nothing, or frozen features of an encoder."""
    picture_backbone: str = ""
    """The checkpoint that reads pictures; empty for the smallest on this machine."""
    picture_size: Annotated[int, Choice(0, 64, 96, 128, 160, 224), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    count: int = 0
    """Rows that answer; 0 lets the valid rows choose."""


@dataclass(frozen=True)
class NeighboursModel(Fitted):
    """The training rows: `rows` of shape (rows, width), already scaled by `scales` of shape
    (width,), with `answers` of shape (rows, outputs)."""

    classes: tuple[str, ...]
    inputs: Inputs
    topics: Mapping[str, Topics]
    scales: NDArray[np.float32]
    rows: NDArray[np.float32]
    answers: NDArray[np.float64]
    count: int
    by_distance: bool

    def features(self, data: Dataset) -> NDArray[np.float32]:
        return _features(self.inputs, self.topics, data) * self.scales

    def nearest(
        self, features: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances and rows of the nearest, each of shape (rows, count), the nearest first."""
        return self._index.kneighbors(features, n_neighbors=min(count, len(self.rows)))  # type: ignore[no-any-return]

    @cached_property
    def _index(self) -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(algorithm="brute", n_jobs=threads()).fit(self.rows)

    def answer(
        self, distances: NDArray[np.float64], rows: NDArray[np.int64], count: int
    ) -> Prediction:
        """What the first so many of the nearest say."""
        near = distances[:, :count]
        usual = np.maximum(near.mean(axis=1, keepdims=True), 1e-12)
        weights = np.ones_like(near)
        if self.by_distance:
            weights = 1 / np.maximum(near / usual, LEAST_DISTANCE)
        found = (weights[:, :, None] * self.answers[rows[:, :count]]).sum(axis=1)
        total = weights.sum(axis=1, keepdims=True)
        if not self.classes:
            return Values(found[:, 0] / total[:, 0])
        prior = PRIOR * self.answers.mean(axis=0)
        return ClassScores(self.classes, (found + prior) / (total + PRIOR))

    def predict(self, data: Dataset) -> Prediction:
        self.inputs.check(data)
        return self.answer(*self.nearest(self.features(data), self.count), self.count)

    def settled(self) -> dict[str, Any]:
        return {"count": self.count}

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        write_json(
            folder / "model.json",
            {
                "classes": self.classes,
                "inputs": self.inputs.state(),
                "vocabularies": {name: t.vocabulary for name, t in self.topics.items()},
                "count": self.count,
                "by_distance": self.by_distance,
            },
        )
        tensors = {"scales": self.scales, "rows": self.rows, "answers": self.answers}
        for place, topics in enumerate(self.topics.values()):
            tensors[f"{place}.idf"] = np.ascontiguousarray(topics.idf, dtype=np.float64)
            tensors[f"{place}.directions"] = np.ascontiguousarray(topics.directions)
        save_file(tensors, folder / "model.safetensors")


@learners.add("neighbours")
class Neighbours(TableLearner[NeighboursConfig]):
    """k nearest neighbours on scaled numbers; the valid part chooses k.

    Source: Cover & Hart, "Nearest Neighbor Pattern Classification", IEEE Transactions on
    Information Theory 1967; Dudani, "The Distance-Weighted k-Nearest-Neighbor Rule", 1976.
    """

    config = NeighboursConfig
    labels = "each"
    knows_weights = False

    def suits(self, problem: Problem) -> str:
        rows = len(problem.parts["train"])
        if rows > MOST_ROWS:
            return f"it keeps and compares every row, and {rows:,} are more than {MOST_ROWS:,}"
        return why_not(problem)

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return idle_contents(problem)

    def fit_columns(
        self, problem: Problem, config: NeighboursConfig, seed: int, watch: Watch
    ) -> Fitted:
        train, truth = problem.part("train"), problem.truth("train")
        inputs = Inputs.fit(train, problem.inputs)
        topics = {
            name: Topics.fit([cell or "" for cell in train.values(name)], seed)
            for name in inputs.text_names
        }
        features = _features(inputs, topics, train)
        answers = np.eye(len(problem.classes))[truth] if problem.classes else truth[:, None]
        relevance = _scales(features, answers) if config.relevant else np.ones(features.shape[1])
        scales: NDArray[np.float32] = relevance.astype(np.float32)
        if watch.clock.is_over():
            raise BudgetError("there was no time to compare rows")
        model = NeighboursModel(
            problem.classes,
            inputs,
            topics,
            scales,
            features * scales,
            np.asarray(answers, dtype=np.float64),
            config.count,
            config.by_distance,
        )
        if config.count:
            return model
        valid = problem.part("valid")
        counts = [count for count in COUNTS if count <= len(train)]
        distances, rows = model.nearest(model.features(valid), counts[-1])
        rate = selection_score(problem, seed, likelihood=by_likelihood(len(valid)))
        best = max(counts, key=lambda count: rate(model.answer(distances, rows, count)))
        return replace(model, count=best)

    def load_columns(self, folder: Path) -> Fitted:
        from safetensors.numpy import load_file

        saved, tensors = read_json(folder / "model.json"), load_file(folder / "model.safetensors")
        topics = {
            name: Topics(tuple(words), tensors[f"{place}.idf"], tensors[f"{place}.directions"])
            for place, (name, words) in enumerate(saved["vocabularies"].items())
        }
        return NeighboursModel(
            tuple(saved["classes"]),
            Inputs.restore(saved["inputs"]),
            topics,
            tensors["scales"],
            tensors["rows"],
            tensors["answers"],
            saved["count"],
            saved["by_distance"],
        )


def _features(inputs: Inputs, topics: Mapping[str, Topics], data: Dataset) -> NDArray[np.float32]:
    parts = [inputs.dense(data)]
    for name, one in topics.items():
        texts = [cell or "" for cell in data.values(name)]
        parts.append(np.float32(TEXT_SCALE) * one.transform(texts)[:, :-1])
    return np.concatenate(parts, axis=1)


def _scales(features: NDArray[np.float32], answers: NDArray[Any]) -> NDArray[np.float64]:
    """How closely each feature goes with the answers: the largest correlation, shape (width,)."""
    columns = features - features.mean(axis=0, dtype=np.float64)
    wanted = answers - answers.mean(axis=0)
    size = np.sqrt((columns**2).sum(axis=0))[:, None] * np.sqrt((wanted**2).sum(axis=0))
    found = np.abs(columns.T @ wanted) / np.maximum(size, 1e-12)
    most = found.max(axis=1)
    return np.asarray(most / max(float(most.max()), 1e-12), dtype=np.float64)
