"""Tables as text, and JSON that every reader accepts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tunesmith.cli import tables
from tunesmith.cli.tables import Table


def test_plain_tables_line_up_and_cut_nothing() -> None:
    long = "x" * 200
    lines = tables.plain_lines(
        Table("", ("name", "value"), (("a", "1.5"), (long, "10")), frozenset({"value"}))
    )
    assert long in lines[2]
    assert lines[1].rindex("1.5") + 3 == lines[2].rindex("10") + 2


def test_json_is_one_line_that_any_reader_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": float("nan"), "b": np.float64(0.5), "c": (np.int64(1), True), 2: "é"}
    tables.show_json(value)
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert json.loads(text) == {"a": None, "b": 0.5, "c": [1, True], "2": "é"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text


def test_a_failed_trial_shows_its_reason_and_no_number() -> None:
    row = {
        "rank": None,
        "trial": 3,
        "learner": "neural",
        "score": None,
        "status": "failed",
        "reason": "no memory",
    }
    (cells,) = tables.leaderboard([row], "accuracy").rows
    assert "failed: no memory" in cells
    assert cells[4] == "-"
