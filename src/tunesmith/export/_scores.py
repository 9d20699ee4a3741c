"""Metrics as code of scikit-learn: `truth` holds class codes or numbers, `scores` probabilities of
shape (rows, classes) or numbers."""

from __future__ import annotations

from dataclasses import dataclass

GUESS = "scores.argmax(axis=1)"
EACH = "[{one} for code in np.unique(truth)]"


@dataclass(frozen=True)
class Measure:
    """One metric: the function of scikit-learn, and the expression that is its value."""

    function: str
    value: str


def _of_guesses(function: str, **options: object) -> Measure:
    told = "".join(f", {name}={value!r}" for name, value in options.items()).replace("'", '"')
    return Measure(function, f"{function}(truth, {GUESS}{told})")


def _of_numbers(function: str) -> Measure:
    return Measure(function, f"{function}(truth, scores)")


_PER_CLASS = {
    f"{name}{ending}": _of_guesses(f"{name}_score", average=average, zero_division=0)
    for name in ("precision", "recall", "f1")
    for ending, average in (
        ("", "binary"),
        ("_macro", "macro"),
        ("_micro", "micro"),
        ("_weighted", "weighted"),
    )
}
MEASURES = {
    "accuracy": _of_guesses("accuracy_score"),
    "balanced_accuracy": _of_guesses("balanced_accuracy_score"),
    "mcc": _of_guesses("matthews_corrcoef"),
    "kappa": _of_guesses("cohen_kappa_score"),
    **_PER_CLASS,
    "log_loss": Measure("log_loss", "log_loss(truth, scores, labels=range(len(CLASSES)))"),
    "roc_auc": Measure("roc_auc_score", "roc_auc_score(truth, scores[:, 1])"),
    "roc_auc_ovr": Measure(
        "roc_auc_score",
        "np.mean(\n        [roc_auc_score(truth == c, scores[:, c]) for c in np.unique(truth)]\n"
        "    )",
    ),
    "rmse": _of_numbers("root_mean_squared_error"),
    "mae": _of_numbers("mean_absolute_error"),
    "mape": _of_numbers("mean_absolute_percentage_error"),
    "median_absolute_error": _of_numbers("median_absolute_error"),
    "r2": _of_numbers("r2_score"),
}
AVERAGE_PRECISION = (
    Measure("average_precision_score", "average_precision_score(truth, scores[:, 1])"),
    Measure(
        "average_precision_score",
        "np.mean(\n        [average_precision_score(truth == c, scores[:, c])"
        " for c in np.unique(truth)]\n    )",
    ),
)


def measure(metric: str, classes: int) -> Measure | None:
    """How a metric is computed; None where that is not known here."""
    if metric == "average_precision":
        return AVERAGE_PRECISION[classes > 2]
    return MEASURES.get(metric)


SCORE = '''\
def score(truth: np.ndarray, scores: np.ndarray) -> float:
    """The {metric} of some rows."""
    return float({value})
'''


def score_code(metric: str, found: Measure) -> str:
    """The function `score(truth, scores)`."""
    value = found.value
    if "\n" not in value and len(f"    return float({value})") > 88:
        function, _, rest = value.partition("(")
        value = f"\n        {function}({rest}\n    "
    return SCORE.format(metric=metric, value=value)
