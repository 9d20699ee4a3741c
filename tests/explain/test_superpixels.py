"""Superpixels: pieces of a picture that follow its edges, and are drawn in their own shape."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("skimage")

import tunesmith as ts
from tunesmith.core.errors import MissingExtra
from tunesmith.core.explaining import Piece
from tunesmith.core.explanations import Faithfulness, RowExplanation
from tunesmith.data.pictures import cell_of
from tunesmith.explain.pieces import GRID, pieces_of
from tunesmith.explain.superpixels import SIDE, outlines, superpixels
from tunesmith.report.explanation import Explanation

from .test_game import data_of

Picture = NDArray[np.uint8]


def disc(side: int = 90) -> tuple[Picture, NDArray[np.bool_]]:
    """A red disc on a blue ground, both noisy, and where it is."""
    y, x = np.mgrid[:side, :side] / side
    inside = (x - 0.45) ** 2 + (y - 0.55) ** 2 < 0.06
    pixels = np.random.default_rng(0).integers(0, 40, (side, side, 3), dtype=np.uint8)
    pixels[..., 0] += inside * np.uint8(180)
    pixels[..., 2] += ~inside * np.uint8(180)
    return pixels, inside


def cut(pixels: Picture) -> tuple[Piece, ...]:
    row = data_of(photo=[cell_of(pixels)])
    return pieces_of(row, row.columns, {"photo": pixels}, "superpixels")


def explained(pixels: Picture, pieces: tuple[Piece, ...], first: int) -> Explanation:
    """All credit with one piece."""
    credits = np.zeros(len(pieces))
    credits[first] = 1.0
    row = RowExplanation(
        row=0,
        answer="yes",
        output="yes",
        value=0.9,
        base=None,
        method="made",
        is_additive=False,
        pieces=pieces,
        credits=credits,
        cells={"photo": cell_of(pixels)},
        gain=0.1,
        faithfulness=Faithfulness(0.1, 0.0, 0.2, 1),
        tried={},
        seconds=0.1,
        evaluations=1,
    )
    return Explanation((row,), row.faithfulness)


def test_pieces_follow_the_edge_that_rectangles_cut_through() -> None:
    pixels, inside = disc()
    row = data_of(photo=[cell_of(pixels)])
    wrong = {}
    for way in ("grid", "superpixels"):
        pieces = pieces_of(row, row.columns, {"photo": pixels}, way)  # type: ignore[arg-type]
        masks = [piece.mask(*inside.shape) for piece in pieces]
        wrong[way] = sum(min((m & inside).sum(), (m & ~inside).sum()) for m in masks)
    assert wrong["superpixels"] < 0.1 * wrong["grid"]


def test_a_light_corner_of_a_noisy_picture_is_one_of_them() -> None:
    """With one compactness for all parts such a picture ends as a single one."""
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 120, (42, 42, 3), dtype=np.uint8)
        pixels[:6, :6] = 255
        corner = superpixels(pixels, GRID**2) == superpixels(pixels, GRID**2)[0, 0]
        assert corner[:6, :6].mean() > 0.9
        assert corner.sum() < 45


@pytest.mark.parametrize("shape", [(90, 90), (500, 210), (28, 28), (1, 300), (1, 1)])
def test_all_pieces_together_cover_every_pixel_once_at_any_size(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (*shape, 3), dtype=np.uint8)
    pieces = cut(pixels)
    assert len(pieces) <= 1.5 * min(GRID**2, shape[0] * shape[1])
    for height, width in (shape, (64, 64), (301, 77), (3, 2)):
        total = sum(piece.mask(height, width).astype(int) for piece in pieces)
        assert np.all(total == 1)


def test_without_the_package_pictures_are_cut_into_a_grid(
    picture_run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.explain.superpixels.PACKAGE", "not_installed")
    model, picture = ts.load(picture_run), sorted((photos / "above").iterdir())[0]
    found = model.explain(picture, "occlusion", seconds=20)
    assert len(found[0].pieces) == GRID**2
    with pytest.raises(MissingExtra, match=r"tunesmith\[explain\]"):
        model.explain(picture, "occlusion", pieces="superpixels")


def test_a_flat_picture_is_cut_too() -> None:
    assert len(cut(np.full((60, 60, 3), 200, dtype=np.uint8))) > GRID


def test_an_outline_has_holes_and_touching_corners() -> None:
    labels = np.zeros((6, 7), dtype=np.int64)
    labels[1:3, 1:3] = labels[3:5, 3:6] = 1  # two squares that meet in a point
    around, inside = (
        Piece("photo", "image", "", (0, 0, 1, 1), outline) for outline in outlines(labels)
    )
    assert np.array_equal(inside.mask(6, 7), labels == 1)
    assert np.array_equal(around.mask(6, 7), labels == 0)
    assert sum(map(len, inside.rings())) == 8  # corners alone


def test_a_large_picture_is_cut_at_what_networks_read() -> None:
    assert superpixels(np.zeros((900, 450, 3), dtype=np.uint8), 49).shape == (SIDE, SIDE // 2)


def test_a_picture_file_shows_the_shape_of_the_piece(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tunesmith.report.explanation_plot import draw_picture

    grey = np.full((90, 90, 3), 250, dtype=np.uint8)
    pixels, inside = disc()
    pieces = cut(pixels)
    first = int(np.argmax([(p.mask(90, 90) & inside).sum() for p in pieces]))
    found = explained(grey, pieces, first)
    figure = Figure(figsize=(3, 3), dpi=90)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    draw_picture(axes, found[0], "photo")
    axes.set_title("")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shown = np.asarray(canvas.buffer_rgba())[1::3, 1::3, 0] < 200
    assert (shown != pieces[first].mask(90, 90)).mean() < 0.002
    assert found.save(tmp_path / "why.svg").stat().st_size > 5_000


def test_the_page_draws_the_shape_and_the_json_holds_it() -> None:
    pixels, _ = disc()
    pieces = cut(pixels)
    found = explained(pixels, pieces, 20)
    page = found.html()
    (way,) = re.findall(r'<path d="([^"]+)"', page)
    (size,) = set(re.findall(r'viewBox="0 0 (\d+) (\d+)"', page))
    told = found.to_json()["rows"][0]["pieces"][20]["outline"]
    for path, (width, height) in ((way, map(float, size)), (told, (1.0, 1.0))):
        numbers = [tuple(map(float, pair.split())) for pair in re.split("[MLZ]", path) if pair]
        ring = tuple((x / width, y / height) for x, y in numbers)
        drawn = Piece("photo", "image", "", (0, 0, 1, 1), (ring,))
        assert np.array_equal(drawn.mask(90, 90), pieces[20].mask(90, 90))
    assert "within " in str(found)


def test_credit_on_the_grid_is_shared_by_area() -> None:
    pixels, _ = disc(84)
    pieces = cut(pixels)
    found = explained(pixels, pieces, 0).rectangles("photo")
    mask = pieces[0].mask(84, 84)
    wanted = mask.reshape(GRID, 12, GRID, 12).sum(axis=(1, 3)) / mask.sum()
    assert found.shape == (GRID, GRID)
    assert np.abs(found - wanted).max() < 0.03
    assert found.sum() == pytest.approx(1)
