"""How far rows are answered as somebody wishes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Dataset
from tunesmith.explain.whole.counterfactual import Towards
from tunesmith.pipeline.artifact import Model


def towards_of(model: Model, row: Dataset, wanted: Any) -> Towards:
    """How far rows are answered as wished: above 0 they are.

    Raises:
        ConfigError: There is no such label or range, or the row is answered so already.
    """
    if model.label_form is not None:
        raise ConfigError(
            "A row of this model may have several labels: which change of them is wished cannot be "
            "said here. Fit the label in question as a target of its own."
        )
    if not model.classes:
        return _towards_range(model, row, wanted)
    own = int(_codes(model, row)[0])
    if wanted is None:
        goal = None
    elif str(wanted) in model.classes:
        goal = model.classes.index(str(wanted))
    else:
        raise ConfigError(
            f"There is no label {str(wanted)!r}.{did_you_mean(str(wanted), model.classes)}"
        )
    if goal == own:
        raise ConfigError(f"The row is answered {model.classes[own]!r} already.")

    def towards(rows: Dataset) -> NDArray[np.float64]:
        weights = _preferences(model, rows)
        if goal is None:
            others = np.delete(weights, own, axis=1).max(axis=1)
            gap = others - weights[:, own]
        else:
            gap = weights[:, goal] - np.delete(weights, goal, axis=1).max(axis=1)
        codes = _codes_of(weights)
        is_there = codes != own if goal is None else codes == goal
        found = np.where(is_there, np.maximum(gap, 1e-12), np.minimum(gap, 0.0))
        return np.asarray(found, dtype=np.float64)

    return towards


def _codes(model: Model, rows: Dataset) -> NDArray[np.int64]:
    return _codes_of(_preferences(model, rows))


def _codes_of(preferences: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(preferences.argmax(axis=1), dtype=np.int64)


def _preferences(model: Model, rows: Dataset) -> NDArray[np.float64]:
    """Of each class how much it is preferred, the answer the most: weighted probabilities, or what
    an answer is expected to cost, below zero. (rows, classes)."""
    found = model.decide(rows, model.predict(rows))
    assert isinstance(found, ClassScores)
    if found.costs is not None:
        return np.asarray(-found.costs.expected(found.probabilities))
    return np.asarray(found.weighted(), dtype=np.float64)


def _towards_range(model: Model, row: Dataset, wanted: Any) -> Towards:
    is_pair = isinstance(wanted, tuple | list) and len(wanted) == 2
    if not is_pair or all(end is None for end in wanted):
        raise ConfigError(
            "This model answers with numbers: say in which range the answer is to be, such as "
            "wanted=(100, None) for 100 or more."
        )
    low = -math.inf if wanted[0] is None else float(wanted[0])
    high = math.inf if wanted[1] is None else float(wanted[1])
    if not low <= high:
        raise ConfigError(f"No number lies between {low:g} and {high:g}.")

    def towards(rows: Dataset) -> NDArray[np.float64]:
        values = np.asarray(model.predict(rows).array(), dtype=np.float64)
        short = np.maximum(np.maximum(low - values, values - high), 0.0)
        return np.where(short > 0, -short, 1.0)

    if towards(row)[0] > 0:
        raise ConfigError(f"The row is answered within {low:g} to {high:g} already.")
    return towards
