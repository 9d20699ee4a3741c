"""`tunesmith evaluate`: scores on labelled rows the model has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli import options
from tunesmith.cli.options import Data, Json, Run
from tunesmith.cli.tables import Table, interval, number, show, show_json

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 12
"""Of a confusion matrix that still fits a terminal."""


def evaluate(
    run: Run,
    data: Data,
    metrics: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which scores; all that fit by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a model on a labelled table, each score with its 95 % interval."""
    wanted = options.names(metrics)
    from tunesmith import api

    scores = api.load(run).evaluate(data, metrics=wanted)
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
