"""`tunesmith evaluate`: scores on labelled rows the model has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli import options
from tunesmith.cli.options import Data, Json, Run
from tunesmith.cli.tables import Table, interval, number, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.evaluate.fairness import Fairness, Ranged

MOST_CLASSES = 12
"""Of a confusion matrix that still fits a terminal."""


def evaluate(
    run: Run,
    data: Data,
    metrics: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which scores; all that fit by default.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Scores by the groups of these columns, and their gaps."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a model on a labelled table, each score with its 95 % interval."""
    wanted = options.names(metrics)
    from tunesmith import api

    model = api.load(run)
    if by is not None:
        _show_groups(model.fairness(data, options.names(by) or ()), as_json)
        return
    scores = model.evaluate(data, metrics=wanted)
    if as_json:
        show_json({n: {"value": s.value, "low": s.low, "high": s.high} for n, s in scores.items()})
        return
    rows = tuple(
        (name, number(score.value), interval(score.low, score.high), str(score.rows))
        for name, score in scores.items()
    )
    heads = ("metric", "value", "95 % interval", "rows")
    show(Table(f"Scores on {data}", heads, rows, frozenset({"value", "rows"})))
    if scores.confusion is not None and len(scores.confusion) <= MOST_CLASSES:
        print()
        show(_confusion(scores.confusion))


def _confusion(counts: pd.DataFrame) -> Table:
    names = tuple(counts.columns)
    rows = tuple((name, *(str(count) for count in counts.loc[name])) for name in names)
    return Table("Labels (rows) by answers (columns)", ("", *names), rows, frozenset(names))


def _show_groups(found: Mapping[str, Fairness], as_json: bool) -> None:
    if as_json:
        show_json({name: one.told() for name, one in found.items()})
        return
    for place, (name, one) in enumerate(found.items()):
        measures = tuple(one.groups[0].metrics)
        rows = tuple(
            (
                group.name,
                f"{group.rows:,}" + " (too few)" * group.is_small,
                *(_ranged(group.metrics[key]) for key in measures),
            )
            for group in one.groups
        )
        print("\n" * bool(place), end="")
        told = f"By {name!r}" + (f"; selected: {one.positive!r}" if one.positive else "")
        show(Table(told, (name, "rows", *measures), rows, frozenset({"rows"})))
        print()
        lines = tuple((key, _ranged(gap)) for key, gap in one.gaps.items())
        title = "Gaps between groups" if lines else "No two groups have rows enough to compare"
        show(Table(title, ("gap", "value, 95 % interval"), lines))


def _ranged(one: Ranged) -> str:
    return f"{number(one.value, 3)} [{number(one.low, 3)}, {number(one.high, 3)}]"
