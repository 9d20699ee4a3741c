"""Words of users cannot steer a terminal, nor run in a spreadsheet."""

from __future__ import annotations

import pytest

from tunesmith.core.printable import inert, printable


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x9b", "\u202e", "\u200b", "\ud800"])
def test_what_steers_a_terminal_is_written_out(letter: str) -> None:
    shown = printable(f"a{letter}b")
    assert letter not in shown
    assert shown.startswith("a\\")


def test_words_stay_as_they_are_on_one_line() -> None:
    assert printable("größer\n als 日本") == "größer als 日本"
    assert printable("abcdef", 4) == "abc…"


@pytest.mark.parametrize("cell", ["=1+1", "+SUM(A1)", "-cmd", "@x", "\t=1"])
def test_a_formula_is_led_by_an_apostrophe(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "+3", "plain", 4, -2.0, None])
def test_numbers_and_words_are_not(cell: object) -> None:
    assert inert(cell) == cell
