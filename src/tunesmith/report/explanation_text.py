"""Explanations as lines of text, in which nothing of a user's words steers a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tunesmith.core.explaining import Piece
from tunesmith.core.explanations import Faithfulness, RowExplanation
from tunesmith.core.printable import printable

MOST_PIECES = 12
MOST_LETTERS = 60
"""Of a name or a cell in the table; the whole text stands above it."""
BAR = 24
"""Signs of the longest bar."""
HEADS = ("column", "value", "credit", "")


def text(rows: Sequence[RowExplanation], proof: Faithfulness, check: str = "") -> str:
    """The rows one below the other, and how far it is true."""
    parts = ["\n".join(_row(one)) for one in rows]
    told = [f"Over {len(rows)} rows: {proof.told()}."] if len(rows) > 1 else []
    told += [f"Of the first row: {check}."] if check else []
    return "\n\n".join([*parts, *(["\n".join(told)] if told else [])])


def head(one: RowExplanation) -> tuple[str, str]:
    """Which row, and its answer; and what is explained of it."""
    what = f"probability of {printable(one.output)}" if one.output else "value"
    base = "" if one.base is None else f", {one.base:.4g} with nothing there"
    return (
        f"Row {one.row + 1}: {printable(one.answer)}",
        f"{what} {one.value:.4g}{base}; by {one.method}",
    )


def bars(one: RowExplanation) -> tuple[tuple[str, str, str, str], ...]:
    """Cells under `HEADS`: columns by what they added, and the words and parts of pictures
    that count most."""
    shown = {piece.column: piece.text for piece in one.pieces if not piece.place}
    lines = [(name, shown.get(name, ""), credit) for name, credit in one.by_column().items()]
    if len(lines) == 1 and not shown:
        lines = []
    lines += [
        (piece.column, piece.text or where(piece), credit)
        for piece, credit in one.top(MOST_PIECES)
        if piece.place
    ]
    most = max((abs(credit) for _, _, credit in lines), default=0.0) or 1.0
    return tuple(
        (
            printable(name, MOST_LETTERS),
            printable(said, MOST_LETTERS),
            f"{credit:+.4f}",
            ("+" if credit > 0 else "-") * round(abs(credit) / most * BAR),
        )
        for name, said, credit in lines[: 2 * MOST_PIECES]
    )


def tests(one: RowExplanation) -> Iterator[str]:
    """What is known of how true it is, a sentence each."""
    if told := one.completeness():
        yield f"{told.capitalize()}."
    yield f"Taken away in this order: {one.faithfulness.told()}."


def where(piece: Piece) -> str:
    """A part of a picture in words; of a superpixel the rectangle around it."""
    left, top, right, bottom = piece.place
    within = "within " if piece.outline else ""
    return f"{within}{left:.0%} to {right:.0%} across, {top:.0%} to {bottom:.0%} down"


def _row(one: RowExplanation) -> Iterator[str]:
    yield "  ".join(head(one))
    cells = [HEADS, *bars(one)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(HEADS))]
    for row in cells:
        parts = (
            cell.rjust(wide) if name == "credit" else cell.ljust(wide)
            for cell, wide, name in zip(row, widths, HEADS, strict=True)
        )
        yield "  ".join(parts).rstrip()
    yield from tests(one)
