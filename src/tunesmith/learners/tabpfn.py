"""TabPFN: a foundation model that reads the training rows of a small table with every answer."""

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


@config
class TabPFNConfig:
    """Which weights, and how many views of the table."""

    weights: str = ""
    """A checkpoint or a folder that holds one; empty for TUNESMITH_TABPFN or the hub's cache."""
    views: Annotated[int, Choice(1, 4, 8, 16)] = 8
    """How often the rows are read, each time with other columns in front and other scales."""


@dataclass(frozen=True)
class TabPFNModel(_in_context.Foundation):
    """Hollmann et al., "Accurate predictions on small data with a tabular foundation model", Nature
    2025."""

    def estimator(self, weights: Path, classes: int, views: int, seed: int) -> Any:
        from tunesmith.nn.devices import device

        package = need("tabpfn", extra="tabpfn")
        make = package.TabPFNClassifier if classes else package.TabPFNRegressor
        return make(
            n_estimators=views,
            model_path=str(weights),
            device=str(device()),
            ignore_pretraining_limits=True,  # ours are checked before
            random_state=seed,
        )


TABPFN = TabPFNModel(
    name="TabPFN",
    package="tabpfn",
    variable="TUNESMITH_TABPFN",
    repositories=("Prior-Labs/TabPFN-v2-clf", "Prior-Labs/TabPFN-v2-reg"),
    newest=("tabpfn-v2-classifier.ckpt", "tabpfn-v2-regressor.ckpt"),
    most_rows=10_000,
    most_columns=500,
    most_classes=10,
    license="Prior Labs License, with attribution; weights after version 2 are for "
    "non-commercial use alone",
)


@learners.add("tabpfn")
class TabPFN(Learner[TabPFNConfig]):
    """In-context learning with the weights of TabPFN."""

    config = TabPFNConfig
    knows_weights = False

    def suits(self, problem: Problem) -> str:
        return TABPFN.why_not(problem)

    def fit(self, problem: Problem, config: TabPFNConfig, seed: int, watch: Watch) -> Fitted:
        return _in_context.fit(TABPFN, problem, config.weights, config.views, seed, watch)

    def load(self, folder: Path) -> Fitted:
        return _in_context.load(TABPFN, folder)
