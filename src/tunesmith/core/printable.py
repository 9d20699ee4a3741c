"""Words of a user's data made fit to be shown: on a terminal, and in a table that others open."""

from __future__ import annotations

import unicodedata
from typing import Any

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Kinds of characters that steer a terminal, or the order in which text is read, and show nothing.
"""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula."""


def printable(text: str, most: int | None = None) -> str:
    """A text on one line, with what would steer a terminal written out (`\\x1b`), cut to so many
    letters."""
    line = " ".join(text.split())
    line = line if most is None or len(line) <= most else line[: most - 1] + "…"
    if line.isascii() and line.isprintable():
        return line
    return "".join(map(_said, line))


def _said(letter: str) -> str:
    if unicodedata.category(letter) not in HIDDEN:
        return letter
    code = ord(letter)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
    )


def inert(cell: Any) -> Any:
    """A cell for a CSV file: a text that a spreadsheet would run as a formula is led by an
    apostrophe, as spreadsheets themselves write such texts. Numbers stay as they are.

    Source: OWASP, "CSV Injection".
    """
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
