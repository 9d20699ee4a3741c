"""Parquet files, whatever their pages are compressed with."""

from __future__ import annotations

import re
from pathlib import Path

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import DataError
from tunesmith.data.readers._bytes import ending, fetch
from tunesmith.data.readers._shelf import readers
from tunesmith.data.readers._table import arrow_table

INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name when it writes one down: the numbers of its rows, no
column of the user's."""


@readers.add("parquet")
class Parquet(Reader):
    """Rows count from 1."""

    def claims(self, source: object) -> bool:
        return ending(source) in (".parquet", ".pq")

    def read(self, source: str | Path) -> RawTable:
        import pyarrow
        from pyarrow import parquet

        data = fetch(source)
        try:
            # One ParquetFile, not read_table: that one refuses two columns of the same name
            # with words of its own.
            arrow = parquet.ParquetFile(pyarrow.BufferReader(data)).read()
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(
                f"{source} is not a whole Parquet file ({error}). It has {len(data):,} bytes; "
                "write it again, or give the right file."
            ) from error
        unnamed = [name for name in arrow.column_names if INDEX.fullmatch(name)]
        return arrow_table(str(source), arrow.drop_columns(unnamed))
