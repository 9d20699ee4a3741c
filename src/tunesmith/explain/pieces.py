"""A row cut into what may get credit, and put together again from some of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import need
from tunesmith.core.explaining import Piece
from tunesmith.core.records import Column, Dataset, Kind
from tunesmith.data.pictures import cell_of, read_bytes
from tunesmith.modalities.pictures import open_picture

MOST_WORDS = 128
"""Of one text; of a longer one runs of words are a piece."""
GRID = 7
"""Rectangles of a picture in a row and in a column."""
MOST_SIDE = 384
"""Pixels of the longer side at which a picture is cut: more than what networks here read."""
SHOWN_LETTERS = 80
_SCRIPTS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_SCRIPTS}]|[^\s{_SCRIPTS}]+")
"""A word; of scripts that put no space between words a letter."""

Picture = NDArray[np.uint8]


def pieces_of(row: Dataset, columns: Sequence[Column]) -> tuple[Piece, ...]:
    """The pieces of one row: the words of each text, the rectangles of each picture, other cells
    whole. A text or picture that is missing is one piece, as a cell is."""
    found: list[Piece] = []
    for column in columns:
        cell = row.values(column.name)[0]
        if column.kind == "text" and cell:
            found += _words(column.name, cell)
        elif column.kind == "image" and cell is not None:
            found += _rectangles(column.name)
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


@dataclass(frozen=True)
class Canvas:
    """A picture whose rectangles can be painted over in one colour, shape (height, width, 3)."""

    pixels: Picture
    colour: Picture

    @staticmethod
    def of(cell: str) -> Canvas:
        """The picture of a cell, over its own mean colour.

        Raises:
            PictureError: It cannot be read.
        """
        image = open_picture(read_bytes(cell), near=MOST_SIDE, name=cell)
        longer = max(image.size)
        if longer > MOST_SIDE:
            share = MOST_SIDE / longer
            size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
            image = image.resize(size, need("PIL.Image", extra="image").Resampling.BICUBIC)
        pixels = np.asarray(image.convert("RGB"))
        return Canvas(pixels, pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8))

    def box(self, piece: Piece) -> tuple[slice, slice]:
        """The rows and columns of pixels of a piece."""
        height, width = self.pixels.shape[:2]
        left, top, right, bottom = piece.place
        return (
            slice(round(top * height), round(bottom * height)),
            slice(round(left * width), round(right * width)),
        )

    def cell(self, pieces: Sequence[Piece], present: NDArray[np.bool_]) -> str:
        """The picture with what is absent painted over, as a data URI."""
        painted = self.pixels.copy()
        for piece, is_there in zip(pieces, present, strict=True):
            if not is_there:
                painted[self.box(piece)] = self.colour
        return cell_of(painted) or ""
