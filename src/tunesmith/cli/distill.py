"""`tunesmith distill`: the models of a run in one small model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli import options
from tunesmith.cli.options import Json
from tunesmith.cli.tables import show_json


def distill(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    student: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Which learner learns, or several to choose from. [linear,lightgbm]"
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Above 1, probabilities of unlikely classes count for more.")
    ] = 1.0,
    unlabelled: Annotated[
        str | None, typer.Option(metavar="DATA", help="Rows without labels to learn from as well.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Where the data lies now, if it has moved.")
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Time for it: 60s.")] = None,
    as_json: Json = False,
) -> None:
    """Fit one small model to what the models of a run answer together, and tell what that loses."""
    from tunesmith.predictor import Predictor

    found = Predictor(Path(run)).distill(
        student=options.names(student),
        temperature=temperature,
        unlabelled=unlabelled,
        source=data,
        budget=budget,
    )
    told = found.summary["distilled"]
    if as_json:
        show_json({**told, "folder": str(found.folder)})
        return
    print(told["message"])
    print(f"saved in {found.folder}")
