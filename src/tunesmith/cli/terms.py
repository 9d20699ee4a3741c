"""`tunesmith terms`: the tables of a model that can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.options import Json, Run
from tunesmith.cli.tables import Table, number, show, show_json


def terms(
    run: Run,
    bins: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Most bins shown of a number; 0: all, as they are."),
    ] = 8,
    as_json: Json = False,
) -> None:
    """Print what each column says in the model that can be read: a scorecard's points, or what an
    explainable boosting machine adds."""
    from tunesmith.learners._additive import Additive
    from tunesmith.pipeline.interpretable import open_readable
    from tunesmith.predictor import Predictor

    place = Predictor(Path(run)).place
    model, _ = open_readable(Path(run), place)
    is_short = bins > 0 and isinstance(model, Additive) and not as_json
    lines = (model.condensed(bins) if isinstance(model, Additive) and is_short else model).table()
    if as_json:
        show_json({"terms": lines})
        return
    heads = tuple(lines[0])
    rows = tuple(tuple(_cell(line[head]) for head in heads) for line in lines if line["rows"])
    numbers = frozenset(h for h, cell in lines[0].items() if not isinstance(cell, str))
    show(Table("Each column adds what its bin says", heads, rows, numbers))
    if is_short:
        print(f"\nNumbers in at most {bins} bins, each at its mean; --bins 0 shows them all.")


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
