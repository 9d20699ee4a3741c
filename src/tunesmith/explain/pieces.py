"""A row cut into what may get credit, and put together again from some of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import need
from tunesmith.core.explaining import GRID, Cut, Piece
from tunesmith.core.records import Column, Dataset, Kind
from tunesmith.data.pictures import read_bytes
from tunesmith.explain.superpixels import outlines, superpixels
from tunesmith.modalities.pictures import open_picture

MOST_WORDS = 128
"""Of one text; of a longer one runs of words are a piece."""
MOST_SIDE = 384
"""Pixels of the longer side at which a picture is taken apart: more than what networks here
read."""
SHOWN_LETTERS = 80
_SCRIPTS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_SCRIPTS}]|[^\s{_SCRIPTS}]+")
"""A word; of scripts that put no space between words a letter."""

Picture = NDArray[np.uint8]


def pieces_of(
    row: Dataset, columns: Sequence[Column], pictures: Mapping[str, Picture], cut: Cut
) -> tuple[Piece, ...]:
    """The pieces of one row: the words of each text, the parts of each of its `pictures`, other
    cells whole. A text or picture that is missing is one piece, as a cell is.

    Raises:
        MissingExtra: Pictures are to be cut into superpixels, and scikit-image is not installed.
    """
    found: list[Piece] = []
    for column in columns:
        cell = row.values(column.name)[0]
        if column.kind == "text" and cell:
            found += _words(column.name, cell)
        elif column.name in pictures:
            found += _parts(column.name, pictures[column.name], cut)
        else:
            found.append(Piece(column.name, column.kind, shown(cell, column.kind)))
    return tuple(found)


def shown(cell: Any, kind: Kind) -> str:
    """A cell in words."""
    if cell is None or cell != cell:
        return "missing"
    if kind == "number":
        return f"{cell:g}"
    return str(cell)[:SHOWN_LETTERS]


def _words(column: str, text: str) -> list[Piece]:
    spans = [match.span() for match in _WORD.finditer(text)]
    if not spans:
        return [Piece(column, "text", text[:SHOWN_LETTERS], (0, len(text)))]
    runs = np.array_split(np.arange(len(spans)), min(len(spans), MOST_WORDS))
    ends = [(spans[run[0]][0], spans[run[-1]][1]) for run in runs]
    return [Piece(column, "text", text[start:end], (start, end)) for start, end in ends]


def _rectangles(column: str) -> list[Piece]:
    edges = np.linspace(0, 1, GRID + 1)
    return [
        Piece(column, "image", "", (edges[x], edges[y], edges[x + 1], edges[y + 1]))
        for y in range(GRID)
        for x in range(GRID)
    ]


def _parts(column: str, picture: Picture, cut: Cut) -> list[Piece]:
    if cut == "grid":
        return _rectangles(column)
    found = []
    for outline in outlines(superpixels(picture, GRID**2)):
        corners = np.array([corner for ring in outline for corner in ring])
        place = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
        found.append(Piece(column, "image", "", place, outline))
    return found


def text_of(text: str, pieces: Sequence[Piece], present: NDArray[np.bool_]) -> str:
    """The text with the absent words left out, and the space before them."""
    kept: list[str] = []
    last = 0
    for piece, is_there in zip(pieces, present, strict=True):
        start, end = int(piece.place[0]), int(piece.place[1])
        if is_there:
            kept.append(text[last:end] if kept or last == 0 else text[start:end])
        last = end
    return "".join(kept).strip() if not all(present) else text


def picture_of(cell: str) -> Picture:
    """The picture of a cell, shape (height, width, 3), no larger than it is taken apart.

    Raises:
        PictureError: It cannot be read.
    """
    image = open_picture(read_bytes(cell), near=MOST_SIDE, name=cell)
    longer = max(image.size)
    if longer > MOST_SIDE:
        share = MOST_SIDE / longer
        size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        image = image.resize(size, need("PIL.Image", extra="image").Resampling.BICUBIC)
    return np.asarray(image.convert("RGB"))
