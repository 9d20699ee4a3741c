"""The contact sheet: its place for each picture, its marks, its words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from tunesmith.core.errors import ConfigError  # noqa: E402
from tunesmith.report.sheet import (  # noqa: E402
    COLORS,
    COLUMNS,
    FRAME,
    GAP,
    MARGIN,
    THUMB,
    Mark,
    Section,
    Tile,
    draw,
    save,
)

STEP = THUMB + 2 * FRAME + GAP


def colored(sheet: object, color: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a sheet has just this colour: down and across."""
    wanted = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    down, across = np.nonzero((np.asarray(sheet) == wanted).all(axis=2))
    return down, across


@pytest.fixture
def cell(tmp_path: Path) -> str:
    Image.new("RGB", (10, 30), (0, 0, 255)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_wrong_and_right_stand_apart_in_rows(cell: str) -> None:
    lines = (("is coat", ""), ("said bag", " 0.93"))
    marks: tuple[Mark, ...] = ("wrong", "right")
    tall, flat = (
        draw("Two", [Section(mark, (Tile(cell, lines, mark),) * many, mark) for mark in marks])
        for many in (COLUMNS + 1, COLUMNS)
    )
    assert tall.height > flat.height
    assert tall.width == flat.width == 2 * MARGIN + COLUMNS * STEP - GAP
    wrong, right = (colored(tall, COLORS[mark]) for mark in marks)
    assert wrong[0].max() < right[0].min()
    assert {(x - MARGIN) // STEP for x in wrong[1].tolist()} == set(range(COLUMNS))


def test_a_mark_tells_right_from_wrong_without_colour(cell: str) -> None:
    grey = [
        np.asarray(draw("One", [Section("", (Tile(cell, (), mark),))]).convert("L"), float)
        for mark in ("right", "wrong", "")
    ]
    badge = (slice(MARGIN, None), slice(MARGIN + THUMB - 20, MARGIN + STEP))
    strokes = [one[badge] > 250 for one in grey]
    assert (strokes[0] != strokes[1]).sum() > 20
    assert (strokes[0] != strokes[2]).sum() > 20


def test_a_long_label_is_cut_and_its_probability_is_not(cell: str) -> None:
    def words(text: str) -> np.ndarray:
        tile = Tile(cell, ((text, " 0.93"),))
        sheet = np.asarray(draw("", [Section("", (tile,) * 2)]).convert("L"))
        below = sheet[-GAP - MARGIN - 18 : -GAP - MARGIN // 2]
        return np.flatnonzero((below < 128).any(axis=0))

    long, short = words("said " + "wide" * 40), words("said it")
    first = long[long < MARGIN + STEP]
    assert first.max() < MARGIN + STEP - 5
    assert first.max() > short[short < MARGIN + STEP].max() + 30
    assert len(first) > 60


def test_the_whole_picture_is_shown_and_a_missing_one_has_a_place(
    cell: str, tmp_path: Path
) -> None:
    sheet = draw("", [Section("", (Tile(cell, ()), Tile(None, ()), Tile("gone.png", ())))])
    down, across = colored(sheet, "#0000ff")
    assert down.max() - down.min() + 1 == THUMB
    assert across.max() - across.min() + 1 == pytest.approx(THUMB / 3, abs=1)
    save(sheet, tmp_path / "deeper" / "sheet.png")
    with Image.open(tmp_path / "deeper" / "sheet.png") as again:
        assert again.size == sheet.size


def test_a_sheet_is_a_png(tmp_path: Path) -> None:
    for name in ("sheet.jpg", "sheet", ""):
        with pytest.raises(ConfigError, match=r"ends in \.png"):
            save(draw("", []), tmp_path / name)
