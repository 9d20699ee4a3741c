"""`tunesmith explain`: why rows are answered as they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.options import Data, Json, Run
from tunesmith.cli.tables import Table, show, show_json
from tunesmith.core.errors import ConfigError
from tunesmith.core.printable import printable

if TYPE_CHECKING:
    from rich.text import Text

    from tunesmith.core.explanations import RowExplanation

FAINT = 0.1
"""Of the largest credit: below it a word is not coloured."""
FIRST_ROWS = 5


def explain(
    run: Run,
    data: Data,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help="shap, lime, occlusion, …; auto takes what tests best."),
    ] = "auto",
    output: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Explain this class, not what was answered.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which rows, counted from 1. [the first 5]")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Rows whose cells stand for what is not there."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", help="For each row: 3 for texts, 5 for pictures.")
    ] = None,
    pieces: Annotated[
        str,
        typer.Option(metavar="WAY", help="How pictures are cut: superpixels, grid or auto."),
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write .html, .json, .csv, or the first as .png, .svg."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell which words, parts of a picture and columns made the answers, and test that it is so."""
    places = _places(rows)
    from tunesmith import api

    source = data if "://" in data or not Path(data).exists() else Path(data)
    found = api.load(run).explain(
        source,
        method,
        output=output,
        background=background,
        seconds=seconds,
        only=places,
        most_rows=FIRST_ROWS,
        pieces=pieces,
    )
    if out is not None:
        print(found.save(out), file=sys.stderr)
    if as_json:
        show_json(found.to_json())
    elif out is None:
        for one in found.rows:
            _show(one)
        if len(found) > 1:
            print(f"Over {len(found)} rows: {found.faithfulness.told()}.")
        if told := found.checked():
            print(f"Of the first row: {told}.")


def _places(rows: str | None) -> tuple[int, ...]:
    """Places of rows counted from 0; none where none are asked for.

    Raises:
        ConfigError: It is not numbers from 1 with commas between.
    """
    if rows is None:
        return ()
    words = [word.strip() for word in rows.split(",") if word.strip()]
    if not words or not all(word.isascii() and word.isdigit() and int(word) for word in words):
        raise ConfigError(f"--rows {rows!r}: give numbers of rows counted from 1, such as 1,4,9.")
    return tuple(int(word) - 1 for word in words)


def _show(one: RowExplanation) -> None:
    from rich.console import Console
    from rich.text import Text

    from tunesmith.report import explanation_text

    console = Console(highlight=False)
    title, about = explanation_text.head(one)
    console.print(Text(title, style="bold"), Text(f"  {about}"))
    for column in dict.fromkeys(piece.column for piece in one.pieces):
        if drawn := _words(one, column):
            console.print(drawn)
    heads = explanation_text.HEADS
    show(Table("", heads, explanation_text.bars(one), frozenset({"credit"})))
    for told in explanation_text.tests(one):
        console.print(Text(told))
    console.print()


def _words(one: RowExplanation, column: str) -> Text | None:
    """A text with its words coloured: blue raises, orange lowers the explained number."""
    from rich.text import Text

    most = float(abs(one.credits).max()) or 1.0
    found, drawn = False, Text()
    for piece, credit in zip(one.pieces, one.credits, strict=True):
        if piece.column != column or piece.kind != "text" or not piece.place:
            continue
        found, share = True, float(credit) / most
        style = "" if abs(share) < FAINT else "bold " * (abs(share) > 0.5)
        tone = "" if abs(share) < FAINT else "blue" if share > 0 else "dark_orange"
        drawn.append(printable(piece.text), style=style + tone)
        drawn.append(" ")
    return drawn if found else None
