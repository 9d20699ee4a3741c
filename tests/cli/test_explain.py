"""`tunesmith explain`: reasons in words, as JSON, in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("explain")
    dice = np.random.default_rng(0)
    label = dice.random(300) < 0.5
    texts = [
        " ".join([*dice.choice(["a", "the", "fine"], 5), "good" if told else "bad"])
        for told in label
    ]
    rows = pd.DataFrame({"text": texts, "price": dice.normal(size=300), "label": label})
    rows.to_csv(place / "rows.csv", index=False)
    ts.fit(rows, "label", trials=1, learners=["linear"], folder=place / "run")
    (place / "odd.csv").write_text('text,price\n"good \x1b[31m red",1\n')
    return place


def test_words_and_columns_are_told_with_their_credit(run: Path, command: Command) -> None:
    ran = command("explain", run / "run", run / "rows.csv", "--rows", "1,2")
    assert ran.status == 0
    assert "Row 1: " in ran.out
    assert "Row 3: " not in ran.out
    assert "good" in ran.out or "bad" in ran.out
    assert "Over 2 rows: " in ran.out
    assert any(line.startswith("price") for line in ran.out.splitlines())


def test_json_holds_every_piece(run: Path, command: Command) -> None:
    ran = command(
        *("explain", run / "run", run / "rows.csv", "--method", "occlusion", "--rows", "4"),
        "--json",
    )
    (row,) = json.loads(ran.out)["rows"]
    assert row["row"] == 3
    assert row["method"] == "occlusion"
    assert {piece["column"] for piece in row["pieces"]} == {"text", "price"}


def test_a_file_is_written_and_named(run: Path, command: Command, tmp_path: Path) -> None:
    ran = command("explain", run / "run", run / "rows.csv", "--out", tmp_path / "why.html")
    assert ran.status == 0
    assert str(tmp_path / "why.html") in ran.err.replace("\n", "")
    assert "<!doctype html>" in (tmp_path / "why.html").read_text()


def test_a_long_word_does_not_widen_the_table(run: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(f"text,price\ngood {'y' * 300} fine,1\n")
    ran = command("explain", run / "run", tmp_path / "long.csv")
    table = ran.out[ran.out.index("column ") :]
    assert "yyy" in table
    assert max(map(len, table.splitlines())) < 130


def test_control_characters_do_not_reach_the_terminal(run: Path, command: Command) -> None:
    ran = command("explain", run / "run", run / "odd.csv")
    assert ran.status == 0
    assert "\x1b[31m" not in ran.out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--method", "shapp"), "Did you mean"),
        (("--rows", "0"), "counted from 1"),
        (("--rows", "a"), "counted from 1"),
        (("--rows", "1,999"), "300 rows"),
        (("--output", "perhaps"), "no class"),
        (("--seconds", "-1"), "needs time"),
        (("--out", "why.exe"), "must end in"),
    ],
)
def test_a_mistake_is_one_paragraph(
    run: Path, command: Command, more: tuple[str, ...], told: str
) -> None:
    ran = command("explain", run / "run", run / "rows.csv", *more)
    assert ran.status == 2
    assert told in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
