"""Answers for pictures on the command line: which answer is whose, and what else it might be."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("timm")

Command = Callable[..., Any]


def test_answers_for_a_folder_begin_with_the_picture(
    command: Command, picture_run: Path, photos: Path
) -> None:
    ran = command("predict", picture_run, photos, "--top", "2")
    assert ran.status == 0, ran.err
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    heads = ["image", "prediction"]
    heads += ["top_1", "top_1_probability", "top_2", "top_2_probability"]
    assert list(rows[0]) == heads
    assert [row["image"] for row in rows] == [
        file.relative_to(photos).as_posix() for file in sorted(photos.rglob("*.png"))
    ]
    assert sum(row["prediction"] == Path(row["image"]).parent.name for row in rows) > 54
    assert all(row["prediction"] == row["top_1"] for row in rows)


def test_a_pattern_and_one_file_are_answered_too(
    command: Command, picture_run: Path, photos: Path
) -> None:
    ran = command("predict", picture_run, photos / "above" / "0*.png")
    assert ran.out.splitlines()[0] == "image,prediction"
    assert len(ran.out.splitlines()) == 1 + len(list(photos.glob("above/0*.png")))
    one = photos / "above" / "00.png"
    assert command("predict", picture_run, one).out == f"image,prediction\n{one},above\n"


def test_likeliest_classes_are_at_least_one(
    command: Command, picture_run: Path, photos: Path
) -> None:
    ran = command("predict", picture_run, photos, "--top", "0")
    assert ran.status == 2
    assert "ask for 1 or more" in ran.err


def test_a_sheet_is_drawn_into_the_run_or_where_it_is_asked_for(
    command: Command, picture_run: Path, photos: Path, tmp_path: Path
) -> None:
    ran = command("sheet", picture_run, photos)
    assert ran.out == f"{picture_run / 'sheet.png'}\n"
    file = tmp_path / "some.png"
    assert command("sheet", picture_run, photos, "--out", file, "--pictures", "5").status == 0
    assert file.stat().st_size < (picture_run / "sheet.png").stat().st_size
    ran = command("sheet", picture_run, photos, "--out", tmp_path / "sheet.pdf")
    assert ran.status == 2
    assert "ends in .png" in ran.err
