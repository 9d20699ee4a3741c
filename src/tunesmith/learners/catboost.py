"""Boosted symmetric trees, with statistics of categories that know only the rows before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import read_json
from tunesmith.core.space import Choice, Int, Log, config
from tunesmith.core.trees import Grove
from tunesmith.learners._beside import threads
from tunesmith.learners._boosting import (
    MOST_ROUNDS,
    Boosted,
    Course,
    Table,
    idle,
    library,
    load_boosted,
    why_not,
)
from tunesmith.learners._catboost_nodes import Symmetric
from tunesmith.learners._shelf import learners
from tunesmith.learners._with_embeddings import TableLearner
from tunesmith.modalities.columns import FIRST, MOST_LEVELS, Columns
from tunesmith.zoo.backbones import MOST_SIDE

FILE = "trees.json"
METRICS = {
    "roc_auc": ("AUC:hints=skip_train~true", 1.0),
    "accuracy": ("Accuracy", 1.0),
    "mcc": ("MCC", 1.0),
    "rmse": ("RMSE", -1.0),
    "mae": ("MAE", -1.0),
    "r2": ("R2", 1.0),
}
"""What CatBoost reports of a training under way by the same definition, and its sign."""


@config
class CatboostConfig:
    """How the trees grow."""

    lr: Annotated[float, Log(0.01, 0.3)] = 0.06
    """What share of each tree's answer is added."""
    max_depth: Annotated[int, Int(3, 9)] = 6
    """Questions on the way to a leaf; a level of a tree asks one and the same."""
    l2: Annotated[float, Log(0.3, 30.0)] = 3.0
    """Penalty on the square of a leaf's answer."""
    randomness: Annotated[float, Log(0.01, 10.0)] = 1.0
    """Noise on the worth of a split, when the tree is chosen."""
    bagging: Annotated[float, Choice(0.0, 0.5, 1.0)] = 0.0
    """How far the weights of the rows vary from tree to tree."""
    max_bin: Annotated[int, Choice(64, 128, 254)] = 128
    """Steps that the numbers of a column are divided into."""
    one_hot_levels: Annotated[int, Choice(2, 10, 30)] = 10
    """Categories of up to so many levels are split as one against the rest."""
    combined: Annotated[int, Choice(1, 2)] = 1
    """Of how many categories together statistics are taken."""
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
    """Trees; 0 lets the valid rows end the training."""


@dataclass(frozen=True)
class CatboostTrees:
    """A model, in CatBoost's own JSON."""

    model: Any
    columns: Columns
    outputs: int
    pool: Any = None
    """Rows it was fitted on, whose categories are written into the file."""

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = _pool(self.columns, features)
        found = self.model.predict(rows, prediction_type="RawFormulaVal", thread_count=threads())
        return np.asarray(found, dtype=np.float64).reshape(-1, self.outputs)

    @cached_property
    def nodes(self) -> Symmetric:
        with tempfile.TemporaryDirectory() as place:
            self.save(Path(place))
            return Symmetric.of(read_json(Path(place) / FILE), self.outputs)

    def grove(
        self, features: NDArray[np.float32], owners: Sequence[str], margins: NDArray[np.float64]
    ) -> Grove:
        rows = _pool(self.columns, features)
        leaves = self.model.calc_leaf_indexes(rows, thread_count=threads())
        codes = self.columns.categories
        numbers = [place for place in range(len(owners)) if place not in codes]
        names = [owners[place] for place in (*numbers, *codes)]
        return self.nodes.grove(np.asarray(leaves, dtype=np.int64), names, margins)

    def save(self, folder: Path) -> None:
        self.model.save_model(str(folder / FILE), format="json", pool=self.pool)


@dataclass
class _Callback:
    """What CatBoost calls after each tree."""

    course: Course
    loss: str
    metric: str
    sign: float

    def after_iteration(self, info: Any) -> bool:
        seen: Mapping[str, Any] = info.metrics["validation"]

        def score() -> float | None:
            values = seen.get(self.metric)
            return self.sign * values[-1] if values else None

        return self.course.goes_on(seen[self.loss][-1], score)


@learners.add("catboost")
class Catboost(TableLearner[CatboostConfig]):
    """CatBoost with early stopping.

    Source: Prokhorenkova et al., "CatBoost: Unbiased Boosting with Categorical Features", NeurIPS
    2018.
    """

    config = CatboostConfig
    labels = "each"
    ends_in_time = True
    fits_beside = True

    def suits(self, problem: Problem) -> str:
        return why_not(problem, "catboost", 'pip install "tunesmith[boosting]"')

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return idle(problem, ("one_hot_levels", "combined"))

    def fit_columns(
        self, problem: Problem, config: CatboostConfig, seed: int, watch: Watch
    ) -> Fitted:
        catboost = library("catboost")
        table = Table.of(problem, most_codes=MOST_LEVELS, balanced=config.balanced, seed=seed)
        settings, loss = _settings(table, config, seed)
        name, sign = _reported(table)
        train = _pool(table.columns, table.train, table.truth, table.weights)
        valid = _pool(table.columns, table.valid, table.valid_truth)
        course = Course(watch, config.lr, config.rounds)
        course.begin()
        model = catboost.CatBoost({**settings, **({"custom_metric": [name]} if name else {})})
        watching = _Callback(course, loss, name.partition(":")[0], sign)
        model.fit(train, eval_set=valid, callbacks=[watching])
        if course.kept < model.tree_count_:
            model.shrink(course.kept)
        trees = CatboostTrees(model, table.columns, table.outputs, train)
        return Boosted.of(table, trees, course.kept)

    def load_columns(self, folder: Path) -> Fitted:
        catboost = library("catboost")

        def opened(outputs: int, columns: Columns) -> CatboostTrees:
            model = catboost.CatBoost().load_model(str(folder / FILE), format="json")
            return CatboostTrees(model, columns, outputs)

        return load_boosted(folder, opened)


def _pool(
    columns: Columns,
    features: NDArray[np.float32],
    truth: NDArray[Any] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Any:
    """Rows in CatBoost's own form: numbers, and codes as words."""
    catboost = library("catboost")
    codes = list(columns.categories)
    numbers = np.delete(features, codes, axis=1)
    words = np.array([str(code).encode() for code in range(MOST_LEVELS + FIRST)], dtype=object)
    rows = catboost.FeaturesData(
        num_feature_data=np.ascontiguousarray(numbers) if numbers.shape[1] else None,
        cat_feature_data=words[features[:, codes].astype(np.int64)] if codes else None,
    )
    return catboost.Pool(rows, label=truth, weight=weights)


def _reported(table: Table) -> tuple[str, float]:
    """The problem's metric by CatBoost's name, empty where it has none or another, and by what its
    value is multiplied: in the units of the target, higher is better."""
    name, sign = METRICS.get(table.problem.metric, ("", 1.0))
    if table.outputs > 1 and name != "Accuracy":
        return "", 1.0
    return name, sign * (table.scale if name in ("RMSE", "MAE") else 1.0)


def _settings(table: Table, config: CatboostConfig, seed: int) -> tuple[dict[str, Any], str]:
    """Parameters, and the loss by name."""
    classes = len(table.problem.classes)
    number = "MAE" if table.is_by_size else "RMSE"
    loss = ("MultiClass" if classes > 2 else "Logloss") if classes else number
    several = {"classes_count": classes} if classes > 2 else {}
    has_bags = {"bootstrap_type": "Bayesian", "bagging_temperature": config.bagging}
    return {
        **several,
        **has_bags,
        "loss_function": loss,
        "learning_rate": config.lr,
        "iterations": config.rounds or MOST_ROUNDS,
        "depth": config.max_depth,
        "l2_leaf_reg": config.l2,
        "random_strength": config.randomness,
        "border_count": config.max_bin,
        "one_hot_max_size": config.one_hot_levels,
        "max_ctr_complexity": config.combined,
        "use_best_model": False,
        "random_seed": seed % 2**31,
        "thread_count": threads(),
        "allow_writing_files": False,
        "verbose": False,
    }, loss
