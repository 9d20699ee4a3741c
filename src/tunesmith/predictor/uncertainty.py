"""How unsure a model is of each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import HALF, ClassScores, Labels, Prediction
from tunesmith.core.records import Dataset
from tunesmith.learners._folded import Folded
from tunesmith.pipeline.artifact import Model

MARGIN = "1 less the margin between the two likeliest answers"
NEAREST = "how near the label that is nearest to its threshold lies to it"
SPREAD = "the standard deviation of what its models answer"


def uncertainty(
    model: Model, rows: Dataset, found: Prediction
) -> tuple[NDArray[np.float64] | None, str]:
    """A number for each row, larger where the model is less sure, shape (rows,), and what it is.
    None where the model is one alone that answers with numbers: nothing tells how sure it is.

    Args:
        found: What the model answered for these rows.
    """
    if isinstance(found, ClassScores):
        return _of_classes(found), MARGIN
    if isinstance(found, Labels):
        return _of_labels(found), NEAREST
    return _of_numbers(model, rows), SPREAD


def _of_classes(found: ClassScores) -> NDArray[np.float64]:
    if found.costs is not None:
        # The cheaper the next best answer, the less sure is the best one.
        expected = np.sort(found.costs.expected(found.probabilities), axis=1)
        margin = expected[:, 1] - expected[:, 0]
        return np.asarray(1 - margin / max(float(margin.max()), 1e-12))
    shares = found.weighted()
    shares = np.sort(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12), axis=1)
    return np.asarray(1 - (shares[:, -1] - shares[:, -2]))


def _of_labels(found: Labels) -> NDArray[np.float64]:
    least = np.broadcast_to(
        HALF if found.thresholds is None else np.asarray(found.thresholds),
        found.probabilities.shape,
    )
    off = np.abs(found.probabilities - least) / np.maximum(np.maximum(least, 1 - least), 1e-12)
    return np.asarray(1 - off.min(axis=1))


def _of_numbers(model: Model, rows: Dataset) -> NDArray[np.float64] | None:
    models = [
        one
        for fitted, _ in model.members
        for one in (fitted.models if isinstance(fitted, Folded) else (fitted,))
    ]
    if len(models) < 2:
        return None
    answers = np.stack([one.predict(rows).array() for one in models])
    return np.asarray(answers.std(axis=0))
