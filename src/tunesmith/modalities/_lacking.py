"""Rows that lack a column which a model reads."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.errors import DataError
from tunesmith.core.records import Column, Dataset


def refuse_lacking(data: Dataset, columns: Sequence[Column]) -> None:
    """Refuse data that lacks an input column.

    Raises:
        DataError: Names every column that is missing and those that are there.
    """
    gone = [column.name for column in columns if column.name not in data.names]
    if gone:
        raise DataError(
            f"{data.source} lacks {len(gone)} of the columns this model was trained on: "
            f"{', '.join(map(repr, gone))}. It has: {', '.join(map(repr, data.names))}. "
            "Add the missing columns; a cell may be empty, a column may not be absent."
        )
