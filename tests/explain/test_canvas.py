"""A picture of which pieces are not there looks as if they had never been."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.explaining import GRID, Piece
from tunesmith.explain.canvas import Canvas
from tunesmith.explain.pieces import Picture, picture_of

RECTANGLES = [
    Piece("photo", "image", "", (x / GRID, y / GRID, (x + 1) / GRID, (y + 1) / GRID))
    for y in range(GRID)
    for x in range(GRID)
]
ALL = np.ones(GRID**2, dtype=bool)
MIDDLE = GRID**2 // 2


def without(pixels: Picture, *gone: int) -> Picture:
    present = ALL.copy()
    present[list(gone)] = False
    return picture_of(Canvas.of(pixels, RECTANGLES).cell(present))


@pytest.mark.parametrize("side", [28, 70, 224])
def test_a_bright_corner_of_a_dark_picture_is_not_seen_any_more(side: int):
    picture = np.full((side, side, 3), 20, dtype=np.uint8)
    picture[side // 2 :, side // 2 :] = 200
    kept = picture.copy()
    picture[: side // GRID, : side // GRID] = 255
    left = np.abs(without(picture, 0).astype(int) - kept)
    assert left.mean() < 0.05
    assert left.max() < 20  # the outermost pixel, which is nearly too far from all; once 235


@pytest.mark.parametrize("side", [70, 224])
def test_colours_that_change_go_on_over_what_is_gone(side: int):
    ramp = np.linspace(0, 250, side)[None, :, None].repeat(side, axis=0).repeat(3, axis=2)
    picture = ramp.round().astype(np.uint8)
    found = without(picture, MIDDLE)
    assert np.abs(found.astype(int) - picture).mean() < 0.5  # of 125, were it one colour
    assert np.abs(found.astype(int) - picture).max() < 18  # half of what a rectangle spans


def test_what_is_there_stays_as_it_is_and_what_nothing_is_near_has_the_mean_colour():
    picture = np.random.default_rng(0).integers(0, 256, (63, 84, 3), dtype=np.uint8)
    found = without(picture, *range(1, GRID**2))
    assert np.array_equal(found[:9, :12], picture[:9, :12])
    assert np.abs(found[40:, 50:] - picture.reshape(-1, 3).mean(axis=0)).max() < 2
    alone = without(picture, *range(GRID**2))
    assert np.abs(alone - picture.reshape(-1, 3).mean(axis=0)).max() < 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 384), (384, 384)])
def test_a_picture_of_one_colour_stays_as_it_is_whatever_is_gone(shape: tuple[int, int]):
    picture = np.full((*shape, 3), 255, dtype=np.uint8)
    assert np.array_equal(without(picture, *range(GRID**2)), picture)
    assert np.array_equal(without(picture, *range(1, GRID**2)), picture)
