"""`tunesmith pick`: another model of a run, quicker or smaller than the best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import Json
from tunesmith.cli.tables import interval, number, show_json


def pick(
    folder: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    max_latency_ms: Annotated[
        float, typer.Option(metavar="MS", help="Most milliseconds for a row of a batch.")
    ] = float("inf"),
    max_size_mb: Annotated[
        float, typer.Option(metavar="MB", help="Most megabytes on the disk.")
    ] = float("inf"),
    as_json: Json = False,
) -> None:
    """Save the model of a run that validates best within limits of time and size."""
    from tunesmith.predictor import Predictor

    picked = Predictor(Path(folder)).pick(max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)
    facts = picked.summary
    if as_json:
        show_json({"folder": str(picked.folder), **{k: facts[k] for k in ("score", "best")}})
        return
    print(f"{facts['metric']} {number(facts['score'])} {interval(*facts['interval'])}")
    print(f"score of: {facts['score_is']}")
    print(f"saved in {picked.folder}")
