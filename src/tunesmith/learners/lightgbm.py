"""Boosted trees that grow by leaves."""

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
from tunesmith.learners._lightgbm_nodes import lightgbm_nodes
from tunesmith.learners._nodes import Nodes
from tunesmith.learners._shelf import learners
from tunesmith.learners._with_embeddings import TableLearner
from tunesmith.zoo.backbones import MOST_SIDE

FILE = "model.txt"
GROUP_ROWS = 20
"""Fewest rows of a level that is placed among others."""


@config
class LightgbmConfig:
    """How the trees grow."""

    lr: Annotated[float, Log(0.01, 0.2)] = 0.05
    """What share of each tree's answer is added."""
    num_leaves: Annotated[int, Int(4, 255, log=True)] = 12
    """Most leaves of a tree."""
    min_child_samples: Annotated[int, Int(2, 200, log=True)] = 10
    """Fewest rows of a leaf."""
    feature_fraction: Annotated[float, Linear(0.2, 1.0)] = 0.4
    """Share of the columns that a tree may look at."""
    row_fraction: Annotated[float, Linear(0.5, 1.0)] = 0.9
    """Share of the rows that a tree grows from."""
    l1: Annotated[float, Log(1e-6, 10.0)] = 1e-6
    """Penalty on the size of a leaf's answer."""
    l2: Annotated[float, Log(1e-3, 30.0)] = 1.0
    """Penalty on its square."""
    max_bin: Annotated[int, Choice(63, 127, 255, 511)] = 255
    """Steps that the numbers of a column are divided into."""
    extra_trees: Annotated[bool, Choice(False, True)] = False
    """Try one threshold a column, drawn at random, not all."""
    cat_smooth: Annotated[float, Log(1.0, 100.0)] = 10.0
    """By how many rows the levels of a category are held back when they are ordered."""
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
    rising: int = 0
    """Of so many first columns of numbers the answer may only rise."""
    rounds: int = 0
    """Trees (for each class); 0 lets the valid rows end the training."""


@dataclass(frozen=True)
class LightgbmTrees:
    """A booster, in LightGBM's own text format."""

    booster: Any
    outputs: int

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        found = self.booster.predict(features, raw_score=True, num_threads=threads())
        return np.asarray(found, dtype=np.float64).reshape(-1, self.outputs)

    @cached_property
    def nodes(self) -> Nodes:
        return lightgbm_nodes(self.booster.model_to_string(), self.outputs)

    def grove(
        self, features: NDArray[np.float32], owners: Sequence[str], margins: NDArray[np.float64]
    ) -> Grove:
        return self.nodes.grove(features, owners, margins)

    def save(self, folder: Path) -> None:
        self.booster.save_model(str(folder / FILE))


@learners.add("lightgbm")
class Lightgbm(TableLearner[LightgbmConfig]):
    """LightGBM with early stopping.

    Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.
    """

    config = LightgbmConfig
    labels = "each"
    ends_in_time = True
    fits_beside = True

    def suits(self, problem: Problem) -> str:
        return why_not(problem, "lightgbm", "pip install lightgbm")

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return idle(problem, ("cat_smooth", "one_hot_levels", "most_codes"))

    def fit_columns(
        self, problem: Problem, config: LightgbmConfig, seed: int, watch: Watch
    ) -> Fitted:
        lgb = library("lightgbm")
        table = Table.of(problem, most_codes=config.most_codes, balanced=config.balanced, seed=seed)
        settings = _settings(table, config, seed)
        shared = {"categorical_feature": list(table.columns.categories), "params": settings}
        train = lgb.Dataset(table.train, table.truth, weight=table.weights, **shared)
        valid = train.create_valid(table.valid, table.valid_truth, params=settings)
        course = Course(watch, config.lr, config.rounds)
        course.begin()
        booster = lgb.Booster(settings, train).add_valid(valid, "valid")
        trees = LightgbmTrees(booster, table.outputs)
        score = table.scored(seed)
        while True:
            is_complete = booster.update()
            (_, _, loss, _), *_ = booster.eval_valid()
            if not course.goes_on(loss, lambda: score(trees.margins(table.valid))) or is_complete:
                break
        text = booster.model_to_string(num_iteration=course.kept)
        kept = lgb.Booster(model_str=text)
        return Boosted.of(table, LightgbmTrees(kept, table.outputs), course.kept)

    def load_columns(self, folder: Path) -> Fitted:
        lgb = library("lightgbm")
        return load_boosted(
            folder,
            lambda outputs, _: LightgbmTrees(lgb.Booster(model_file=str(folder / FILE)), outputs),
        )


def _settings(table: Table, config: LightgbmConfig, seed: int) -> dict[str, Any]:
    classes = len(table.problem.classes)
    number = "regression_l1" if table.is_by_size else "regression"
    objective = ("multiclass" if classes > 2 else "binary") if classes else number
    return {
        "objective": objective,
        "num_class": classes if classes > 2 else 1,
        "learning_rate": config.lr,
        "num_leaves": config.num_leaves,
        "min_data_in_leaf": config.min_child_samples,
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.row_fraction,
        "bagging_freq": 1 if config.row_fraction < 1 else 0,
        "lambda_l1": config.l1,
        "lambda_l2": config.l2,
        "max_bin": config.max_bin,
        "extra_trees": config.extra_trees,
        "cat_smooth": config.cat_smooth,
        "max_cat_to_onehot": config.one_hot_levels,
        "min_data_per_group": GROUP_ROWS,
        "monotone_constraints": [int(i < config.rising) for i in range(table.train.shape[1])],
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads(),
        "verbosity": -1,
    }
