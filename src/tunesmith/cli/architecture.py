"""`tunesmith architecture`: the network of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import Run
from tunesmith.core.errors import ConfigError
from tunesmith.core.runfolder import write_bytes, write_json


def architecture(
    run: Run,
    svg: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw it into this SVG file.")
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write it as JSON, which `fit --architecture` takes; - prints it.",
        ),
    ] = None,
) -> None:
    """Print the network that answers, from the answer down to the input: its cell, what it reads,
    its blocks, and what was measured of it."""
    from tunesmith.predictor import Predictor
    from tunesmith.report.architecture import svg as drawn

    found = Predictor(Path(run)).architecture
    if found is None:
        raise ConfigError(
            f"{run} answers by no network whose architecture is told; see its leaderboard."
        )
    is_printed = json_file == "-"
    print(json.dumps(found.to_dict(), indent=1) if is_printed else found.text())
    if svg is not None:
        write_bytes(Path(svg), drawn(found).encode())
    if json_file is not None and not is_printed:
        write_json(Path(json_file), found.to_dict())
