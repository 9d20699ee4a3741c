"""`tunesmith importance`: what a model makes of its columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli import options
from tunesmith.cli.options import Data, Json, Run
from tunesmith.cli.tables import Table, interval, number, show, show_json
from tunesmith.core.printable import printable

if TYPE_CHECKING:
    from tunesmith.predictor.global_explanation import GlobalExplanation

MOST_SHOWN = 8
"""Points of a column's effect in the terminal."""


def importance(
    run: Run,
    data: Data,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Whose effects to show; the most important by default."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Whose probability the effects are of.")] = None,
    explainer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare columns by its credits too, such as tree."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="By which importance is measured; that of the fit.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Shuffles of each column.")] = 5,
    rows: Annotated[
        int | None, typer.Option(help="At most so many rows; 1,000, or 200 with texts or pictures.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time for it, such as 10m. [60s]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws rows and shuffles.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as .html, .json, .csv, .png or .svg."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what each column counts for when it is shuffled, and how the answer goes with it."""
    from tunesmith import api

    found = api.load(run).explain_global(
        data,
        columns=options.names(columns),
        label=label,
        explainer=explainer,
        metric=metric,
        repeats=repeats,
        most_rows=rows,
        budget=budget,
        seed=seed,
    )
    if out is not None:
        print(found.save(out), file=sys.stderr)
    if as_json:
        show_json(found.told())
    elif out is None:
        show_global(found)


def show_global(found: GlobalExplanation) -> None:
    """Print it as tables."""
    told = found.told()
    lines = tuple(
        (row["column"], row["kind"], number(row["importance"]), interval(row["low"], row["high"]))
        for row in told["importance"]
    )
    if hurried := found.hurried():
        print(printable(hurried), file=sys.stderr)
    title = f"Importance: {told['measure']} ({told['rows']:,} rows)"
    show(Table(title, ("column", "kind", "lost", "95 % interval"), lines, frozenset({"lost"})))
    if told["credits"] is not None:
        print()
        show(_credits(told))
    for name, points in told["effects"].items():
        print()
        show(_effect(name, points, told["output"]))


def _credits(told: Mapping[str, Any]) -> Table:
    lines = tuple(
        (
            *(row["column"], number(row["credit"])),
            *(interval(row["low"], row["high"]), number(row["signed"])),
        )
        for row in told["credits"]
    )
    heads = ("column", "mean size", "95 % interval", "mean")
    title = f"Credits for the {told['output']}"
    return Table(title, heads, lines, frozenset({"mean size", "mean"}))


def _effect(name: str, points: Sequence[Mapping[str, Any]], output: str) -> Table:
    lines = tuple(
        (
            *(row["shown"], number(row["mean"])),
            *(interval(row["low"], row["high"]), number(row["local"])),
        )
        for row in points[:: -(-len(points) // MOST_SHOWN)]
    )
    heads = (name, "mean answer", "10 to 90 % of rows", "local")
    title = f"Effect of {name!r} on the {output}"
    return Table(title, heads, lines, frozenset({"mean answer", "local"}))
