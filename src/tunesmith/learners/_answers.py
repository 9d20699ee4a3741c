"""How numbers become answers, in plain numpy: shared by the learners that need no network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values
from tunesmith.core.records import Problem


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Rows of logits as probabilities, shape (rows, classes)."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def answer(logits: NDArray[Any], classes: tuple[str, ...], *, several: bool = False) -> Prediction:
    """Logits of shape (rows, classes), or numbers of shape (rows, 1), as a prediction; where rows
    may have `several` of the classes, each by itself."""
    if several:
        from scipy.special import expit

        return Labels(classes, expit(np.asarray(logits, dtype=np.float64)))
    if classes:
        return ClassScores(classes, softmax(logits))
    return Values(np.asarray(logits, dtype=np.float64)[:, 0])


def target_scale(problem: Problem) -> tuple[float, float]:
    """Mean and standard deviation of the target in train; (0, 1) for classes."""
    if problem.classes:
        return 0.0, 1.0
    truth = problem.truth("train")
    return float(truth.mean()), float(truth.std()) or 1.0
