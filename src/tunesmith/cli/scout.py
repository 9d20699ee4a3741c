"""`tunesmith scout`: which checkpoint suits this data, before anything is fine-tuned."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli import options
from tunesmith.cli.fit import TASKS
from tunesmith.cli.options import Data, Json
from tunesmith.cli.tables import Table, duration, interval, number, show, show_json, size

if TYPE_CHECKING:
    from tunesmith.pipeline.scouting import Scouting


def scout(
    data: Data,
    target: Annotated[list[str], typer.Option(metavar="COLUMN", help="The column to predict.")],
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time for it.")] = "2m",
    backbones: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Look at these; by default at all that are here."),
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw score against cost: .svg or .html.")
    ] = None,
    task: Annotated[str | None, typer.Option(help=TASKS)] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=KIND", help="What a column holds.")
    ] = None,
    size: Annotated[
        int, typer.Option(metavar="PIXELS", help="Side of pictures; 0 for each network's own.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep no activations on the disk.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Json = False,
) -> None:
    """Rank checkpoints for a table by frozen features of some rows, with what each would cost."""
    from tunesmith import api

    found = api.scout(
        data,
        options.target(target),
        budget=budget,
        backbones=options.names(backbones),
        task=task,
        kinds=options.kinds(kind or ()),
        seed=seed,
        size=size,
        cache=not no_cache,
        tell=(lambda text: None) if quiet else _tell,
    )
    if plot:
        found.plot(plot)
    if as_json:
        show_json(found.facts)
    else:
        _show(found)
    if plot:
        print(f"drawn in {plot}", file=sys.stderr)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _show(found: Scouting) -> None:
    facts = found.facts
    heads = ("rank", "backbone", "read-out", facts["metric"], "interval", "features")
    depths = ("0.17", "0.34", "1")
    heads = (*heads, *(f"depth {depth}" for depth in depths), "memory", "disk", "why not")
    rows = tuple(_cells(row, depths) for row in facts["table"])
    right = frozenset({"rank", facts["metric"], "features", "memory", "disk", *heads[6:9]})
    show(Table(f"Checkpoints, on {facts['rows_read']} rows", heads, rows, right))
    print()
    print(f"{facts['verdict']}.")
    if facts["language"]:
        print(f"Language: {facts['language']} ({facts['language_reason']}).")
    for name, why in facts["left_out"].items():
        print(f"{name} is left out: {why}.")
    print(
        f"{facts['stopped']}; {duration(facts['scout_seconds'])}. Times are for all "
        f"{facts['rows']:,} rows on this machine: frozen features once, fine-tuning for three "
        "epochs at each depth."
    )


def _cells(row: Mapping[str, Any], depths: tuple[str, ...]) -> tuple[str, ...]:
    seconds = row["features_seconds"]
    costs = [row["depths"].get(depth) for depth in depths]
    top = row["depths"].get("0.34")
    return (
        str(row["rank"]),
        row["backbone"],
        row["readout"] or "-",
        number(row["score"]),
        interval(row["low"], row["high"]),
        "-" if seconds is None else duration(seconds),
        *(_time(cost) for cost in costs),
        size(top["memory_bytes"] / 1e6) if top else "-",
        size(top["disk_bytes"] / 1e6) if top else "-",
        row["dropped"],
    )


def _time(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return "-"
    return duration(cost["seconds"]) + ("" if cost["fits"] else " (over budget)")
