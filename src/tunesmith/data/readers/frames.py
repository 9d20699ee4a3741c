"""Tables that are already in memory: pandas, polars, Hugging Face, Arrow, lists and dicts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import DataError
from tunesmith.data.readers._shelf import readers
from tunesmith.data.readers._table import (
    arrow_table,
    floats,
    objects,
    plain,
    records_table,
    table,
)


def _is(source: object, module: str, *names: str) -> bool:
    """Whether an object is of a class of a package, which is not imported to find out: whoever
    made the object has imported it."""
    package = sys.modules.get(module)
    return package is not None and isinstance(
        source, tuple(getattr(package, name) for name in names if name in vars(package))
    )


@readers.add("frames")
class Frames(Reader):
    """Rows count from 1; an index is no column."""

    def claims(self, source: object) -> bool:
        return (
            _is(source, "pandas", "DataFrame")
            or _is(source, "polars", "DataFrame", "LazyFrame")
            or _is(source, "pyarrow", "Table")
            or _is(source, "datasets", "Dataset", "DatasetDict", "IterableDataset")
            or isinstance(source, Mapping | list)
        )

    def read(self, source: Any) -> RawTable:
        if _is(source, "pandas", "DataFrame"):
            return _read_pandas(source)
        if _is(source, "polars", "DataFrame", "LazyFrame"):
            whole = source.collect() if _is(source, "polars", "LazyFrame") else source
            return arrow_table("the polars frame", whole.to_arrow())
        if _is(source, "pyarrow", "Table"):
            return arrow_table("the Arrow table", source)
        if _is(source, "datasets", "Dataset", "DatasetDict", "IterableDataset"):
            return _read_huggingface(source)
        return _read_mapping(source) if isinstance(source, Mapping) else _read_list(source)


def _read_pandas(frame: Any) -> RawTable:
    columns = [_pandas_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return table("the pandas frame", [str(name) for name in frame.columns], columns)


def _pandas_column(series: Any) -> Iterable[Any]:
    from pandas.api import types

    if types.is_any_real_numeric_dtype(series):
        found = floats(series.to_numpy(dtype="float64", na_value=float("nan")))
        if found is not None:
            return found
    values, gone = series.astype(object).to_numpy(), series.isna().to_numpy()
    return [None if g else plain(v) for v, g in zip(values, gone, strict=True)]


def _read_huggingface(source: Any) -> RawTable:
    """Labels that the features give names to are read by name; -1 means unlabelled there."""
    if not _is(source, "datasets", "Dataset"):
        splits = f" It has: {', '.join(map(str, source))}." if isinstance(source, dict) else ""
        raise DataError(
            f"A {type(source).__name__} of Hugging Face is not one table. Give one split as a "
            f'Dataset, such as data["train"].{splits}'
        )
    raw = arrow_table("the Hugging Face dataset", source.with_format("arrow")[:])
    for name, feature in source.features.items():
        if type(feature).__name__ == "ClassLabel":
            raw.cells[name] = objects(  # type: ignore[index]
                feature.int2str(int(code)) if code is not None and code >= 0 else None
                for code in raw.cells[name]
            )
    return raw


def _read_mapping(source: Mapping[Any, Any]) -> RawTable:
    columns: list[list[Any]] = []
    for name, values in source.items():
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise DataError(
                f"The dict has {type(values).__name__} under {name!r}, not a list of cells. "
                'Give a list for each column, such as {"text": ["a", "b"], "label": [0, 1]}.'
            )
        columns.append([plain(value) for value in values])
    lengths = {str(name): len(column) for name, column in zip(source, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise DataError(f"The columns of the dict differ in length: {told}. Give equal lengths.")
    return table("the dict", list(lengths), columns)


def _read_list(source: Sequence[Any]) -> RawTable:
    if not source:
        raise DataError("The list of rows is empty. Give at least a few rows of data.")
    for place, row in enumerate(source, start=1):
        if not isinstance(row, dict):
            raise DataError(
                f"Row {place} of the list is a {type(row).__name__}. Give a dict for each row, "
                'such as {"text": "a", "label": 0}.'
            )
    return records_table("the list of rows", source)
