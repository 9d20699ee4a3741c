"""A report as values: sections of blocks, which the page, the JSON and the model card render."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Cell = str | int | float | bool | None
Tone = Literal["plain", "warning", "quiet"]
Draw = Callable[[Any], None]
"""Draws onto matplotlib's axes."""
NOTHING = "–"


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Tile:
    """One number of a few that are read first: what it is, and what is said of it."""

    name: str
    value: str
    about: str = ""


@dataclass(frozen=True)
class Tiles:
    """The numbers that are read first."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Head:
    """A column of a table; `digits` after the point of its numbers, None for texts and counts."""

    name: str
    digits: int | None = None


@dataclass(frozen=True)
class Table:
    """Cells under their heads. Where a row is a class and so is a column, `is_heat` shades each
    number by its share of the row."""

    title: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_heat: bool = False

    def said(self, row: Sequence[Cell]) -> list[str]:
        """The cells of a row as they are read."""
        return [said(cell, head.digits) for cell, head in zip(row, self.heads, strict=True)]


@dataclass(frozen=True)
class Chart:
    """A drawing, what it shows in a sentence for who does not see it, and the numbers behind it."""

    name: str
    title: str
    says: str
    table: Table
    draw: Draw
    inches: tuple[float, float] = (6.0, 4.0)


@dataclass(frozen=True)
class Code:
    """Lines to be copied."""

    text: str
    language: str = "python"


@dataclass(frozen=True)
class Marked:
    """A text whose pieces raised or lowered an answer: each with its share of the largest credit,
    in [-1, 1]; what stands between pieces has 0."""

    title: str
    says: str
    pieces: tuple[tuple[str, float], ...]


Block = Words | Tiles | Table | Chart | Code | Marked


@dataclass(frozen=True)
class Section:
    """What is said of one thing, and why it is worth a look."""

    name: str
    title: str
    why: str
    blocks: tuple[Block, ...]


def said(cell: Cell, digits: int | None = None) -> str:
    """A cell as it is read: a dash for what is not there, words for yes and no."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    places = 4 if digits is None else digits
    if abs(cell) >= 100:  # of a large number the first figures are read
        places = max(0, places + 1 - int(math.log10(abs(cell))))
    return f"{cell:,.{places}f}"


def table(
    title: str, heads: Mapping[str, int | None], rows: Iterable[Iterable[Any]], **more: bool
) -> Table:
    """A table from names of columns with their digits, and rows of cells."""
    named = tuple(Head(name, digits) for name, digits in heads.items())
    return Table(title, named, tuple(tuple(row) for row in rows), **more)


def interval(low: float | None, high: float | None, digits: int = 4) -> str:
    """`[low, high]`; a dash where there is none."""
    if low is None or high is None:
        return NOTHING
    return f"[{said(float(low), digits)}, {said(float(high), digits)}]"


def counted(many: int, noun: str) -> str:
    """`1 trial`, `1,200 trials`."""
    return f"{many:,} {noun}{'s' * (many != 1)}"


def duration(seconds: float) -> str:
    """Seconds as `8.3 s`, `2 min 05 s` or `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def charts(sections: Iterable[Section]) -> dict[str, Chart]:
    """Every chart of a report by its name."""
    blocks = (block for one in sections for block in one.blocks)
    return {block.name: block for block in blocks if isinstance(block, Chart)}
