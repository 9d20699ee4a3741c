"""TabICL: a foundation model that reads the training rows of a table with every answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import need
from tunesmith.core.records import Problem
from tunesmith.core.space import Choice, config
from tunesmith.learners import _in_context
from tunesmith.learners._shelf import learners

NATIVE_CLASSES = 10


@config
class TabICLConfig:
    """Which weights, and how many views of the table."""

    weights: str = ""
    """A checkpoint or a folder that holds one; empty for TUNESMITH_TABICL or the hub's cache."""
    views: Annotated[int, Choice(1, 4, 8, 16)] = 8
    """How often the rows are read, each time with other columns in front and other scales."""


@dataclass(frozen=True)
class TabICLModel(_in_context.Foundation):
    """Qu et al., "TabICL: A Tabular Foundation Model for In-Context Learning on Large Data", ICML
    2025, and its second version of 2026."""

    def estimator(self, weights: Path, classes: int, views: int, seed: int) -> Any:
        from tunesmith.nn.devices import device

        package = need("tabicl", extra="tabicl")
        settings = {
            "n_estimators": views,
            "model_path": weights,
            "allow_auto_download": False,
            "device": str(device()),
            "random_state": seed,
        }
        if not classes:
            return package.TabICLRegressor(**settings, kv_cache="repr")
        return package.TabICLClassifier(
            **settings, kv_cache="repr" if classes <= NATIVE_CLASSES else False
        )


TABICL = TabICLModel(
    name="TabICL",
    package="tabicl",
    variable="TUNESMITH_TABICL",
    repositories=("jingang/TabICL",),
    newest=("tabicl-classifier-v2-20260212.ckpt", "tabicl-regressor-v2-20260212.ckpt"),
    most_rows=100_000,
    most_columns=2000,
    most_classes=1000,
    license="BSD-3-Clause",
)


@learners.add("tabicl")
class TabICL(Learner[TabICLConfig]):
    """In-context learning with the weights of TabICL."""

    config = TabICLConfig
    knows_weights = False

    def suits(self, problem: Problem) -> str:
        return TABICL.why_not(problem)

    def fit(self, problem: Problem, config: TabICLConfig, seed: int, watch: Watch) -> Fitted:
        return _in_context.fit(TABICL, problem, config.weights, config.views, seed, watch)

    def load(self, folder: Path) -> Fitted:
        return _in_context.load(TABICL, folder)
