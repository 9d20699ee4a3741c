"""`tunesmith ablation`: what each column of a run is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import Json
from tunesmith.cli.tables import Table, interval, number, show, show_json


def ablation(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Where the data lies now, if it has moved.")
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Time for it: 60s.")] = None,
    as_json: Json = False,
) -> None:
    """Tell what each column, and each kind of column, scores alone, and what is lost without it."""
    from tunesmith.pipeline.ablation import ablate, lines

    facts = ablate(Path(run), source=data, budget=budget)
    if as_json:
        show_json(facts)
        return
    print("\n".join(lines(facts)))
    heads = ("column", "kind", "alone", "95 % interval", "lost without", "95 % interval of that")
    rows = tuple(
        (
            row["what"],
            row["kind"],
            number(row["alone"]),
            interval(row["alone_low"], row["alone_high"]),
            number(row["lost"]),
            interval(row["lost_low"], row["lost_high"]) if row["lost"] == row["lost"] else "",
        )
        for row in facts["rows"]
    )
    title = "What columns are worth (validation rows)"
    show(Table(title, heads, rows, frozenset({"alone", "lost without"})))
