"""`tunesmith to-label`: which rows to label next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.options import Data, Run
from tunesmith.cli.written import as_csv, check_file, write_table


def to_label(
    run: Run,
    data: Data,
    count: Annotated[int, typer.Option(metavar="N", help="How many rows.")] = 20,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write here, not on standard output.")
    ] = None,
) -> None:
    """Choose the rows without labels that are most worth labelling: unsure ones, unlike one
    another."""
    if out is not None:
        check_file("--out", out)
    from tunesmith import api

    # A path says that a file is meant, whatever its name.
    found = api.load(run).to_label(data if "://" in data else Path(data), count)
    if out is None:
        sys.stdout.write(as_csv(found))
        return
    write_table(out, found)
    print(f"{len(found)} rows to label in {out}", file=sys.stderr)
