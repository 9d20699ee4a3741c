"""Results on standard output: rich tables on a terminal, aligned text elsewhere, JSON if asked."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.report.section import duration

__all__ = ["Table", "duration", "interval", "leaderboard", "number", "show", "show_json", "size"]


@dataclass(frozen=True)
class Table:
    """Cells as text under their heads. Columns whose head stands in `right` are numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()


def show(table: Table) -> None:
    """Print a table on standard output."""
    if sys.stdout.isatty():
        _show_rich(table)
    else:
        print("\n".join(plain_lines(table)))


def _show_rich(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(title=table.title or None, title_justify="left")
    for head in table.heads:
        drawn.add_column(head, justify="right" if head in table.right else "left")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def plain_lines(table: Table) -> list[str]:
    """The table as aligned lines of text, nothing cut short."""
    cells = [table.heads, *table.rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.heads))]
    lines = [table.title] if table.title else []
    for row in cells:
        parts = [
            cell.rjust(width) if head in table.right else cell.ljust(width)
            for cell, width, head in zip(row, widths, table.heads, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def show_json(value: object) -> None:
    """Print one JSON object on one line; numbers that JSON cannot say become null."""
    print(json.dumps(_plain(value), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable):
        return [_plain(inner) for inner in value]
    item = getattr(value, "item", None)  # a number of numpy's
    return _plain(item()) if callable(item) else str(value)


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None) -> str:
    """`[low, high]`; nothing where there is none."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def size(megabytes: float) -> str:
    """Megabytes as a person reads them."""
    return f"{megabytes:,.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


def leaderboard(rows: Sequence[Mapping[str, Any]], metric: str) -> Table:
    """The leaderboard of a run, best first, with the reason where a trial did not finish; a star on
    the Pareto front of score, time to answer and size, "=" where nobody can tell it from the best.
    """
    heads = (
        *("rank", "trial", "learner", "backbone", metric, "95 % interval"),
        *("fit", "ms/row", "MB", "front", "tied"),
    )
    lines = [
        (
            _text(row.get("rank")),
            _text(row.get("trial")),
            _text(row.get("learner")),
            _text(row.get("backbone")),
            number(row.get("score")),
            interval(row.get("low"), row.get("high")),
            duration(row.get("fit_seconds") or 0.0),
            number(row.get("predict_ms_per_row"), 2),
            number(row.get("size_mb"), 1),
            "*" if row.get("pareto") else "",
            "=" if row.get("tied") else "",
            _ending(row),
        )
        for row in rows
    ]
    right = frozenset({"rank", "trial", metric, "fit", "ms/row", "MB"})
    return Table("Leaderboard (validation rows)", (*heads, "status"), tuple(lines), right)


def _text(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def _ending(row: Mapping[str, Any]) -> str:
    status, reason = str(row.get("status", "")), str(row.get("reason") or "")
    return f"{status}: {reason}" if reason and status != "done" else status
