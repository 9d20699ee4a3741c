"""Many trees grown apart, each on rows and columns drawn at random; their mean answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.space import Choice, Int, Linear, config
from tunesmith.core.trees import LEAF, Grove
from tunesmith.learners._beside import threads
from tunesmith.learners._boosting import Table, idle, load_columns, save_columns, why_not
from tunesmith.learners._nodes import NO_SET, Nodes
from tunesmith.learners._shelf import learners
from tunesmith.learners._with_embeddings import TableLearner
from tunesmith.modalities.columns import Columns
from tunesmith.zoo.backbones import MOST_SIDE

MOST_ROWS_A_TREE = 100_000
BLOCK_ROWS = 1_000


@config
class ForestConfig:
    """How the trees grow."""

    extra: Annotated[bool, Choice(False, True)] = False
    """Extremely randomised: one threshold a column, drawn at random, and all rows for each tree."""
    min_samples_leaf: Annotated[int, Int(1, 30, log=True)] = 3
    """Fewest rows of a leaf."""
    max_features: Annotated[float, Linear(0.1, 1.0)] = 0.3
    """Share of the columns that a split may look at."""
    most_codes: Annotated[int, Choice(0, 1000)] = 0
    """Categories of up to so many levels are taken by how common a level is; of more, by the
    target's mean."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
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
    trees: int = 300
    """Fewer where the time is over before."""


@dataclass(frozen=True)
class Grown:
    """Trees in one row of nodes. The left child of a node is the next one, its right one
    `right[node]`; of a leaf, whose `feature` is -1, `right` is its place in `values`, shape
    (leaves, outputs). A row goes left where its feature is at most the node's threshold."""

    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    right: NDArray[np.int32]
    values: NDArray[np.float32]

    @staticmethod
    def of(estimators: list[Any]) -> Grown:
        """What scikit-learn has grown, depth first."""
        roots, feature, threshold, right, values = [], [], [], [], []
        nodes = leaves = 0
        for estimator in estimators:
            tree = estimator.tree_
            is_leaf = tree.children_left < 0
            inner = np.flatnonzero(~is_leaf)
            if (tree.children_left[inner] != inner + 1).any():
                raise ValueError("the left child of a node is expected to follow it")
            places = np.where(is_leaf, leaves + np.cumsum(is_leaf) - 1, nodes + tree.children_right)
            roots.append(nodes)
            feature.append(np.where(is_leaf, LEAF, tree.feature).astype(np.int16))
            threshold.append(_floor(tree.threshold))
            right.append(places.astype(np.int32))
            found = tree.value[is_leaf]
            values.append(found.reshape(len(found), -1).astype(np.float32))
            nodes, leaves = nodes + len(is_leaf), leaves + len(found)
        return Grown(
            np.array(roots, dtype=np.int32),
            np.concatenate(feature),
            np.concatenate(threshold),
            np.concatenate(right),
            np.concatenate(values),
        )

    def mean(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The mean of the leaves in which each row ends, shape (rows, width) → (rows, outputs)."""
        parts = [
            self._mean(features[start : start + BLOCK_ROWS])
            for start in range(0, max(1, len(features)), BLOCK_ROWS)
        ]
        return np.concatenate(parts)

    def _mean(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        width, trees = features.shape[1], len(self.roots)
        flat = features.ravel()
        at = np.tile(self.roots, len(features))
        start = np.repeat(np.arange(len(features)) * width, trees)
        moving = np.arange(len(at))
        while len(moving):
            node = at[moving]
            column = self.feature[node]
            inner = column != LEAF
            moving, node, column = moving[inner], node[inner], column[inner]
            goes_left = flat[start[moving] + column] <= self.threshold[node]
            at[moving] = np.where(goes_left, node + 1, self.right[node])
        found = self.values[self.right[at]].reshape(len(features), trees, -1)
        return np.asarray(found.mean(axis=1, dtype=np.float64))

    def nodes(self) -> Nodes:
        count, is_leaf = len(self.feature), self.feature == LEAF
        return Nodes(
            roots=self.roots.astype(np.int64),
            left=np.where(is_leaf, LEAF, np.arange(1, count + 1)),
            right=self.right.astype(np.int64),
            feature=np.where(is_leaf, 0, self.feature).astype(np.int64),
            threshold=self.threshold.astype(np.float64),
            missing_left=np.zeros(count, dtype=bool),
            values=self.values.astype(np.float64),
            level_set=np.full(count, NO_SET),
            levels=np.zeros((0, 1), dtype=bool),
        )

    def tensors(self) -> dict[str, NDArray[Any]]:
        return dict(vars(self))


def _floor(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest single-precision numbers that are not above: what single-precision numbers are
    at most the same."""
    found = threshold.astype(np.float32)
    return np.where(found > threshold, np.nextafter(found, np.float32(-np.inf)), found)


@dataclass(frozen=True)
class ForestModel(Fitted):
    """Columns, then trees. A missing number counts as `lows`, shape (width,), below all others."""

    classes: tuple[str, ...]
    columns: Columns
    lows: NDArray[np.float32]
    grown: Grown
    mean: float
    scale: float

    @property
    def inputs(self) -> Columns:
        return self.columns

    def predict(self, data: Dataset) -> Prediction:
        found = self.grown.mean(_filled(self.columns.matrix(data), self.lows))
        if not self.classes:
            return Values(found[:, 0] * self.scale + self.mean)
        return ClassScores(self.classes, found / found.sum(axis=1, keepdims=True))

    @property
    def is_of_trees(self) -> bool:
        return True

    def groves(self, data: Dataset, output: int) -> Sequence[tuple[Grove, float]]:
        features = _filled(self.columns.matrix(data), self.lows)
        margins = self.grown.mean(features) * self.scale + self.mean
        grown = self.grown
        grove = self.nodes.grove(features, self.columns.owners, margins)
        share = self.scale / len(grown.roots)
        return [(replace(grove, values=grown.values.astype(np.float64) * share), 1.0)]

    @cached_property
    def nodes(self) -> Nodes:
        return self.grown.nodes()

    def settled(self) -> dict[str, Any]:
        return {"trees": len(self.grown.roots)}

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        facts = {"mean": self.mean, "scale": self.scale}
        save_columns(folder, self.classes, self.columns, facts)
        save_file({**self.grown.tensors(), "lows": self.lows}, folder / "forest.safetensors")


@learners.add("forest")
class Forest(TableLearner[ForestConfig]):
    """Random forest, or extremely randomised trees.

    Source: Breiman, "Random Forests", Machine Learning 2001; Geurts et al., "Extremely Randomized
    Trees", Machine Learning 2006.
    """

    config = ForestConfig
    labels = "each"
    ends_in_time = True
    fits_beside = True

    def suits(self, problem: Problem) -> str:
        return why_not(problem)

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return idle(problem, ("most_codes",))

    def fit_columns(
        self, problem: Problem, config: ForestConfig, seed: int, watch: Watch
    ) -> Fitted:
        table = Table.of(problem, most_codes=config.most_codes, balanced=config.balanced, seed=seed)
        low = np.nanmin(np.where(np.isnan(table.train), np.inf, table.train), axis=0)
        lows = np.where(np.isfinite(low), low - 1 - np.abs(low), 0).astype(np.float32)
        grown = Grown.of(_grow(table, _filled(table.train, lows), config, seed, watch.clock))
        values = grown.values
        if problem.classes:  # of the classes that stand in train, among all
            wide = np.zeros((len(values), len(problem.classes)), dtype=np.float32)
            wide[:, np.unique(table.truth)] = values
            values = wide
        whole = Grown(grown.roots, grown.feature, grown.threshold, grown.right, values)
        return ForestModel(problem.classes, table.columns, lows, whole, table.mean, table.scale)

    def load_columns(self, folder: Path) -> Fitted:
        from safetensors.numpy import load_file

        classes, columns, facts = load_columns(folder)
        tensors = load_file(folder / "forest.safetensors")
        lows = tensors.pop("lows")
        return ForestModel(classes, columns, lows, Grown(**tensors), facts["mean"], facts["scale"])


def _filled(features: NDArray[np.float32], lows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isnan(features), lows, features)


def _grow(
    table: Table, features: NDArray[np.float32], config: ForestConfig, seed: int, clock: Clock
) -> list[Any]:
    """Trees, as many as there is time for.

    Raises:
        BudgetError: The time is over before the first.
    """
    from sklearn import ensemble

    if clock.is_over():
        raise BudgetError(
            f"reading the columns took {clock.elapsed():.1f} s; there was no time for a first tree"
        )
    kind = "ExtraTrees" if config.extra else "RandomForest"
    name = f"{kind}{'Classifier' if table.problem.classes else 'Regressor'}"
    is_large = len(features) > MOST_ROWS_A_TREE
    forest = getattr(ensemble, name)(
        n_estimators=0,
        warm_start=True,
        min_samples_leaf=config.min_samples_leaf,
        max_features=config.max_features,
        bootstrap=is_large or not config.extra,
        max_samples=MOST_ROWS_A_TREE if is_large else None,
        n_jobs=threads(),
        random_state=seed % 2**31,
    )
    step = threads()
    while forest.n_estimators < config.trees:
        began = clock.elapsed()
        forest.n_estimators = min(config.trees, forest.n_estimators + step)
        forest.fit(features, table.truth, sample_weight=table.weights)
        each = (clock.elapsed() - began) / step
        if clock.left() <= 2 * each * threads():
            break
        step = int(min(config.trees, max(threads(), clock.left() / 2 / max(each, 1e-6))))
    return list(forest.estimators_)
