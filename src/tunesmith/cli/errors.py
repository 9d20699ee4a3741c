"""`tunesmith errors`: where a model errs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.options import Data, Run
from tunesmith.cli.tables import Table, number, show
from tunesmith.cli.written import check_file, check_folder, write_facts, write_tables
from tunesmith.core.printable import printable

if TYPE_CHECKING:
    from tunesmith.predictor.errors import Errors, RowError

FILE = "errors.json"
SHOWN = 10
WIDEST = 60


def errors(
    run: Run,
    data: Data,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all of it here, as JSON.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write slices.csv, pairs.csv, worst.csv, … here."),
    ] = None,
    most: Annotated[int, typer.Option(metavar="N", help="How many slices are told at most.")] = 10,
) -> None:
    """Tell where a model errs on a labelled table: sorts of rows, pairs of labels, single rows."""
    if json_file is not None:
        check_file("--json", json_file)
    if out is not None:
        check_folder("--out", out)
    from tunesmith import api
    from tunesmith.predictor.errors import PARTS

    # A path says that a file is meant, whatever its name.
    found = api.load(run).errors(data if "://" in data else Path(data), most=most)
    if json_file is not None:
        write_facts(json_file, found.to_json())
    if out is not None:
        write_tables(out, {part: found.frame(part) for part in PARTS})
        write_facts(out / FILE, found.to_json())
    print(
        f"{found.rows:,} rows of {printable(found.source)}: {found.measure} {number(found.error)}, "
        f"{found.second_measure} {number(found.second)}"
    )
    for table in _tables(found):
        print()
        show(table)
    for note in _notes(found):
        print(f"\n{note}")


def _notes(found: Errors) -> list[str]:
    told = []
    if found.looked_at:
        told.append(
            f"Slices: {found.looked_at:,} were looked at on one half of the rows; figures are of "
            "the other half, and intervals hold for all slices together."
        )
    if found.suspects:
        told.append(
            f"{found.suspects:,} training rows look mislabelled; suspects.json of the run lists "
            "them."
        )
    return told + [f"Note: {note}." for note in found.notes]


def _tables(found: Errors) -> list[Table]:
    told = [_slices(found)] if found.looked_at else []
    if found.pairs:
        rows = tuple(
            (
                printable(one.truth, WIDEST),
                printable(one.answer, WIDEST),
                f"{one.rows:,}",
                f"{one.share:.0%}",
                _listed(one.lines),
            )
            for one in found.pairs[:SHOWN]
        )
        heads = ("label", "answer", "rows", "of the label", "lines such as")
        told.append(
            Table("Labels and what was answered for them", heads, rows, frozenset({"rows"}))
        )
    if found.deciles:
        each = tuple(
            (
                f"{one.low:.6g} to {one.high:.6g}",
                f"{one.rows:,}",
                f"{one.mean_absolute_error:.4g}",
                f"{one.mean_error:+.4g}",
                _listed(one.lines),
            )
            for one in found.deciles
        )
        heads = ("truth", "rows", "absolute error", "answer - truth", "furthest off, lines")
        told.append(Table("Errors by tenths of the truth", heads, each, frozenset(heads[1:4])))
    if found.labels:
        several = tuple(
            (printable(one.label, WIDEST), f"{one.rows:,}", f"{one.missed:,}", f"{one.added:,}")
            for one in found.labels[:SHOWN]
        )
        four = ("label", "rows", "missed", "added")
        told.append(Table("Labels missed and added", four, several, frozenset(four[1:])))
    told += [_rows("The worst rows", found.worst)] if found.worst else []
    return told + ([_rows("The least sure rows", found.uncertain)] if found.uncertain else [])


def _slices(found: Errors) -> Table:
    if not found.slices:
        title = "No sort of rows is surely answered worse than the others"
        return Table(title, ("looked at",), ((f"{found.looked_at:,}",),))
    heads = ("sort of rows", "rows", found.measure, "of others", "gap", "interval")
    rows = tuple(
        (
            one.name,
            f"{one.rows:,}",
            number(one.error, 3),
            number(one.rest_error, 3),
            f"{one.gap:+.3f}",
            f"[{one.gap_low:+.3f}, {one.gap_high:+.3f}]",
        )
        for one in found.slices
    )
    return Table("Answered worse than the others", heads, rows, frozenset(heads[1:5]))


def _rows(title: str, rows: Sequence[RowError]) -> Table:
    heads = ("line", "is", "said", "loss", "row")
    told = tuple(
        (
            str(one.line) + " ?" * one.suspect,
            _plain(one.truth),
            _plain(one.answer)
            + ("" if one.answer_probability is None else f" ({one.answer_probability:.2f})"),
            f"{one.loss:.3g}",
            one.row[:WIDEST],
        )
        for one in rows[:SHOWN]
    )
    marked = " (?: the label looks wrong)" if any(one.suspect for one in rows[:SHOWN]) else ""
    return Table(title + marked, heads, told, frozenset({"line", "loss"}))


def _plain(value: str | float) -> str:
    return value[:WIDEST] if isinstance(value, str) else f"{value:.6g}"


def _listed(lines: Sequence[int]) -> str:
    return ", ".join(map(str, lines))
