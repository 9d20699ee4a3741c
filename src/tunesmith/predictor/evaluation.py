"""Scores of a model's answers on labelled rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tunesmith import metrics as metric_shelf
from tunesmith.core.errors import ConfigError, DataWarning
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Score
from tunesmith.evaluate.scores import confusion
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.fit import Metric
from tunesmith.report.page import fragment
from tunesmith.report.section import table
from tunesmith.tasks import tasks

if TYPE_CHECKING:
    import pandas as pd


class Evaluation(dict[str, Score]):
    """Scores by name; `confusion` counts how often each label (row) got each answer (column), and
    is None where the model answers with numbers."""

    def __init__(self, found: Mapping[str, Score], confusion: pd.DataFrame | None) -> None:
        super().__init__(found)
        self.confusion = confusion

    def _repr_html_(self) -> str:
        heads = {"metric": None, "value": 4, "low": 4, "high": 4, "rows": None}
        rows = ([name, one.value, one.low, one.high, one.rows] for name, one in self.items())
        return fragment([table("Scores; 95 % intervals", heads, rows)])


def metrics_of(model: Model, wanted: Metric | Sequence[Metric] | None) -> list[Metric]:
    """The metrics to score by; where none is named, that of the fit and the usual ones.

    Raises:
        ConfigError: The list of them is empty.
    """
    if wanted is None:
        usual = tasks[model.task].metrics(model.classes)
        usual = (*usual, metric_shelf.COST) if model.costs is not None else usual
        first = [model.metric] if metric_shelf.is_known(model.metric) else []
        if not first:
            warnings.warn(
                f"the metric {model.metric!r} of the fit is a function of yours: name it "
                "in metrics=[…] to have it",
                DataWarning,
                stacklevel=3,
            )
        return list(dict.fromkeys([*first, *usual]))
    if isinstance(wanted, str) or callable(wanted):
        return [wanted]
    if not wanted:
        usual = tasks[model.task].metrics(model.classes)
        raise ConfigError(
            f"No metric is named. Name some, such as --metrics {','.join(usual)}, or leave "
            "--metrics away."
        )
    return list(wanted)


def confusion_of(truth: NDArray[Any], found: Prediction) -> pd.DataFrame | None:
    """How often each label (row) got each answer (column); None for numbers."""
    if not isinstance(found, ClassScores):
        return None
    import pandas as pd

    names = list(found.classes)
    return pd.DataFrame(confusion(truth, found), index=names, columns=names)
