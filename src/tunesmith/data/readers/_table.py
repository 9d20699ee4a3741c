"""What every reader does at its end: plain cells, checked names, a raw table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import RawTable
from tunesmith.core.errors import DataError
from tunesmith.core.records import BadCell, Kind
from tunesmith.data.pictures import cell_of, format_of, is_feature, is_pil

EXACT = 2.0**53
"""Up to here every whole number has a float of its own."""
PLAIN = (str, int, float, bool, type(None), datetime)


def objects(values: Iterable[Any]) -> NDArray[np.object_]:
    """Values as an object array of shape (rows,), whatever they are."""
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def column_of(cells: Iterable[Any]) -> NDArray[Any]:
    """Cells as an object array; an array of floats, with NaN where a cell is missing, as it is."""
    is_ready = isinstance(cells, np.ndarray) and cells.dtype == np.float64
    return cells if is_ready else objects(cells)  # type: ignore[return-value]


def floats(numbers: Any) -> NDArray[np.float64] | None:
    """A column of numbers as floats; None where a float cannot hold one of them exactly."""
    found = np.asarray(numbers, dtype=np.float64) + 0.0  # as text, -0.0 is 0 too
    known = found[np.isfinite(found)]
    return found if not len(known) or np.abs(known).max() < EXACT else None


def plain(value: Any) -> Any:
    """A cell as str, int, float, bool, datetime or None; nested values as JSON text."""
    if type(value) in PLAIN:
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").item()  # finer ones would become whole numbers
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if is_picture(value):
        return cell_of(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def is_picture(value: Any) -> bool:
    """Whether a cell holds a picture itself: bytes that begin as one, what Hugging Face data sets
    have for one, a PIL image, or an array of uint8 with 3 or 4 colours."""
    if isinstance(value, bytes):
        return bool(format_of(value))
    if isinstance(value, np.ndarray):
        return value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] in (3, 4)
    return is_feature(value) or is_pil(value)


def check_names(names: Sequence[str], source: str) -> None:
    """Refuse columns without a name and names that stand twice.

    Raises:
        DataError: Names them.
    """
    hint = "If the first line is data, put a line of column names above it."
    if not names:
        raise DataError(f"{source} has no columns.")
    empty = [str(place) for place, name in enumerate(names, start=1) if not name.strip()]
    if empty:
        raise DataError(f"{source}: column {', '.join(empty[:10])} has no name. {hint}")
    twice = [f"{name!r} ({n} times)" for name, n in Counter(names).items() if n > 1]
    if twice:
        raise DataError(
            f"{source} has columns of the same name: {', '.join(twice[:10])}. "
            f"Rename or remove all but one. {hint}"
        )


def table(
    source: str,
    names: Sequence[str],
    columns: Sequence[Iterable[Any]],
    *,
    lines: Sequence[int] | None = None,
    bad: Sequence[BadCell] = (),
    kinds: Mapping[str, Kind] | None = None,
) -> RawTable:
    """A raw table of columns in the order of their names; rows count from 1 without `lines`.

    Raises:
        DataError: A name is empty or stands twice.
    """
    check_names(names, source)
    cells = {name: column_of(column) for name, column in zip(names, columns, strict=True)}
    rows = len(next(iter(cells.values())))
    where = np.asarray(range(1, rows + 1) if lines is None else lines, dtype=np.int64)
    return RawTable(source, tuple(names), cells, where, tuple(bad), dict(kinds or {}))


def arrow_table(source: str, arrow: Any) -> RawTable:
    """A raw table of a pyarrow table."""
    names = [str(name) for name in arrow.column_names]
    return table(source, names, [_arrow_column(column) for column in arrow.columns])


def _arrow_column(column: Any) -> Iterable[Any]:
    import pyarrow

    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        found = floats(column.to_numpy())
        if found is not None:
            return found
    return map(plain, column.to_pylist())


def records_table(
    source: str,
    records: Sequence[dict[Any, Any]],
    *,
    lines: Sequence[int] | None = None,
    bad: Sequence[BadCell] = (),
) -> RawTable:
    """A raw table of one mapping a row; a key that a row lacks is a missing cell there."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    columns = [[plain(record.get(key)) for record in records] for key in keys]
    return table(source, [str(key) for key in keys], columns, lines=lines, bad=bad)
