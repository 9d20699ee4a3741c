"""Shelf: scores of predictions against the truth, by name or as a callable of the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.metrics._shelf import matrices, metrics
from tunesmith.metrics.costs import COST
from tunesmith.metrics.ranking import GRAMMAR, is_binary, parsed

__all__ = ["COST", "canonical", "check", "fitting", "get", "is_known", "metrics"]

ALIASES = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "ap": "average_precision",
    "pr_auc": "average_precision",
    "f1_binary": "f1",
    "precision_binary": "precision",
    "recall_binary": "recall",
    "matthews_corrcoef": "mcc",
    "cohen_kappa": "kappa",
    "logloss": "log_loss",
    "nll": "log_loss",
    "cross_entropy": "log_loss",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "mean_absolute_percentage_error": "mape",
    "medae": "median_absolute_error",
    "median_ae": "median_absolute_error",
    "r2_score": "r2",
    "spearmanr": "spearman",
    "kolmogorov_smirnov": "ks",
    "brier_score": "brier",
    "brier_score_loss": "brier",
    "expected_calibration_error": "ece",
    "mean_cost": "cost",
    "f1_sample": "f1_samples",
    "exact_match": "subset_accuracy",
    "hamming": "hamming_loss",
    "mean_average_precision": "average_precision",
}

Own = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True)
class Custom(Metric):
    """A user's own function of the true and the predicted labels (as text) or numbers; of several
    labels a row of zeros and ones, shape (rows, labels). It says by an attribute `higher_is_better
    = False` that less is better."""

    function: Own
    higher_is_better: bool = True
    low: float = float("-inf")
    high: float = float("inf")

    def accepts(self, prediction: Prediction) -> bool:
        return True

    def score(
        self, truth: NDArray[Any], prediction: Prediction, weights: NDArray[np.float64] | None
    ) -> float:
        """Whole-numbered weights repeat rows; NaN where the function has no value for those.

        Raises:
            ConfigError: The function fails on the rows as they are, or gives no finite number; or
                weights are not whole numbers.
        """
        rows = np.arange(len(truth))
        if weights is not None:
            if (weights % 1).any():
                raise ConfigError(
                    f"The metric {name_of(self.function)!r} is a function of yours and knows no "
                    "row weights. Name a built-in metric, or leave the weights away."
                )
            rows = np.repeat(rows, weights.astype(np.int64))
        if isinstance(prediction, ClassScores):
            truth = np.array([*prediction.classes, None], dtype=object)[truth]
        answers: NDArray[Any]
        if isinstance(prediction, Labels):
            truth, answers = matrices(truth, prediction)
            truth, answers = truth.astype(np.int64), answers.astype(np.int64)
        else:
            answers = prediction.decode()
        try:
            value = float(self.function(truth[rows], answers[rows]))
        except Exception as error:  # anything may come out of a user's function
            if weights is not None:
                return float("nan")
            raise ConfigError(
                f"The metric {name_of(self.function)!r} failed with {type(error).__name__}: "
                f"{error}. It is called with two arrays: the true and the predicted labels."
            ) from error
        if weights is None and not np.isfinite(value):
            raise ConfigError(f"The metric {name_of(self.function)!r} gave {value}, not a number.")
        return value


def name_of(function: Own) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def canonical(metric: str | Own) -> str:
    """The name a metric goes by; a callable is put on the shelf under its own.

    Raises:
        ConfigError: There is no such metric, or the callable's name is taken.
    """
    if isinstance(metric, str):
        word = metric.strip().lower().replace("-", "_").replace(" ", "_")
        word = ALIASES.get(word, word)
        word = parsed(word) or word
        if word not in metrics:
            raise ConfigError(
                f"There is no metric {metric!r}.{did_you_mean(word, [*metrics, *ALIASES])}"
            )
        return word
    if not callable(metric):
        raise ConfigError(f"A metric is a name or a callable, not a {type(metric).__name__}.")
    name = first = name_of(metric)
    number = 1
    while name in metrics and getattr(metrics[name], "function", None) is not metric:
        if not isinstance(metrics[name], Custom):
            raise ConfigError(f"A metric named {name!r} is there already. Rename your function.")
        number += 1
        name = f"{first}_{number}"
    metrics.put(name, Custom(metric, bool(getattr(metric, "higher_is_better", True))))
    return name


def is_known(name: str) -> bool:
    """Whether there is a metric of that name."""
    try:
        canonical(name)
    except ConfigError:
        return False
    return True


def get(metric: str | Own) -> Metric:
    """The metric of a name, an alias, or a callable.

    Raises:
        ConfigError: There is none; names the nearest.
    """
    return metrics[canonical(metric)]


def fitting(prediction: Prediction) -> list[str]:
    """Names of the metrics that are defined for this kind of prediction."""
    return [name for name, metric in metrics.items() if metric.accepts(prediction)]


def check(metric: str | Own, prediction: Prediction) -> str:
    """The name of a metric that must be defined for this kind of prediction.

    Raises:
        ConfigError: It is not; names those that are.
    """
    name = canonical(metric)
    if not metrics[name].accepts(prediction):
        if name == COST and isinstance(prediction, ClassScores):
            raise ConfigError(
                f"The metric {COST!r} needs to know what answers cost: give costs=... to fit, at "
                "the command line --costs FILE."
            )
        shape = "numbers"
        if isinstance(prediction, ClassScores):
            shape = f"{len(prediction.classes)} classes"
        if isinstance(prediction, Labels):
            shape = f"{len(prediction.classes)} labels of which a row may have several"
        raise ConfigError(
            f"The metric {name!r} is not defined for {shape}. "
            f"These are: {', '.join(fitting(prediction))}."
            + (f" {GRAMMAR}." if is_binary(prediction) else "")
        )
    return name
