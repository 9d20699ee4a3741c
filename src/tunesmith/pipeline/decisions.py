"""Answers from a model's scores as a user asks for them: by a threshold, only where it is sure, as
sets or intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.evaluate.abstaining import confidence, risk_coverage
from tunesmith.evaluate.calibration import reliability
from tunesmith.evaluate.conformal import Conformal, check_coverage, coverage_of
from tunesmith.evaluate.thresholds import of_threshold
from tunesmith.pipeline.after import After

__all__ = [
    "answered",
    "coverage_of",
    "held",
    "reliability",
    "risk_coverage",
    "with_threshold",
]

SEVERAL = "several labels a row"


def with_threshold(found: Prediction, threshold: float | None) -> Prediction:
    """The same probabilities, answered by the second of two classes above the threshold.

    Raises:
        ConfigError: There are not two classes, or it is not between 0 and 1.
    """
    if threshold is None:
        return found
    if not isinstance(found, ClassScores) or len(found.classes) != 2:
        what = f"{len(found.classes)} classes" if isinstance(found, ClassScores) else "numbers"
        what = SEVERAL if isinstance(found, Labels) else what
        raise ConfigError(f"A threshold is for two classes; this model answers with {what}.")
    if not _is_share(threshold):
        raise ConfigError(
            f"A threshold is a probability between 0 and 1, such as 0.3, not {threshold!r}. Above "
            f"it the answer is {found.classes[1]!r}."
        )
    return replace(found, weights=of_threshold(threshold), costs=None)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1


def answered(
    after: After, found: Prediction, *, abstain: float | None, risk: float | None
) -> NDArray[np.bool_]:
    """Which rows the model is sure enough of, shape (rows,).

    Raises:
        ConfigError: The model answers with numbers, both are given, or one is out of its range.
    """
    if isinstance(found, Labels):
        raise ConfigError(f"This model answers with {SEVERAL}: to abstain is not built for them.")
    if not isinstance(found, ClassScores):
        raise ConfigError(
            "This model answers with numbers: it has no confidence to abstain by. The width of "
            "predict_interval says how sure it is."
        )
    if abstain is not None and risk is not None:
        raise ConfigError("Give a share to abstain from or a risk to keep, not both.")
    known = after.known()
    least = known.confidence_for(risk) if risk is not None else known.abstain_below(abstain or 0.0)
    return confidence(found) >= least


def held(
    after: After,
    found: Prediction,
    coverage: float,
    *,
    each_class: bool = False,
    lot: int | None = None,
) -> dict[str, Any]:
    """Columns of what holds the truth of each row with that probability: `set` (an array of labels,
    likeliest first) and `size` of classes, `low` and `high` of numbers. `lot` is the seed by which
    rows that are tied are parted.

    Raises:
        ConfigError: The coverage or the seed is out of its range, or sets of each class or lots are
            asked of numbers.
    """
    check_coverage(coverage)
    if isinstance(found, Labels):
        raise ConfigError(f"This model answers with {SEVERAL}: sets are not built for them.")
    if lot is not None and (isinstance(lot, bool) or not isinstance(lot, int) or lot < 0):
        raise ConfigError(f"A lot is drawn by a seed, a whole number from 0, not {lot!r}.")
    known: Conformal = after.known()
    if isinstance(found, ClassScores):
        inside = known.sets(found, coverage, each_class=each_class, lot=lot)
        return {"set": _labels(found, inside), "size": inside.sum(axis=1)}
    if each_class:
        raise ConfigError("This model answers with numbers; there are no classes to hold each of.")
    if lot is not None:
        raise ConfigError("This model answers with numbers; lots are for rows whose sets are tied.")
    low, high = known.interval(found, coverage)
    return {"low": low, "high": high}


def _labels(found: ClassScores, inside: NDArray[np.bool_]) -> Sequence[NDArray[np.object_]]:
    names = np.array(found.classes, dtype=object)
    order = np.argsort(-found.probabilities, axis=1, kind="stable")
    return [names[row[held_row[row]]] for row, held_row in zip(order, inside, strict=True)]
