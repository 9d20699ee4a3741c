"""Which mark separates the cells of a text file."""

from __future__ import annotations

import csv
import io

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_CHARACTERS = 65_536
NEVER = "\x1f"
"""The unit separator: stands in no text, so every line is one cell."""


def find_separator(text: str) -> str:
    """The mark under which most rows have as many cells as the header, the wider header winning a
    tie; quoted cells count as one. `NEVER` where lines hold one cell of free text."""
    widths = {mark: _widths(text, mark) for mark in SEPARATORS}
    wide = {
        mark: (sum(width == seen[0] for width in seen) / len(seen), seen[0])
        for mark, seen in widths.items()
        if seen and seen[0] > 1
    }
    if wide:
        return max(wide, key=lambda mark: wide[mark])
    if set(widths[","]) <= {1}:
        return ","
    for mark, seen in widths.items():
        if len(seen) > 2 and len(set(seen[1:])) == 1 and seen[1] > 1:
            return mark  # the rows agree among themselves: the header is what is wrong
    return NEVER


def _widths(text: str, mark: str) -> list[int]:
    """Cells in each row of the beginning of a text, blank lines left out."""
    sample = io.StringIO(text[:SAMPLE_CHARACTERS], newline="")
    try:
        widths = [len(row) for row in csv.reader(sample, delimiter=mark) if row]
    except csv.Error:
        return []
    return widths[:-1] if len(text) > SAMPLE_CHARACTERS and len(widths) > 1 else widths
