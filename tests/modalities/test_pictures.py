"""Pictures as squares of pixels, whatever they were written as."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataWarning
from tunesmith.data.pictures import PictureError, from_bytes
from tunesmith.modalities import _picture_cache, pictures
from tunesmith.modalities.pictures import MISSING, open_picture, pixels, squared, views

Image = pytest.importorskip("PIL.Image")


def smooth(height: int = 40, width: int = 60) -> Any:
    """A picture without fine detail, so that lossy formats keep it."""
    rows, columns = np.mgrid[0:height, 0:width]
    red = 255 * rows / height
    blue = 255 * columns / width
    return Image.fromarray(np.stack([red, (red + blue) / 2, blue], axis=2).astype(np.uint8))


def written(image: Any, kind: str, **options: Any) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_shows_the_same_picture(kind: str):
    image = smooth()
    seen = np.asarray(open_picture(written(image, kind)), dtype=int)
    assert seen.shape == (40, 60, 3)
    assert np.abs(seen - np.asarray(image, dtype=int)).mean() < 6


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_printers_colours_are_colours(mode: str):
    kind = "TIFF" if mode == "CMYK" else "JPEG"
    seen = np.asarray(open_picture(written(smooth().convert(mode), kind)), dtype=int)
    assert np.abs(seen - np.asarray(smooth(), dtype=int)).mean() < 4


def test_what_is_clear_is_white():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 4, 8))
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 255, 0, 0, 0, 255])
    whole = np.asarray(open_picture(written(clear, "PNG")))
    assert whole[0, 0].tolist() == [0, 0, 255]
    assert whole[0, 7].tolist() == [255, 255, 255]
    coloured = np.asarray(open_picture(written(palette, "PNG", transparency=0)))
    assert coloured[0, 0].tolist() == [255, 255, 255]
    assert np.asarray(open_picture(written(palette, "PNG")))[0, 0].tolist() == [0, 255, 0]


def test_sixteen_bits_are_scaled_to_eight():
    grey = np.linspace(0, 65_535, 64).reshape(8, 8).astype(np.uint16)
    data = written(Image.fromarray(grey), "PNG")
    seen = np.asarray(open_picture(data))[:, :, 0].astype(float)
    assert np.abs(seen - grey / 257).max() <= 0.51


def test_floats_in_one_are_shares_of_white():
    grey = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    seen = np.asarray(open_picture(written(Image.fromarray(grey), "TIFF")))[:, :, 0]
    assert np.abs(seen.astype(float) - 255 * grey).max() <= 0.51


def test_the_first_of_several_frames_is_seen():
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        data = written(first, kind, save_all=True, append_images=[second])
        assert np.asarray(open_picture(data))[4, 4, 0] > 240


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(turn: int):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    data = written(smooth(), "JPEG", exif=exif, quality=95)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert open_picture(data).size == wanted.size
    assert np.array_equal(np.asarray(open_picture(data)), np.asarray(wanted))


def test_a_large_photograph_is_decoded_at_a_part_of_its_size():
    data = written(smooth(1_200, 1_600), "JPEG", quality=95)
    part = open_picture(data, near=96)
    assert 192 <= min(part.size) < 600
    whole = squared(open_picture(data), 96, "centre").astype(int)
    assert np.abs(squared(part, 96, "centre") - whole).mean() < 1.5


def test_the_middle_is_what_resizing_and_cropping_give():
    noise = np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    small = image.resize((50, 30), Image.Resampling.BICUBIC).crop((10, 0, 40, 30))
    middle = squared(image, 30, "centre").astype(int)
    assert np.abs(middle - np.asarray(small))[2:-2, 2:-2].max() <= 1
    assert squared(image, 30, "whole").shape == (30, 30, 3)


def test_pixels_come_back_from_the_cache_without_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUNESMITH_PICTURES", str(tmp_path / "kept"))
    cells: list[str | None] = []
    for number in range(9):
        path = tmp_path / f"{number}.png"
        smooth(20 + number, 30).save(path)
        cells.append(str(path))
    cells.append(None)
    first, present = pixels(cells, 32)
    assert present.tolist() == [True] * 9 + [False]
    assert (first[9] == MISSING).all()
    _picture_cache.open_cache(32, "centre").flush()
    _picture_cache._opened.cache_clear()
    monkeypatch.setattr("tunesmith.modalities.pictures.read_bytes", _refuse)
    again, _ = pixels(cells, 32)
    assert np.array_equal(first, again)


def _refuse(cell: str, **options: Any) -> bytes:
    raise AssertionError(f"{cell} was read again")


def test_a_damaged_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUNESMITH_PICTURES", str(tmp_path / "kept"))
    smooth().save(tmp_path / "a.png")
    first, _ = pixels([str(tmp_path / "a.png")], 32)
    _picture_cache.open_cache(32, "centre").flush()
    (shard,) = (tmp_path / "kept").rglob("*.pictures")
    bytes_of = bytearray(shard.read_bytes())
    bytes_of[-5] ^= 0xFF
    shard.write_bytes(bytes_of)
    _picture_cache._opened.cache_clear()
    again, present = pixels([str(tmp_path / "a.png")], 32)
    assert present.all()
    assert np.array_equal(first, again)
    assert not shard.exists()


def test_a_changed_file_is_another_picture(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(path)
    red, _ = pixels([str(path)], 8)
    Image.new("RGB", (9, 9), (0, 0, 255)).save(path)
    blue, _ = pixels([str(path)], 8)
    assert red[0, 4, 4].tolist() == [255, 0, 0]
    assert blue[0, 4, 4].tolist() == [0, 0, 255]


def test_a_full_disk_ends_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUNESMITH_PICTURES", str(tmp_path / "kept"))
    monkeypatch.setenv("TUNESMITH_PICTURES_BYTES", "100")
    _, present = pixels([from_bytes(written(smooth(), "PNG"))], 16)
    cache = _picture_cache.open_cache(16, "centre")
    cache.flush()
    assert present.all()
    assert cache.trouble
    assert not list(tmp_path.rglob("*.pictures"))


def test_a_broken_picture_is_named_and_grey(tmp_path: Path):
    cut = written(smooth(), "PNG")[:200]
    (tmp_path / "a.png").write_bytes(cut)
    with pytest.warns(DataWarning, match=r"1 of 2 .*missing: The picture .*a\.png cannot"):
        found, present = pixels([None, str(tmp_path / "a.png")], 8)
    assert not present.any()
    assert (found == MISSING).all()
    with pytest.warns(DataWarning, match=r"row 2: The picture data:image/png"):
        pixels([None, from_bytes(cut)], 8)


def test_an_error_gives_the_name_and_the_reason():
    with pytest.raises(PictureError, match=r"b\.jpg .*no picture"):
        open_picture(b"words", name="b.jpg")


def test_what_is_not_to_be_kept_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_PICTURES", str(tmp_path / "cache"))
    cell = from_bytes(written(smooth(), "PNG"))
    found, present = pixels([cell], 24, keep=False)
    assert present.all()
    _picture_cache.open_cache(24, "centre").flush()
    assert not list((tmp_path / "cache").rglob("*.pictures"))
    again, _ = pixels([cell], 24)
    _picture_cache.open_cache(24, "centre").flush()
    assert list((tmp_path / "cache").rglob("*.pictures"))
    assert np.array_equal(again, found)


def test_more_pictures_than_memory_has_are_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pictures, "CHUNK_BYTES", 4 * 32 * 32 * 3)
    cells = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        path.write_bytes(written(smooth(40 + number), "PNG"))
        cells.append(str(path))
    found, present = views([*cells, None], 32)
    assert present.tolist() == [True] * 10 + [False]
    assert sum(isinstance(one.base, np.memmap) for one in found) >= 8
    whole, _ = pixels([*cells, None], 32)
    assert np.array_equal(whole, np.stack(found))
    assert (whole[10] == MISSING).all()
