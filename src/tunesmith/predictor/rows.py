"""Whatever a user gives, as rows that a model can answer."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tunesmith.core.contracts import RawTable
from tunesmith.core.errors import DataError, DataWarning
from tunesmith.core.records import Column, Dataset
from tunesmith.data.kinds import infer
from tunesmith.data.label_cells import joined, with_labels
from tunesmith.data.read import read
from tunesmith.data.readers import readers
from tunesmith.data.readers._bytes import is_url
from tunesmith.data.readers._table import objects, plain
from tunesmith.pipeline.artifact import Model
from tunesmith.predictor.labels import has_label
from tunesmith.predictor.pictures import picture_cells

LONGEST_PATH = 4096


def rows_of(model: Model, data: Any, *, with_target: bool = False) -> Dataset:
    """Rows with the input columns, typed as in training."""
    form = model.label_form if with_target else None
    names = model.columns if with_target else model.inputs
    if form is not None and form.columns:
        names = (*model.inputs, *(Column(one, "category", "0 and 1") for one in form.columns))
    data = as_table(model, data)
    target = model.target if with_target and not (form and form.columns) else None
    if with_target and model.weights:
        there = data.names if isinstance(data, RawTable) else read(data).names
        if model.weights in there:
            names = (*names, Column(model.weights, "number", "row weights"))
    if isinstance(data, RawTable):
        rows = infer(data, like=names)
    else:
        rows = read(data, like=names, target=target)
    if form is not None:
        rows = (
            joined(rows, form.columns)[0] if form.columns else with_labels(rows, model.target, form)
        )
    _tell_unreadable(rows)
    return rows


def as_table(model: Model, data: Any) -> Any:
    """One row, or the cells of the only input column, as something that can be read."""
    names = [column.name for column in model.inputs]
    if hasattr(data, "to_dict") and hasattr(data, "index") and not hasattr(data, "columns"):
        # A pandas Series is a row where it goes by the names of the columns, else a column.
        data = data.to_dict() if set(names) <= set(data.index) else data.tolist()
    if len(names) == 1 and model.inputs[0].kind == "image":
        pictures = picture_cells(data)
        data = data if pictures is None else {names[0]: pictures}
    elif len(names) == 1:
        if isinstance(data, str) and not _names_a_source(data):
            data = {names[0]: data}
        elif isinstance(data, list | tuple | np.ndarray) and _are_texts(data):
            data = {names[0]: list(data)}
    if isinstance(data, Mapping) and not _is_table(data):
        cells = {str(name): objects([plain(value)]) for name, value in data.items()}
        return RawTable("one row", tuple(cells), cells, np.ones(1, dtype=np.int64))
    return data


def _is_table(data: Mapping[Any, Any]) -> bool:
    """Whether a mapping holds columns rather than the cells of one row."""
    return any(isinstance(value, list | tuple | np.ndarray) for value in data.values())


def _names_a_source(text: str) -> bool:
    """Whether a text is the place of a table rather than a text to answer."""
    if any(readers[name].claims(text) for name in readers):
        return True
    if is_url(text) and len(text.split()) == 1:
        return True
    if len(text) >= LONGEST_PATH or "\0" in text:
        return False
    return os.path.isfile(text) or any(map(os.path.isfile, glob.iglob(text, recursive=True)))


def _are_texts(values: Any) -> bool:
    """Whether all are texts, or missing."""
    known = [v for v in values if v is not None and not (isinstance(v, float) and np.isnan(v))]
    return bool(known) and all(isinstance(value, str) for value in known)


def _tell_unreadable(rows: Dataset) -> None:
    """Warn of cells that count as missing because they are not what their column holds.

    Raises:
        DataError: Most of a column is such cells.
    """
    for column in rows.columns:
        bad = [cell for cell in rows.bad if cell.column == column.name]
        if not bad:
            continue
        first = bad[0]
        told = (
            f"{rows.source}: {len(bad):,} cell{'s' * (len(bad) != 1)} of column {column.name!r} "
            f"cannot be read as {first.expected}, the first {first.got!r} at line {first.line}"
        )
        if len(bad) > int(has_label(rows.values(column.name)).sum()):
            raise DataError(
                f"{told}. Write them as in the data the model was trained on ({column.reason}), or "
                "leave them empty."
            )
        warnings.warn(f"{told}; they count as missing", DataWarning, stacklevel=4)
