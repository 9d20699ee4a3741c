"""Metrics as code of scikit-learn: `truth` holds class codes or numbers, `scores` probabilities of
shape (rows, classes) or numbers, `answers` the classes that are answered, `table` the rows as they
were read, `weights` how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.export._writing import WIDTH
from tunesmith.metrics import COST

GUESS, WEIGHTS = "answers", "{weights}"


@dataclass(frozen=True)
class Measure:
    """One metric: the function of scikit-learn (none for costs), and the expression that is its
    value, which takes row weights where `{weights}` stands; of `each` class c, where it is a mean.
    """

    function: str
    value: str
    each: str = ""


def _of_guesses(function: str, **options: object) -> Measure:
    told = "".join(f", {name}={value!r}" for name, value in options.items()).replace("'", '"')
    return Measure(function, f"{function}(truth, {GUESS}{told}{WEIGHTS})")


def _of_numbers(function: str) -> Measure:
    return Measure(function, f"{function}(truth, scores{WEIGHTS})")


def _of_positive(function: str) -> Measure:
    return Measure(function, f"{function}(truth, scores[:, 1]{WEIGHTS})")


def _of_each(function: str) -> Measure:
    """The plain mean over the classes that are there."""
    return Measure(function, "np.mean(each)", f"{function}(truth == c, scores[:, c]{WEIGHTS})")


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
    "log_loss": Measure(
        "log_loss", f"log_loss(truth, scores, labels=range(len(CLASSES)){WEIGHTS})"
    ),
    "brier": _of_positive("brier_score_loss"),
    "roc_auc": _of_positive("roc_auc_score"),
    "gini": Measure("roc_auc_score", f"2 * roc_auc_score(truth, scores[:, 1]{WEIGHTS}) - 1"),
    "roc_auc_ovr": _of_each("roc_auc_score"),
    "rmse": _of_numbers("root_mean_squared_error"),
    "mae": _of_numbers("mean_absolute_error"),
    "mape": _of_numbers("mean_absolute_percentage_error"),
    "median_absolute_error": _of_numbers("median_absolute_error"),
    "r2": _of_numbers("r2_score"),
    COST: Measure("", "np.average(costs_of(table)[range(len(truth)), truth, answers]{weights})"),
}
FOR_TWO = ("brier", "gini", "roc_auc")
AVERAGE_PRECISION = (_of_positive("average_precision_score"), _of_each("average_precision_score"))


def measure(metric: str, classes: int) -> Measure | None:
    """How a metric is computed; None where that is not known here."""
    if metric == "average_precision":
        return AVERAGE_PRECISION[classes > 2]
    return None if metric in FOR_TWO and classes > 2 else MEASURES.get(metric)


SCORE = '''\
def score({parameters}) -> float:
    """The {metric} of some rows."""
{lines}
'''


def parameters(decided: str, is_weighted: bool) -> tuple[str, ...]:
    """What the function `score` is given beside truth and scores."""
    return (*(("table",) if "table" in decided else ()), *(("weights",) if is_weighted else ()))


def score_code(metric: str, found: Measure, decided: str, is_weighted: bool) -> str:
    """The function `score(truth, scores)`, with `table` where costs stand in the rows and `weights`
    where rows have such."""
    given = "" if not is_weighted else ", weights=weights"
    if found.function:
        given = given.replace(" weights", " sample_weight")
    value, each = (text.replace(WEIGHTS, given) for text in (found.value, found.each))
    types = {"table": "pd.DataFrame", "weights": "np.ndarray"}
    told = [f"{name}: {types[name]}" for name in parameters(decided, is_weighted)]
    whole = ["truth: np.ndarray", "scores: np.ndarray", *told]
    head = ", ".join(whole)
    if len(f"def score({head}) -> float:") > WIDTH:
        head = f"\n    {head}\n"
    lines = [f"    answers = {decided}"] if GUESS in value else []
    lines += [_of_classes(each)] if each else []
    lines.append(f"    return float({_wrapped(value)})")
    return SCORE.format(parameters=head, metric=metric, lines="\n".join(lines))


def _of_classes(each: str) -> str:
    flat = f"    each = [{each} for c in np.unique(truth)]"
    if len(flat) <= WIDTH:
        return flat
    return f"    each = [\n        {each}\n        for c in np.unique(truth)\n    ]"


def _wrapped(value: str) -> str:
    """An expression inside of `float()`, over several lines where it needs them."""
    if len(f"    return float({value})") <= WIDTH:
        return value
    if len(value) <= WIDTH - 8:
        return f"\n        {value}\n    "
    opening, inside, closing = value[: value.index("(") + 1], value[value.index("(") + 1 : -1], ")"
    return f"\n        {opening}\n            {inside}\n        {closing}\n    "
