"""`tunesmith check`: whether new rows look like those of the fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.cli.options import Data, Json, Run
from tunesmith.cli.tables import Table, show, show_json
from tunesmith.core.printable import printable

if TYPE_CHECKING:
    from tunesmith.predictor.check import Check

SHOWN = 20


def check(run: Run, data: Data, as_json: Json = False) -> None:
    """Compare new rows with those of the fit: which columns drifted, and how."""
    from tunesmith import api
    from tunesmith.predictor.check import meaning, said_distinction, said_shift

    # A path says that a file is meant, whatever its name.
    found = api.load(run).check(data if "://" in data else Path(data))
    if as_json:
        show_json(found.to_json())
        return
    print(
        f"{found.rows:,} rows of {printable(found.source)} beside {found.fitted_rows:,} of the "
        f"fit: {len(found.shifts):,} properties compared"
    )
    print()
    show(_drifted(found))
    if found.target is not None and found.target.drifted:
        print(f"\nThe labels changed: {said_shift(found.target)}")
    print()
    for one in found.together:
        print(said_distinction(one))
    print(meaning(found))
    for note in found.notes:
        print(f"Note: {note}.")


def _drifted(found: Check) -> Table:
    if not found.drifted:
        return Table("No single property changed by more than chance and by much", (), ())
    heads = ("property", "change", "measure", "effect", "p, corrected")
    rows = tuple(
        (printable(one.name), one.said, one.measure, f"{one.effect:.2f}", f"{one.corrected:.1g}")
        for one in found.drifted[:SHOWN]
    )
    title = "What changed, by more than chance and by much"
    return Table(title, heads, rows, frozenset({"effect", "p, corrected"}))
