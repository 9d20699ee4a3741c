"""`tunesmith sheet`: pictures with the answers for them, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import Data, Run


def sheet(
    run: Run,
    data: Data,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Where it goes. [RUN/sheet.png]")
    ] = None,
    pictures: Annotated[
        int, typer.Option(metavar="N", help="How many pictures it shows at most.")
    ] = 48,
) -> None:
    """Draw a contact sheet: wrong answers, the surest first, then right ones; without labels the
    answers alone."""
    from tunesmith import api

    # A path says that a file is meant, whatever its name.
    source = data if "://" in data else Path(data)
    file = Path(run) / "sheet.png" if out is None else out
    api.load(run).sheet(source, file, pictures=pictures)
    print(file)
