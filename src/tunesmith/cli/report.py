"""`tunesmith report`: everything about a run in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import Run


def report(
    run: Run,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Where it goes. [RUN/report.html]")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Labelled rows by which the saved model is judged too."),
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE.json", help="The same as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="The same as a model card in Markdown.")
    ] = None,
    explain: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="For explaining rows and finding sorts of rows that go wrong; 0: without.",
        ),
    ] = 10.0,
) -> None:
    """Write a run as one HTML page that fetches nothing: task, audit, choices, search, leaderboard,
    errors, reasons, calibration, coverage, model card. Nothing is fitted again."""
    from tunesmith.predictor import Predictor
    from tunesmith.predictor.reports import check_place, usual_place

    predictor = Predictor(Path(run))
    files = [one for one in (out, as_json, markdown) if one is not None]
    if out is None:
        files.insert(0, usual_place(predictor.folder, predictor.place))
    for file in files:
        check_place(file)
    # A path says that a file is meant, whatever its name.
    source = data if data is None or "://" in data else Path(data)
    told = predictor.describe(source, explain_seconds=explain)
    for file in files:
        print(told.write(file))
