"""A user's text where it is shown: what a terminal or a spreadsheet would take for an order is
shown instead of obeyed."""

from __future__ import annotations

import unicodedata

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute."""


def for_terminal(text: str) -> str:
    """Without control characters, which could move the cursor or change colours; each is shown as
    its escape. Line ends become a space, so that a text stays on its line."""
    spaced = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return "".join(
        letter
        if unicodedata.category(letter) not in ("Cc", "Cf") or letter == "\u200d"
        else letter.encode("unicode_escape").decode()
        for letter in spaced
    )


def for_spreadsheet(text: str) -> str:
    """With an apostrophe before what would be computed, as spreadsheets themselves mark text."""
    return f"'{text}" if text.startswith(FORMULA) else text
