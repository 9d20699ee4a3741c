"""`tunesmith resume`: go on with a run, where it stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from tunesmith.cli.fit import show_fit
from tunesmith.cli.options import Json
from tunesmith.cli.progress import progress
from tunesmith.cli.tables import show_json


def resume(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time beyond what was spent: 90s, 10m. [what the run has left]"
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials beyond those made.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Where the data lies now, if it has moved.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a run that was cut short, or give one that has ended more time. Nothing that was
    scored is computed again."""
    from tunesmith import api

    with progress(quiet=quiet) as listeners:
        predictor = api.resume(
            folder,
            budget=budget,
            trials=trials,
            source=data,
            listeners=listeners,
            started=context.obj,
        )
    if as_json:
        show_json(predictor.summary)
    else:
        show_fit(predictor)
