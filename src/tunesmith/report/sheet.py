"""A contact sheet: pictures in rows under headings, with what is said of each below it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tunesmith.core.errors import ConfigError, need
from tunesmith.data.pictures import PictureError, read_bytes
from tunesmith.modalities.pictures import open_picture

Mark = Literal["right", "wrong", ""]

COLUMNS = 8
THUMB, GAP, FRAME, MARGIN = 112, 22, 3, 18
"""Pixels: a picture's side, between two of them, around one, and around all."""
HEAD, TITLE, WORDS = 20, 16, 13
"""Letters, in pixels: of the sheet's heading, of a section's, and below a picture."""
LEADING = 1.35
INK, PALE, GROUND, MISSING = "#1c1f23", "#6b7280", "#ffffff", "#e5e7eb"
COLORS: dict[Mark, str] = {"right": "#1a7f37", "wrong": "#c62828", "": "#9ca3af"}
FINE = 4
"""How many times as large a mark is drawn before it is made smaller, which smooths its edges."""
BADGE = 24
STROKES: dict[Mark, tuple[tuple[tuple[float, float], ...], ...]] = {
    "right": (((0.27, 0.53), (0.44, 0.70), (0.74, 0.34)),),
    "wrong": (((0.31, 0.31), (0.69, 0.69)), ((0.69, 0.31), (0.31, 0.69))),
    "": (),
}
"""Lines of a tick and of a cross, in parts of the badge's side."""


@dataclass(frozen=True)
class Tile:
    """A picture by its cell (`data/pictures.py`), what is written below it, line by line as a text
    that is shortened where it is too wide and one behind it that is not, and its mark."""

    cell: str | None
    lines: tuple[tuple[str, str], ...]
    mark: Mark = ""


@dataclass(frozen=True)
class Section:
    """Pictures under a heading, which has the colour of their mark."""

    title: str
    tiles: tuple[Tile, ...]
    mark: Mark = ""


def draw(title: str, sections: Sequence[Section]) -> Any:
    """The sheet as a PIL image, as high as it needs to be. Letters are those of Pillow's own font.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    pil = need("PIL.Image", extra="image")
    lines = max((len(tile.lines) for one in sections for tile in one.tiles), default=0)
    tile_height = THUMB + 2 * FRAME + _line(WORDS) * lines + GAP
    rows = [-(-len(one.tiles) // COLUMNS) for one in sections]
    head, above = _line(HEAD) + GAP // 2, _line(TITLE) + GAP // 2
    height = 2 * MARGIN + head + sum(above + count * tile_height for count in rows)
    width = 2 * MARGIN + COLUMNS * (THUMB + 2 * FRAME) + (COLUMNS - 1) * GAP
    sheet = pil.new("RGB", (width, height), GROUND)
    pen = need("PIL.ImageDraw", extra="image").Draw(sheet)
    _write(pen, (MARGIN, MARGIN), title, HEAD, INK, width - 2 * MARGIN)
    top = MARGIN + head
    for one, count in zip(sections, rows, strict=True):
        color = COLORS[one.mark] if one.mark else INK
        _write(pen, (MARGIN, top), one.title, TITLE, color, width - 2 * MARGIN)
        for place, tile in enumerate(one.tiles):
            row, column = divmod(place, COLUMNS)
            left = MARGIN + column * (THUMB + 2 * FRAME + GAP)
            _draw_tile(sheet, pen, tile, left, top + above + row * tile_height)
        top += above + count * tile_height
    return sheet


def save(sheet: Any, file: Path) -> None:
    """Write a sheet as PNG.

    Raises:
        ConfigError: The file has another ending, or cannot be written.
    """
    check_place(file)
    held = io.BytesIO()
    sheet.save(held, "PNG", optimize=True)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(held.getvalue())
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from error


def check_place(file: Path) -> None:
    """Raises:
    ConfigError: The file does not end as a PNG does, or is a folder.
    """
    if file.suffix.lower() != ".png" or file.is_dir():
        raise ConfigError(f"{file}: a sheet is written as PNG. Give a file that ends in .png.")


def _draw_tile(sheet: Any, pen: Any, tile: Tile, left: int, top: int) -> None:
    side = THUMB + 2 * FRAME
    box = (left, top, left + side - 1, top + side - 1)
    pen.rectangle(box, MISSING, COLORS[tile.mark], FRAME)
    thumb = _thumb(tile.cell)
    if thumb is None:
        _write(pen, (left + 2 * FRAME, top + side // 2 - WORDS), "no picture", WORDS, PALE, THUMB)
    else:
        shift = [FRAME + (THUMB - size) // 2 for size in thumb.size]
        sheet.paste(thumb, (left + shift[0], top + shift[1]))
    if tile.mark:
        badge = _badge(tile.mark)
        sheet.paste(badge, (left + side - BADGE * 3 // 4, top - BADGE // 4), badge)
    for number, (text, behind) in enumerate(tile.lines):
        place = (left, top + side + 2 + number * _line(WORDS))
        _write(pen, place, text, WORDS, INK, side + GAP - 6, behind)


def _thumb(cell: str | None) -> Any:
    """The whole picture, as large as its place takes; None where it cannot be had."""
    if cell is None:
        return None
    fit = need("PIL.ImageOps", extra="image").contain
    try:
        return fit(open_picture(read_bytes(cell), near=THUMB, name=cell), (THUMB, THUMB))
    except PictureError:  # who answered has told it
        return None


def _badge(mark: Mark) -> Any:
    """A disc with a white tick or cross, transparent around it."""
    pil, side = need("PIL.Image", extra="image"), FINE * BADGE
    badge = pil.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = need("PIL.ImageDraw", extra="image").Draw(badge)
    pen.ellipse((0, 0, side - 1, side - 1), COLORS[mark], GROUND, FINE * 2)
    for stroke in STROKES[mark]:
        points = [(x * side, y * side) for x, y in stroke]
        pen.line(points, GROUND, side // 8, joint="curve")
    return badge.resize((BADGE, BADGE), pil.Resampling.LANCZOS)


def _line(letters: int) -> int:
    return round(LEADING * letters)


def _write(
    pen: Any,
    place: tuple[int, int],
    text: str,
    letters: int,
    color: str,
    width: int,
    behind: str = "",
) -> None:
    """Text of one line, shortened to a width in pixels; what stands behind it is never cut."""
    font = need("PIL.ImageFont", extra="image").load_default(letters)
    shown, left = " ".join(text.split()), " ".join(text.split())
    while left and font.getlength(shown + behind) > width:
        left = left[:-1]
        shown = f"{left.rstrip()}…"
    pen.text(place, shown + behind, color, font)
