"""Reading: any source in, one dataset with typed columns out."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import ConfigError, DataError, did_you_mean, need
from tunesmith.core.records import BadCell, Column, Dataset, Kind
from tunesmith.data.kinds import infer, refuse_lacking
from tunesmith.data.picture_columns import folder_of, settle
from tunesmith.data.readers import readers
from tunesmith.data.readers._bytes import ending, fetch, is_url
from tunesmith.data.readers._table import objects

SHOWN = 5


def read(
    source: Any,
    *,
    kinds: Mapping[str, Kind] | None = None,
    bad_rows: Literal["stop", "skip"] = "stop",
    like: Sequence[Column] | None = None,
    target: str | None = None,
) -> Dataset:
    """Read a path, a pattern of paths, a URL, a frame, a list of dicts or a dict of lists.

    Args:
        source: What to read. Several files of a pattern are joined, in the order of their names,
            and need the same columns; `lines` then count within each file. A dataset already
            read is given back, its columns typed anew where the other arguments ask for it.
        kinds: Kinds by column name, in place of the inferred ones.
        bad_rows: Whether rows that do not fit the header stop the reading, or are left out and
            noted in `bad`.
        like: Columns whose kinds are imposed by name, such as those a model was trained on.
        target: The column to predict; it is a number or a category, with its labels as text.

    Raises:
        DataError: It cannot be read, holds no rows, or lacks a column of `like`.
        ConfigError: An argument is wrong.
    """
    if bad_rows not in ("stop", "skip"):
        raise ConfigError(
            f"--bad-rows (bad_rows) cannot be {bad_rows!r}."
            f"{did_you_mean(str(bad_rows), ('stop', 'skip'))}"
        )
    if isinstance(source, Dataset):
        refuse_lacking(source.source, source.names, like or (), target)
        return _retype(source, kinds or {}, like or (), target)
    sources = _expand(source)
    tables = [_reader_of(one).read(one) for one in sources]
    if bad_rows == "stop":
        _refuse_bad_rows(tables)
    raw = _join(tables, str(source))
    if not len(raw.lines):
        left_out = f" All {len(raw.bad):,} rows were left out as bad." if raw.bad else ""
        raise DataError(f"{raw.source} has 0 rows.{left_out} Give at least a few rows of data.")
    data = infer(raw, kinds, like, target)
    if not data.of_kind("image"):
        return data
    pairs = zip(sources, tables, strict=True)
    folders = [folder_of(one) for one, table in pairs for _ in table.lines]
    return settle(data, folders, is_new=like is not None)


def _expand(source: Any) -> list[Any]:
    """The single sources of a pattern; anything else as it is."""
    if not isinstance(source, str | os.PathLike):
        return [source]
    place = os.fspath(source)
    if is_url(place):
        return _expand_url(place)
    if os.path.exists(place) or not glob.has_magic(place):
        return [place]
    found = sorted(path for path in glob.glob(place, recursive=True) if os.path.isfile(path))
    if not found:
        raise DataError(f"No file matches the pattern {place}, seen from {Path.cwd()}.")
    return found


def _expand_url(url: str) -> list[str]:
    """A web address has no patterns: ? and * may stand in it for themselves."""
    if url.startswith(("http://", "https://")) or not glob.has_magic(url):
        return [url]
    fsspec = need("fsspec", extra="remote")
    try:
        files, path = fsspec.core.url_to_fs(url)
        found = sorted(files.unstrip_protocol(name) for name in files.glob(path))
    except Exception as error:  # every backend of fsspec has errors of its own
        raise DataError(f"{url} cannot be listed ({type(error).__name__}: {error}).") from error
    if not found:
        raise DataError(f"No file matches the pattern {url}.")
    return found


def _reader_of(source: Any) -> Reader:
    for name in readers:
        if readers[name].claims(source):
            return readers[name]
    formats = ", ".join(readers)
    if isinstance(source, str | Path):
        fetch(source)  # a missing file or a folder is the first thing to say
        raise DataError(
            f"{source} does not tell its format by its ending {ending(source)!r}. Known formats: "
            f"{formats}; name it .csv, .tsv, .parquet, .jsonl or .xlsx, or give a folder or "
            "archive of pictures."
        )
    raise DataError(
        f"A {type(source).__name__} cannot be read as data. Give a path, a pattern, a URL, a "
        "pandas or polars frame, a Hugging Face Dataset, a list of dicts or a dict of lists."
    )


def _refuse_bad_rows(tables: Sequence[RawTable]) -> None:
    """Stop where rows do not fit; cells that do not fit (a named column) are no reason to stop."""
    rows = [(table.source, cell) for table in tables for cell in table.bad if not cell.column]
    if not rows:
        return
    shown = "; ".join(
        f"{source}, line {cell.line}: got {cell.got}, expected {cell.expected}"
        for source, cell in rows[:SHOWN]
    )
    more = f"; and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    total = len(rows) + sum(len(table.lines) for table in tables)
    raise DataError(
        f"{len(rows):,} of {total:,} rows do not fit the columns. {shown}{more}. Mend them, or "
        "leave them out with `--bad-rows skip` (in Python bad_rows='skip')."
    )


def _join(tables: Sequence[RawTable], source: str) -> RawTable:
    """One table of several with the same columns.

    Raises:
        DataError: A file lacks a column of the first, or has one more.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for table in tables[1:]:
        if set(table.names) != set(first.names):
            lacks = [name for name in first.names if name not in table.names]
            more = [name for name in table.names if name not in first.names]
            raise DataError(
                f"{table.source} does not have the columns of {first.source}: it lacks "
                f"{lacks or 'none'} and has {more or 'none'} besides. Files read together need "
                "the same columns."
            )
    cells = {name: np.concatenate([table.cells[name] for table in tables]) for name in first.names}
    lines = np.concatenate([table.lines for table in tables])
    bad = tuple(_placed(cell, table.source) for table in tables for cell in table.bad)
    joined = f"{source} ({len(tables)} files)"
    return RawTable(joined, first.names, cells, lines, bad, first.kinds)


def _placed(cell: BadCell, source: str) -> BadCell:
    """A line number of one file among several needs the file's name."""
    return replace(cell, got=f"{cell.got} (in {source})")


def _retype(
    data: Dataset, kinds: Mapping[str, Kind], like: Sequence[Column], target: str | None
) -> Dataset:
    """A dataset with some columns typed anew; the others stay as they are."""
    before = {column.name: column for column in like}
    names = {
        column.name
        for column in data.columns
        if column.name in kinds
        or (column.name in before and before[column.name].kind != column.kind)
        or (column.name == target and column.kind not in ("number", "category"))
    }
    if not names and set(kinds) <= set(data.names):
        return data
    cells = {name: _as_came(data.cells[name]) for name in data.names if name in names}
    like = [column for column in like if column.name in names]
    raw = RawTable(data.source, tuple(cells), cells, data.lines)
    typed = infer(raw, kinds, like, target)
    fresh = {column.name: column for column in typed.columns}
    columns = tuple(fresh.get(column.name, column) for column in data.columns)
    bad = data.bad + typed.bad
    return replace(data, columns=columns, cells={**data.cells, **typed.cells}, bad=bad)


def _as_came(values: NDArray[Any]) -> NDArray[np.object_]:
    """Typed cells as a reader would have handed them over."""
    if values.dtype.kind == "M":
        return objects(None if np.isnat(value) else value.item() for value in values)
    return objects(values.tolist())
