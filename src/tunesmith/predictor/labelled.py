"""A user's rows that have a label, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import RawTable
from tunesmith.core.records import Dataset, Rows
from tunesmith.data.read import read
from tunesmith.pipeline.artifact import Model
from tunesmith.predictor.labels import has_label, truth_of
from tunesmith.predictor.rows import as_table, rows_of


@dataclass(frozen=True)
class Labelled:
    """All rows, places of those with a label, these rows, and their truth: class codes (-1 for a
    label that the model does not know) or numbers, shape (known rows,)."""

    all_rows: Dataset
    known: Rows
    rows: Dataset
    truth: NDArray[Any]


def labelled(model: Model, data: Any) -> Labelled:
    """Of whatever `fit` takes.

    Raises:
        DataError: No row has a label, or a column is missing.
    """
    rows = rows_of(model, data, with_target=True)
    truth = truth_of(model, rows)
    known = np.flatnonzero(has_label(rows.values(model.target)))
    return Labelled(rows, known, rows.take(known), truth[known])


def has_labels(model: Model, data: Any) -> bool:
    """Whether any row has a value in a target column, if there is one.

    Raises:
        DataError: The rows cannot be read.
    """
    table = as_table(model, data)
    columns = (model.label_form and model.label_form.columns) or (model.target,)
    if isinstance(table, RawTable):
        return bool({*columns} & {*table.names})
    rows = read(table, like=())
    return any(name in rows.names and has_label(rows.values(name)).any() for name in columns)
