"""The explanation of a row as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import ConfigError, need
from tunesmith.core.explaining import Piece
from tunesmith.core.explanations import RowExplanation
from tunesmith.core.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg")
UP, DOWN = "#2166cc", "#cc5500"
MOST_BARS = 20
LETTERS = 36
SIDE = 320
DOTS_PER_INCH = 130
EDGE = 0.5
"""Of a pixel, what its edge lies before its middle, which is where it is drawn."""


def plot(one: RowExplanation, file: Path | None) -> Any:
    """Bars of the pieces that count most, beside each picture with its credit on it.

    Raises:
        ConfigError: The file cannot be written, or its ending is not known.
        MissingExtra: matplotlib is not installed.
    """
    if file is not None and file.suffix.lower() not in FORMATS:
        raise ConfigError(f"{file} must end in one of {', '.join(FORMATS)}.")
    need("matplotlib", extra="plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pictures = sorted({p.column for p in one.pieces if p.kind == "image" and p.place})
    bars = _bars(one)
    width = 4.0 * len(pictures) + (6.0 if bars else 0.0)
    figure = Figure(
        figsize=(width, max(3.5, 0.3 * len(bars) + 1.5)), dpi=DOTS_PER_INCH, layout="constrained"
    )
    FigureCanvasAgg(figure)
    places = len(pictures) + bool(bars)
    for place, column in enumerate(pictures, start=1):
        draw_picture(figure.add_subplot(1, places, place), one, column)
    if bars:
        _draw_bars(figure.add_subplot(1, places, places), bars)
    what = f"probability of {one.output}" if one.output else "value"
    figure.suptitle(_plain(f"{one.answer}: {what} {one.value:.4g}, by {one.method}"))
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(file)
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}.") from error
    return figure


def _bars(one: RowExplanation) -> list[tuple[str, float]]:
    """Words and cells that count most, in the order of the row."""
    found = [
        (n, piece)
        for n, piece in enumerate(one.pieces)
        if not (piece.kind == "image" and piece.place)
    ]
    found.sort(key=lambda pair: -abs(one.credits[pair[0]]))
    return [(_named(piece), float(one.credits[n])) for n, piece in sorted(found[:MOST_BARS])]


def _named(piece: Piece) -> str:
    text = piece.text if piece.place else f"{piece.column} = {piece.text}"
    return _plain(text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…")


def _plain(text: str) -> str:
    """Dollars as they are: matplotlib would take them for the ends of a formula; what steers and
    shows nothing written out."""
    return printable(text).replace("$", r"\$")


def _draw_bars(axes: Axes, bars: list[tuple[str, float]]) -> None:
    heights = np.arange(len(bars))[::-1]
    credits = [credit for _, credit in bars]
    axes.barh(heights, credits, color=[UP if credit > 0 else DOWN for credit in credits])
    axes.set_yticks(heights, [name for name, _ in bars])
    axes.axvline(0, color="#57606a", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("credit")


def draw_picture(axes: Axes, one: RowExplanation, column: str) -> None:
    """The picture of a column with each of its parts in the colour of its credit."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Way

    from tunesmith.data.pictures import read_bytes
    from tunesmith.modalities.pictures import open_picture

    cell = str(one.cells[column])
    opened = open_picture(read_bytes(cell), near=SIDE, name=cell)
    opened.thumbnail((SIDE, SIDE))
    image = np.asarray(opened)
    height, width = image.shape[:2]
    axes.imshow(image)
    most = float(np.abs(one.credits).max()) or 1.0
    for piece, credit in zip(one.pieces, one.credits, strict=True):
        if piece.column == column:
            rings = [np.array((*ring, ring[0])) * (width, height) for ring in piece.rings()]
            way = Way.make_compound_path(*(Way(ring - EDGE, closed=True) for ring in rings))
            tint = to_rgba(UP if credit > 0 else DOWN, 0.6 * abs(float(credit)) / most)
            axes.add_patch(PathPatch(way, facecolor=tint, linewidth=0))
    axes.set_axis_off()
    axes.set_title(_plain(column))
