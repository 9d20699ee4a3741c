"""Boosted trees that grow by depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import Choice, Int, Linear, Log, config
from tunesmith.core.trees import Grove
from tunesmith.learners._beside import threads
from tunesmith.learners._boosting import (
    Boosted,
    Course,
    Table,
    idle,
    library,
    load_boosted,
    why_not,
)
from tunesmith.learners._nodes import Nodes
from tunesmith.learners._shelf import learners
from tunesmith.learners._with_embeddings import TableLearner
from tunesmith.learners._xgboost_nodes import xgboost_nodes
from tunesmith.modalities.columns import Columns
from tunesmith.zoo.backbones import MOST_SIDE

FILE = "model.ubj"


@config
class XgboostConfig:
    """How the trees grow."""

    lr: Annotated[float, Log(0.01, 0.3)] = 0.05
    """What share of each tree's answer is added."""
    max_depth: Annotated[int, Int(2, 10)] = 5
    """Most questions on the way to a leaf."""
    min_child_weight: Annotated[float, Log(0.1, 30.0)] = 1.0
    """Least curvature of the loss in a leaf: about its rows, fewer where answers are sure."""
    feature_fraction: Annotated[float, Linear(0.2, 1.0)] = 0.5
    """Share of the columns that a tree may look at."""
    row_fraction: Annotated[float, Linear(0.5, 1.0)] = 0.8
    """Share of the rows that a tree grows from."""
    l1: Annotated[float, Log(1e-6, 10.0)] = 1e-6
    """Penalty on the size of a leaf's answer."""
    l2: Annotated[float, Log(1e-3, 30.0)] = 1.0
    """Penalty on its square."""
    max_bin: Annotated[int, Choice(64, 128, 256, 512)] = 256
    """Steps that the numbers of a column are divided into."""
    one_hot_levels: Annotated[int, Choice(4, 16, 64)] = 16
    """Categories of up to so many levels are split as one against the rest."""
    most_codes: Annotated[int, Choice(0, 50, 1000)] = 50
    """Categories of up to so many levels are split as sets; of more, by the target's mean."""
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
    rounds: int = 0
    """Trees (for each class); 0 lets the valid rows end the training."""


@dataclass(frozen=True)
class XgboostTrees:
    """A booster, in XGBoost's own binary JSON."""

    booster: Any
    columns: Columns
    outputs: int

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.of(_matrix(self.columns, features))

    def of(self, matrix: Any) -> NDArray[np.float64]:
        """Margins of rows that are in XGBoost's own form already."""
        found = self.booster.predict(matrix, output_margin=True)
        return np.asarray(found, dtype=np.float64).reshape(-1, self.outputs)

    @cached_property
    def nodes(self) -> Nodes:
        return xgboost_nodes(bytes(self.booster.save_raw("json")), self.outputs)

    def grove(
        self, features: NDArray[np.float32], owners: Sequence[str], margins: NDArray[np.float64]
    ) -> Grove:
        return self.nodes.grove(features, owners, margins)

    def save(self, folder: Path) -> None:
        self.booster.save_model(str(folder / FILE))


@learners.add("xgboost")
class Xgboost(TableLearner[XgboostConfig]):
    """XGBoost with early stopping.

    Source: Chen & Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.
    """

    config = XgboostConfig
    labels = "each"
    ends_in_time = True
    fits_beside = True

    def suits(self, problem: Problem) -> str:
        return why_not(problem, "xgboost", "pip install xgboost-cpu")

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return idle(problem, ("one_hot_levels", "most_codes"))

    def fit_columns(
        self, problem: Problem, config: XgboostConfig, seed: int, watch: Watch
    ) -> Fitted:
        xgb = library("xgboost")
        table = Table.of(problem, most_codes=config.most_codes, balanced=config.balanced, seed=seed)
        settings = _settings(table, config, seed)
        train = _matrix(table.columns, table.train, table.truth, table.weights)
        valid = _matrix(table.columns, table.valid)
        course = Course(watch, config.lr, config.rounds)
        course.begin()
        booster = xgb.Booster(settings, [train, valid])
        trees = XgboostTrees(booster, table.columns, table.outputs)
        score = table.scored(seed)
        while True:
            booster.update(train, course.rounds)
            margins = trees.of(valid)  # of a matrix it knows, it adds the last tree only
            if not course.goes_on(table.loss(margins), lambda: score(margins)):  # noqa: B023
                break
        kept = booster[: course.kept]
        return Boosted.of(table, XgboostTrees(kept, table.columns, table.outputs), course.kept)

    def load_columns(self, folder: Path) -> Fitted:
        xgb = library("xgboost")

        def opened(outputs: int, columns: Columns) -> XgboostTrees:
            booster = xgb.Booster({"nthread": threads()}, model_file=str(folder / FILE))
            return XgboostTrees(booster, columns, outputs)

        return load_boosted(folder, opened)


def _matrix(
    columns: Columns,
    features: NDArray[np.float32],
    truth: NDArray[Any] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Any:
    codes = set(columns.categories)
    kinds = ["c" if place in codes else "q" for place in range(features.shape[1])]
    return library("xgboost").DMatrix(
        features,
        truth,
        weight=weights,
        feature_types=kinds,
        enable_categorical=True,
        nthread=threads(),
    )


def _settings(table: Table, config: XgboostConfig, seed: int) -> dict[str, Any]:
    classes = len(table.problem.classes)
    number = "reg:absoluteerror" if table.is_by_size else "reg:squarederror"
    objective = ("multi:softprob" if classes > 2 else "binary:logistic") if classes else number
    several = {"num_class": classes} if classes > 2 else {}
    return {
        **several,
        "objective": objective,
        "eta": config.lr,
        "max_depth": config.max_depth,
        "min_child_weight": config.min_child_weight,
        "colsample_bytree": config.feature_fraction,
        "subsample": config.row_fraction,
        "alpha": config.l1,
        "lambda": config.l2,
        "max_bin": config.max_bin,
        "max_cat_to_onehot": config.one_hot_levels,
        "tree_method": "hist",
        "seed": seed % 2**31,
        "nthread": threads(),
        "verbosity": 0,
    }
