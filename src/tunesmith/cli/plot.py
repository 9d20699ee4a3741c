"""`tunesmith plot`: pictures of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import names


def plot(
    folder: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A PNG, SVG or HTML file. [RUN/search.html]"),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="best, parallel, importance, timeline, pareto, spent. [all]"
        ),
    ] = None,
) -> None:
    """Draw a run: best score over time, trials side by side, what mattered, who ran when."""
    from tunesmith.report.history import history
    from tunesmith.report.plots import plot as draw

    file = Path(out) if out else Path(folder) / "search.html"
    drawn = draw(history(Path(folder)), file, tuple(names(kinds) or ()))
    print(f"{', '.join(drawn)}: {file}")
