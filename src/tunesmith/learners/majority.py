"""The commonest answer, or the median: what every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.predictions import Prediction, prediction_of
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import config
from tunesmith.learners._shelf import learners


@config
class MajorityConfig:
    """Nothing to choose."""


@dataclass(frozen=True)
class Constant(Fitted):
    """The same answer for every row: class shares, one number, or the share of each of several
    labels."""

    classes: tuple[str, ...]
    numbers: tuple[float, ...]
    several: bool = False

    def predict(self, data: Dataset) -> Prediction:
        rows = np.tile(np.array(self.numbers, dtype=np.float64), (len(data), 1))
        found = rows if self.classes else rows[:, 0]
        return prediction_of(found, self.classes, several=self.several)

    def save(self, folder: Path) -> None:
        write_json(folder / "model.json", vars(self))


@learners.add("majority")
class Majority(Learner[MajorityConfig]):
    """Class shares of the training rows, or their median."""

    config = MajorityConfig
    labels = "together"

    def suits(self, problem: Problem) -> str:
        return ""

    def fit(self, problem: Problem, config: MajorityConfig, seed: int, watch: Watch) -> Fitted:
        truth, weights = problem.truth("train"), problem.weight("train")
        if not problem.classes:
            return Constant((), (_median(truth, weights),))
        if problem.several:
            each = np.average(truth, axis=0, weights=weights)
            return Constant(problem.classes, tuple(map(float, each)), several=True)
        shares = np.bincount(truth, weights, minlength=len(problem.classes))
        shares = shares / shares.sum()
        return Constant(problem.classes, tuple(float(share) for share in shares))

    def load(self, folder: Path) -> Fitted:
        saved = read_json(folder / "model.json")
        several = saved.get("several", False)
        return Constant(tuple(saved["classes"]), tuple(saved["numbers"]), several)


def _median(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> float:
    """The number with half of the weight on either side; the middle of two that have."""
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    ends = [int(np.searchsorted(sums, sums[-1] / 2, side)) for side in ("left", "right")]
    return float(values[order][np.minimum(ends, len(order) - 1)].mean())
