"""Framing of several labels a row: how they are read, what the audit sees of them, and what is not
done for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.multilabel import LabelForm, unpacked
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Finding, Problem
from tunesmith.data.label_cells import forced, joined, recognised
from tunesmith.evaluate.label_thresholds import at_one_threshold
from tunesmith.metrics import get
from tunesmith.tasks import tasks

TASK = "multilabel"
OF_CLASSES = ("single-row classes", "imbalance")
"""Findings on classes, which sets of labels are not."""
NAMED = 5


def one_target(data: Dataset, target: str | Sequence[str]) -> tuple[Dataset, str, LabelForm | None]:
    """The data with a single target column. Several names, or names with commas between them where
    there is no column of the whole name, are columns of 0 and 1: these become one of labels.

    Raises:
        DataError: There is no such column, or a cell is something else than 0 and 1.
        ConfigError: A column is named twice.
    """
    names = [target] if isinstance(target, str) else list(target)
    if len(names) == 1:
        parts = [part.strip() for part in names[0].split(",")]
        if names[0] in data.names or len(parts) == 1 or not set(parts) <= set(data.names):
            return data, names[0], None
        names = parts
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"The target column {twice[0]!r} is named twice. Name each once.")
    form = LabelForm(columns=tuple(names))
    data, name = joined(data, names)
    return data, name, form


def choose_form(
    data: Dataset, target: str, wanted: str | None, delimiter: str | None, form: LabelForm | None
) -> tuple[LabelForm | None, str]:
    """How the target holds several labels a row, and why; None, and nothing said, where the task is
    another's to claim.

    Args:
        wanted: The name of the task that was asked for, None for none.
        delimiter: What was said to stand between labels.
        form: That of several target columns.

    Raises:
        ConfigError: What was asked for does not go together.
    """
    column, values = data.column(target), data.values(target)
    if form is not None or delimiter is not None:
        what = "Several target columns" if form else "A label delimiter"
        if wanted not in (None, TASK):
            raise ConfigError(f"{what} and --task {wanted}: that is for several labels a row.")
        if form is not None and delimiter is not None:
            raise ConfigError("Several target columns have no delimiter. Leave it away.")
    if form is not None:
        shown = ", ".join(form.columns[:NAMED]) + ", …" * (len(form.columns) > NAMED)
        return form, f"{len(form.columns)} columns of 0 and 1 are the target: {shown}"
    if delimiter is not None:
        if not delimiter.strip():
            raise ConfigError("A label delimiter is a sign that is not blank, such as ';'.")
        return LabelForm(delimiter), f"its labels have {delimiter!r} between them, as stated"
    if wanted == TASK:
        if values.dtype != object:
            return LabelForm(), "asked for; every cell is a number, taken as one label"
        found = recognised(values)[0] or forced(values)
        return found, f"asked for; the cells of {column.name!r} are read {found}"
    if wanted is None and values.dtype == object:
        found_form, _ = recognised(values)
        if found_form is not None:
            return found_form, tasks[TASK].claim(column, values)[1]
    return None, ""


def check_labels(data: Dataset, target: str, values: NDArray[Any], form: LabelForm) -> None:
    """Refuse labels of which nothing can be learned. `values` are the packed cells that are there.

    Raises:
        DataError: Says which, and what to do.
    """
    counts = Counter(label for cell in values for label in unpacked(cell))
    every = [name for name in form.columns if counts[name] in (0, len(values))]
    if every:
        said = "0 in every row" if not counts[every[0]] else "1 in every row"
        raise DataError(
            f"The label column {every[0]!r} of {data.source} is {said}: there is nothing to learn. "
            "Leave it out of the target."
        )
    if not counts or len(set(values)) < 2:
        raise DataError(
            f"Every labelled row of {data.source} has the same labels {values[0]} in the target "
            f"{target!r}: there is nothing to tell apart. Name another column with --target."
        )


def audited(
    values: NDArray[Any], truth: NDArray[Any], classes: tuple[str, ...], form: LabelForm | None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Truth and classes as the audit is to see them: where rows have several labels, each set of
    labels as a class of its own (-1 where there is none)."""
    if form is None:
        return truth, classes
    known = np.array([value is not None for value in values])
    names, codes = np.unique(values[known].astype(str), return_inverse=True)
    found = np.full(len(values), -1, dtype=np.int64)
    found[known] = codes
    return found, tuple(names.tolist())


def label_findings(
    found: Sequence[Finding], values: NDArray[Any], form: LabelForm | None
) -> tuple[Finding, ...]:
    """The audit's findings; where rows have several labels without those on classes, and with one
    on labels that a single row has."""
    if form is None:
        return tuple(found)
    kept = [one for one in found if one.check not in OF_CLASSES]
    counts = Counter(label for cell in values if cell is not None for label in unpacked(cell))
    single = sorted(label for label, count in counts.items() if count == 1)
    if single:
        names = ", ".join(map(repr, single[:NAMED])) + ", …" * (len(single) > NAMED)
        text = f"{len(single):,} label{'s' * (len(single) != 1)} in a single row ({names})."
        kept.append(Finding("single-row labels", text, len(single)))
    return tuple(kept)


def compared(problem: Problem, prediction: Prediction) -> Prediction:
    """A prediction of the valid rows as it is compared with others: several labels a row at the
    threshold that suits them."""
    if not problem.several:
        return prediction
    truth, weights = problem.truth("valid"), problem.weight("valid")
    return at_one_threshold(get(problem.metric), truth, prediction, weights)


def refuse_labels(problem: Problem, asked: dict[str, Any]) -> None:
    """Refuse what is not built for several labels a row, by option.

    Raises:
        ConfigError: It was asked for.
    """
    if not problem.several:
        return
    for option, value in asked.items():
        if value:
            raise ConfigError(f"{option} is not built for several labels a row.")


NOT_DONE = (
    "of several labels a row nothing looks for columns that tell too much, and there are no "
    "calibration, no sets, no suspects and no scorecard"
)
