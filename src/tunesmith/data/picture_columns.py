"""Image columns after reading: places made absolute, and what cannot be used named and left out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from tunesmith.core.errors import DataError, DataWarning
from tunesmith.core.records import BadCell, Dataset
from tunesmith.data.archives import INSIDE
from tunesmith.data.picture_headers import look
from tunesmith.data.pictures import DATA_URI, identity, shown
from tunesmith.data.readers._bytes import is_url
from tunesmith.data.readers._table import objects

MOST_BROKEN = 0.05
"""Share of the pictures of a column that may be broken when a model is to learn from them; one
always may."""
NAMED = 5
THREADS = 4
PICTURES_ALONE = frozenset({"image", "label", "split"})

_SEEN: dict[bytes, str] = {}
"""What `look` said, by the identity of the cell."""


def settle(data: Dataset, folders: Sequence[str], *, is_new: bool = False) -> Dataset:
    """Make the cells of image columns absolute and look at every picture's header.

    A picture that cannot be used becomes a missing cell and stands in `bad`; rows that have nothing
    else (a folder of pictures) are left out, unless they are new rows to be answered.

    Args:
        data: As inferred.
        folders: Where the paths of each row begin, of length (rows,): a folder or a URL.
        is_new: Whether these rows are for a model that is there: then only a column without one
            picture that can be used is an error.

    Raises:
        DataError: More than `MOST_BROKEN` of a column, and more than one, cannot be used.
    """
    for name in data.of_kind("image"):
        data = _settled(data, name, folders, is_new)
    return data


def _settled(data: Dataset, name: str, folders: Sequence[str], is_new: bool) -> Dataset:
    cells = [
        None if cell is None else resolved(cell, folder)
        for cell, folder in zip(data.values(name).tolist(), folders, strict=True)
    ]
    troubles = _looked_at(cells)
    broken = [row for row, trouble in enumerate(troubles) if trouble]
    bad = tuple(
        BadCell(
            int(data.lines[row]), name, f"{shown(cells[row] or '')}: {troubles[row]}", "a picture"
        )
        for row in broken
    )
    _refuse_many(data, name, bad, sum(cell is not None for cell in cells), is_new)
    usable = objects(None if troubles[row] else cell for row, cell in enumerate(cells))
    settled = replace(data, cells={**data.cells, name: usable}, bad=data.bad + bad)
    if broken and not is_new and set(data.names) <= PICTURES_ALONE:
        return settled.take(np.setdiff1d(np.arange(len(data)), broken))
    return settled


def resolved(cell: str, folder: str) -> str:
    """A cell with its path absolute: relative ones begin at a folder or URL. Both / and \\ part
    the names of folders."""
    if cell.startswith(DATA_URI) or is_url(cell):
        return cell
    if is_url(folder):
        return f"{folder.rstrip('/')}/{cell}".replace("\\", "/")
    inside = INSIDE.fullmatch(cell)
    path, rest = (inside[1], f"!/{inside[2]}") if inside else (cell, "")
    place = os.path.normpath(os.path.join(folder, path))
    if "\\" in path and not os.path.exists(place):
        place = os.path.normpath(os.path.join(folder, path.replace("\\", "/")))
    return place + rest


def folder_of(source: object) -> str:
    """Where relative paths in a source begin: its folder, or the current one of an object."""
    text = str(source)
    if is_url(text):
        return text.partition("?")[0].rpartition("/")[0]
    if isinstance(source, str | os.PathLike):
        return os.path.dirname(os.path.abspath(text))
    return os.getcwd()


def _looked_at(cells: Sequence[str | None]) -> list[str]:
    def trouble(cell: str | None) -> str:
        if cell is None:
            return ""
        known = identity(cell)
        if known not in _SEEN:
            _SEEN[known] = look(cell)
        return _SEEN[known]

    with ThreadPoolExecutor(THREADS, "headers") as pool:
        return list(pool.map(trouble, cells))


def _refuse_many(
    data: Dataset, name: str, bad: Sequence[BadCell], present: int, is_new: bool
) -> None:
    """Warn of pictures that cannot be used, or refuse where they are too many."""
    if not bad:
        return
    told = "; ".join(f"line {cell.line}: {cell.got}" for cell in bad[:NAMED])
    more = f"; and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
    said = (
        f"{data.source}: {len(bad):,} of {present:,} pictures in column {name!r} cannot be used: "
        f"{told}{more}."
    )
    most = present - 1 if is_new else min(present - 1, max(1, int(MOST_BROKEN * present)))
    if len(bad) > most:
        limit = "one" if most <= 1 else f"{most:,}"
        raise DataError(
            f"{said} At most {limit} may be. Are the paths right (relative ones begin at the "
            "folder of the table), and the files whole? Mend them, remove their rows, or say that "
            f"the column holds no pictures (--kind {name}=identifier)."
        )
    warnings.warn(f"{said} They are left out", DataWarning, stacklevel=4)
