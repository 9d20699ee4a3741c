"""One weight for each of several models, over their answers. Made for the top of a stack; nobody
proposes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.blas import one_thread
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import config
from tunesmith.learners._shelf import learners

HELD = 4.0
"""Rows whose weight the equal mean has: with few rows there is little to tell models apart by."""


@config
class PoolConfig:
    """Nothing to choose."""


@dataclass(frozen=True)
class Pool(Fitted):
    """Log odds, log probabilities, or numbers of `models`, side by side in `names`, in a sum with
    weights of zero or more, and a constant for each output."""

    classes: tuple[str, ...]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    constants: NDArray[np.float64]

    def predict(self, data: Dataset) -> Prediction:
        sums = _answers(data, self.names, len(self.weights)) @ self.weights + self.constants
        if not self.classes:
            return Values(sums[:, 0])
        return ClassScores(self.classes, _probabilities(sums))

    def save(self, folder: Path) -> None:
        told = {"classes": self.classes, "names": self.names}
        numbers = {"weights": self.weights.tolist(), "constants": self.constants.tolist()}
        write_json(folder / "model.json", {**told, **numbers})


def _answers(data: Dataset, names: tuple[str, ...], models: int) -> NDArray[np.float64]:
    """Shape (rows, outputs, models)."""
    cells = np.stack([data.values(name) for name in names], axis=1)
    return np.swapaxes(cells.reshape(len(data), models, -1), 1, 2)


def _probabilities(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of log odds (rows, 1), or of logits (rows, classes)."""
    logits = np.concatenate([np.zeros_like(sums), sums], axis=1) if sums.shape[1] == 1 else sums
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


@learners.add("pool")
class Pooling(Learner[PoolConfig]):
    """The logarithmic opinion pool, its weights by likelihood; of numbers, by the squared error.

    Weights are not below zero. Answers out of fold are a little lower where the label is more
    frequent, as their models saw it less often: a free weight would learn that from nothing.

    Source: Genest & Zidek, "Combining Probability Distributions", Statistical Science 1986;
    Breiman, "Stacked Regressions", Machine Learning 1996, for weights of zero or more.
    """

    config = PoolConfig
    is_proposed = False

    def suits(self, problem: Problem) -> str:
        return "it is put over the answers of other models"

    def fit(self, problem: Problem, config: PoolConfig, seed: int, watch: Watch) -> Fitted:
        from scipy.optimize import minimize

        names, classes = problem.inputs, len(problem.classes)
        outputs = classes if classes > 2 else 1
        models = len(names) // outputs
        answers = _answers(problem.part("train"), names, models)
        truth, rows = problem.truth("train"), problem.weight("train")
        weights = np.ones(len(truth)) if rows is None else rows
        scale = 1.0 if classes else max(float(np.var(truth)), 1e-300)
        equal = np.full(models, 1 / models)

        def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            sums = answers @ point[:models] + point[models:] * scale**0.5
            if classes:
                chances = np.clip(_probabilities(sums), 1e-15, None)
                value = -(weights * np.log(chances[np.arange(len(truth)), truth])).sum()
                slope = chances - np.eye(classes)[truth]
                slope = (slope[:, 1:] if outputs == 1 else slope) * weights[:, None]
            else:
                error = (sums[:, 0] - truth) / scale**0.5
                value = 0.5 * (weights * error**2).sum()
                slope = (weights * error / scale**0.5)[:, None]
            held = point[:models] - equal
            value += HELD * (held**2).sum() / 2
            by_model = np.einsum("ro,rom->m", slope, answers) + HELD * held
            return float(value), np.concatenate([by_model, slope.sum(axis=0) * scale**0.5])

        start = np.concatenate([equal, np.zeros(outputs)])
        bounds: list[Any] = [(0, None)] * models + [(None, None)] * outputs
        with one_thread():
            found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        return Pool(problem.classes, names, found[:models], found[models:] * scale**0.5)

    def load(self, folder: Path) -> Fitted:
        told = read_json(folder / "model.json")
        numbers = (np.array(told[key], dtype=np.float64) for key in ("weights", "constants"))
        return Pool(tuple(told["classes"]), tuple(told["names"]), *numbers)
