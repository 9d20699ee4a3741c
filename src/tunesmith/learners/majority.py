"""The commonest answer, or the median: what every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import config
from tunesmith.learners._shelf import learners


@config
class MajorityConfig:
    """Nothing to choose."""


@dataclass(frozen=True)
class Constant(Fitted):
    """The same answer for every row: class shares, or one number."""

    classes: tuple[str, ...]
    numbers: tuple[float, ...]

    def predict(self, data: Dataset) -> Prediction:
        rows = np.tile(np.array(self.numbers, dtype=np.float64), (len(data), 1))
        return ClassScores(self.classes, rows) if self.classes else Values(rows[:, 0])

    def save(self, folder: Path) -> None:
        write_json(folder / "model.json", {"classes": self.classes, "numbers": self.numbers})


@learners.add("majority")
class Majority(Learner[MajorityConfig]):
    """Class shares of the training rows, or their median."""

    config = MajorityConfig

    def suits(self, problem: Problem) -> str:
        return ""

    def fit(self, problem: Problem, config: MajorityConfig, seed: int, watch: Watch) -> Fitted:
        truth = problem.truth("train")
        if not problem.classes:
            return Constant((), (float(np.median(truth)),))
        shares = np.bincount(truth, minlength=len(problem.classes)) / len(truth)
        return Constant(problem.classes, tuple(float(share) for share in shares))

    def load(self, folder: Path) -> Fitted:
        saved = read_json(folder / "model.json")
        return Constant(tuple(saved["classes"]), tuple(saved["numbers"]))
