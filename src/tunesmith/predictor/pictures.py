"""Pictures that a user gives to be answered: one, several, a folder, a pattern of paths."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.archives import INSIDE
from tunesmith.data.pictures import DATA_URI, cell_of, is_feature, is_pil, names_picture
from tunesmith.data.readers import readers
from tunesmith.data.readers._bytes import is_url

FOLDER = "folder"
"""The reader of folders and archives of pictures."""
FOUR_AXES = 4
"""Of an array of pictures of one size, shape (rows, height, width, 3 or 4)."""


def picture_cells(data: Any) -> list[str | None] | None:
    """The cells of one picture, of several, or of what a pattern matches. None of what a reader is
    to read: a table, a folder or an archive.

    Raises:
        DataError: No picture matches a pattern of picture files.
    """
    if isinstance(data, np.ndarray) and data.ndim == FOUR_AXES and data.dtype != object:
        data = list(data)
    if _is_picture(data):
        return [cell_of(data)]
    if isinstance(data, str | os.PathLike):
        return _matched(os.fspath(data))
    if not isinstance(data, list | tuple) or not data:
        return None
    cells: list[str | None] = []
    for one in data:
        more = [None] if one is None else _of_a_list(one)
        if more is None:
            return None
        cells += more
    return cells


def picture_names(data: Any) -> list[str] | None:
    """What a person calls the pictures of a folder or archive (their paths in it), of a pattern or
    of a path, in the order of their rows; None where they have no names: a table, bytes, arrays."""
    if isinstance(data, str | os.PathLike) and readers[FOLDER].claims(os.fspath(data)):
        return [_inside(cell, data) for cell in _listed(data)]
    if isinstance(data, list | tuple) and not all(isinstance(v, str | os.PathLike) for v in data):
        return None
    if not isinstance(data, str | os.PathLike | list | tuple):
        return None
    cells = picture_cells(data)
    if cells is None or any(cell is None or cell.startswith(DATA_URI) for cell in cells):
        return None
    return [cell for cell in cells if cell]


def _is_picture(data: Any) -> bool:
    if isinstance(data, str | os.PathLike):
        text = os.fspath(data)
        return text.startswith(DATA_URI) or (names_picture(text) and not _is_pattern(text))
    is_pixels = isinstance(data, np.ndarray) and data.dtype != object
    return is_pixels or isinstance(data, bytes | bytearray) or is_pil(data) or is_feature(data)


def _is_pattern(text: str) -> bool:
    return glob.has_magic(text) and not is_url(text) and not os.path.exists(text)


def _of_a_list(one: Any) -> list[str | None] | None:
    """The cells that a member of a list stands for: also those of a folder or an archive."""
    if _is_picture(one):
        return [cell_of(one)]
    if not isinstance(one, str | os.PathLike):
        return None
    if readers[FOLDER].claims(os.fspath(one)):
        return list(_listed(one))
    return _matched(os.fspath(one))


def _matched(pattern: str) -> list[str | None] | None:
    """The pictures that a pattern of paths matches, and those in folders that it matches."""
    if not _is_pattern(pattern):
        return None
    cells: list[str | None] = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isfile(path) and names_picture(path):
            cells.append(path)
        elif os.path.isdir(path) and readers[FOLDER].claims(path) and "**" not in pattern:
            cells += _listed(path)
    if not cells and names_picture(pattern):
        raise DataError(f"No picture matches the pattern {pattern}, seen from {Path.cwd()}.")
    return cells or None


def _listed(place: str | os.PathLike[str]) -> Sequence[str]:
    """The cells of a folder or archive, in the order of its rows."""
    return [str(cell) for cell in readers[FOLDER].read(os.fspath(place)).cells["image"]]


def _inside(cell: str, place: str | os.PathLike[str]) -> str:
    """The path of a picture within its folder or archive."""
    found = INSIDE.fullmatch(cell)
    return found[2] if found else os.path.relpath(cell, os.path.abspath(place))
