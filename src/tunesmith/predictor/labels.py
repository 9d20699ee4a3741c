"""The labels of a user's rows, as a model knows them, and how much each row counts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError, DataWarning, did_you_mean
from tunesmith.core.multilabel import matrix, unpacked
from tunesmith.core.predictions import Labels
from tunesmith.core.records import Dataset
from tunesmith.data.cells import CODE, number, same
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.costing import read_weights
from tunesmith.tasks.classification import label_of
from tunesmith.tasks.classification import labels as labels_of

WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


def has_label(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells of a target hold something, shape (rows,)."""
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(~np.isnat(values))
    return np.array([value is not None for value in values], dtype=bool)


def truth_of(model: Model, rows: Dataset) -> NDArray[Any]:
    """Class codes (-1 for a label that the model does not know), or numbers, shape (rows,); of
    several labels a row zeros and ones, shape (rows, labels), with a column more where there are
    labels that the model does not know.

    Raises:
        DataError: No row has a label, or none that the model knows.
    """
    values = rows.values(model.target)
    if not has_label(values).any():
        raise DataError(
            f"No row of {rows.source} has a value in the target column {model.target!r}; "
            "scores need labels."
        )
    if model.label_form is not None:
        return _matrix(model, rows, values)
    if not model.classes:
        return values.astype(np.float64)
    found_labels = labels_of(values)
    found = codes_of(found_labels, model.classes)
    others = dict.fromkeys(v for v in found_labels[found < 0] if v is not None)
    if not others:
        return found
    first = next(iter(others))
    if (found < 0).all():
        raise DataError(
            f"No label in the target column {model.target!r} of {rows.source} is one that this "
            f"model knows; the first is {first!r}.{did_you_mean(first, model.classes)}"
        )
    unknown = sum(v in others for v in found_labels)
    warnings.warn(
        f"{rows.source}: {unknown:,} row{'s' * (unknown != 1)} with a label that this model "
        f"does not know ({', '.join(map(repr, list(others)[:3]))}) count as answered wrongly",
        DataWarning,
        stacklevel=4,
    )
    return found


def codes_of(labels: NDArray[Any], classes: Sequence[str]) -> NDArray[np.int64]:
    """The class of each label as text, whichever way it is written, shape (rows,); -1 for one that
    is none of the classes, and for None."""
    index = {same(label): code for code, label in enumerate(classes)}
    index |= {label: code for code, label in enumerate(classes)}
    return np.array([-1 if v is None else _code(v, index) for v in labels], dtype=np.int64)


def _matrix(model: Model, rows: Dataset, values: NDArray[Any]) -> NDArray[np.int64]:
    cells = [cell for cell in values if cell is not None]
    others = {label for cell in cells for label in unpacked(cell)} - set(model.classes)
    found = matrix(values, model.classes)
    if not others:
        return found
    if not found.any():
        raise DataError(
            f"No label in the target {model.target!r} of {rows.source} is one that this model "
            f"knows; one is {min(others)!r}.{did_you_mean(min(others), model.classes)}"
        )
    unknown = [cell is not None and bool(others & set(unpacked(cell))) for cell in values]
    warnings.warn(
        f"{rows.source}: {sum(unknown):,} row{'s' * (sum(unknown) != 1)} with labels that this "
        f"model does not know ({', '.join(map(repr, sorted(others)[:3]))}) count as missed there",
        DataWarning,
        stacklevel=5,
    )
    return np.column_stack([found, np.array(unknown, dtype=np.int64)])


def answers_of(model: Model, found: Labels) -> NDArray[Any]:
    """Labels as the target has them: a list a row, or zeros and ones, shape (rows, labels), where
    it was a column for each."""
    if model.label_form is not None and model.label_form.columns:
        return found.chosen()
    answers = found.decode()
    for row, labels in enumerate(answers):
        answers[row] = natural(np.array(labels, dtype=object), model.classes).tolist()
    return answers


def _code(label: str, index: Mapping[str, int]) -> int:
    """The class of a label, whichever way it is written; -1 where there is none."""
    as_number = label if CODE.match(label) else label_of(number(label)) or label
    return next((index[name] for name in (label, same(label), as_number) if name in index), -1)


def weights_of(model: Model, rows: Dataset) -> NDArray[np.float64] | None:
    """How much each row counts; None where all count alike."""
    name = model.weights
    if not name:
        return None
    if name not in rows.names:
        warnings.warn(
            f"{rows.source} lacks {name!r}, the column of row weights that this model was "
            "fitted and scored with: all rows count alike",
            DataWarning,
            stacklevel=3,
        )
        return None
    return read_weights(rows, name, {"labelled": np.arange(len(rows))})


def natural(found: NDArray[Any], classes: Sequence[str]) -> NDArray[Any]:
    """Labels as data frames hold them: 1 rather than "1", True rather than "True"."""
    if classes and set(classes) <= {"True", "False"}:
        return np.asarray(found == "True")
    if classes and all(WHOLE.fullmatch(label) for label in classes):
        return found.astype(np.int64)
    return found
