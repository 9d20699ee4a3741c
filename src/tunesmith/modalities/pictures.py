"""Pictures as pixels: bytes → PIL → squares of uint8, decoded once and kept."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataWarning, need
from tunesmith.data.picture_headers import open_header, refuse_many_scans
from tunesmith.data.pictures import (
    DATA_URI,
    PictureError,
    identity,
    key_of,
    known_key,
    read_bytes,
    remember,
)
from tunesmith.data.wheels import is_offline
from tunesmith.modalities._picture_cache import Pixels, open_cache

Crop = Literal["centre", "whole"]
MISSING = 128
"""Every pixel of a picture that is missing: mid-grey."""
LARGE_PIXELS = 8_000_000
"""Pictures that decode to more are decoded one at a time, so that memory stays bounded."""
MOST_WORKERS = 8
CHUNK_BYTES = 64 * 1024**2
"""Pixels that are made before they go to the disk."""
NAMED = 5
DRAFT = 2
"""A JPEG may be decoded at 1/2, 1/4 or 1/8 as long as it stays so many times what is asked for."""
_TURNS: Mapping[int, str] = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""By the value of the EXIF tag `ORIENTATION`."""
ORIENTATION = 0x0112
_LARGE = threading.Lock()


def open_picture(data: bytes, *, near: int = 0, name: str = "") -> Any:
    """A picture file as a PIL image in RGB.

    Turned as its EXIF says; the first frame of several; transparency over white; 16 and 32 bits
    scaled to 8. Size is checked before anything is decoded.

    Args:
        data: The bytes of the file.
        near: The shorter side that is wanted, in pixels; a JPEG is then decoded at a part of its
            size, at least twice that. 0 for the full size.
        name: What errors call it.

    Raises:
        PictureError: It is no picture, cut short, broken, or too large.
    """
    name = name or "given as bytes"
    refuse_many_scans(data, name)
    image = open_header(io.BytesIO(data), name)
    full = image.size[0] * image.size[1]
    is_progressive = bool(image.info.get("progressive"))
    if near and image.format in ("JPEG", "MPO"):
        image.draft("RGB", _least(image.size, DRAFT * near))
    large = image.size[0] * image.size[1] if not is_progressive else full
    try:
        with _LARGE if large > LARGE_PIXELS else nullcontext():
            image.load()
            return _turned(_as_rgb(image), image)
    except PictureError:
        raise
    except Exception as error:  # decoders raise anything for a broken file
        told = str(error) or type(error).__name__
        raise PictureError(name, f"it is cut short or broken ({told})") from error


def _least(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """The same shape with this shorter side."""
    scale = shorter / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _turned(image: Any, opened: Any) -> Any:
    try:
        turn = _TURNS.get(opened.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken EXIF block turns nothing
        return image
    if turn is None:
        return image
    return image.transpose(getattr(need("PIL.Image", extra="image").Transpose, turn))


def _as_rgb(image: Any) -> Any:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image).convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        white = need("PIL.Image", extra="image").new("RGB", clear.size, (255, 255, 255))
        white.paste(clear, mask=clear.getchannel("A"))
        return white
    return image.convert("RGB")


def _scaled(image: Any) -> Any:
    """Grey of more than 8 bits: 16-bit by its range, floats in [0, 1] by that, others by their own
    least and largest value."""
    numbers = np.array(image, dtype=np.float32)
    np.nan_to_num(numbers, copy=False, posinf=0, neginf=0)
    least, largest = float(numbers.min()), float(numbers.max())
    shift, scale = _range(image.mode, least, largest)
    numbers -= shift
    numbers *= scale
    np.rint(numbers, out=numbers)
    np.clip(numbers, 0, 255, out=numbers)
    return need("PIL.Image", extra="image").fromarray(numbers.astype(np.uint8))


def _range(mode: str, least: float, largest: float) -> tuple[float, float]:
    """What is taken from grey of more than 8 bits, and what the rest is multiplied by."""
    if mode == "F" and least >= 0 and largest <= 1:
        return 0.0, 255.0
    if least >= 0 and largest <= (255 if mode in ("I", "F") else 0):
        return 0.0, 1.0
    if mode != "F" and least >= 0 and largest <= 65_535:
        return 0.0, 1 / 257
    return least, 255 / max(largest - least, 1e-30)


def squared(image: Any, size: int, crop: Crop) -> Pixels:
    """A PIL image in RGB as pixels of shape (size, size, 3), by antialiased bicubic resizing.

    "centre" brings the shorter side to `size` and takes the middle, as timm's evaluation does with
    `crop_pct` 1; "whole" brings both sides to `size`.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side) if crop == "centre" else (0, 0, width, height)
    bicubic = need("PIL.Image", extra="image").Resampling.BICUBIC
    return np.asarray(image.resize((size, size), bicubic, box=box, reducing_gap=3.0), np.uint8)


def pixels(
    cells: Sequence[str | None],
    size: int,
    *,
    crop: Crop = "centre",
    keep: bool = True,
    offline: bool = False,
    workers: int = 0,
) -> tuple[Pixels, NDArray[np.bool_]]:
    """The pictures of some cells as squares; those seen before come from the cache.

    Args:
        cells: Cells of an image column (`data/pictures.py`); None where a picture is missing.
        size: Pixels of a side.
        crop: "centre" or "whole", as `squared` says.
        keep: Whether the cache takes what is new.
        offline: Whether no picture may be fetched.
        workers: Threads that decode; 0 for one a core, at most 8.

    Returns:
        Pixels of shape (rows, size, size, 3), and which rows have a picture, shape (rows,). A row
        whose picture is missing or cannot be used is mid-grey; those that cannot be used are
        named in one `DataWarning`.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    squares, present = views(cells, size, crop=crop, keep=keep, offline=offline, workers=workers)
    return np.stack(squares) if squares else np.empty((0, size, size, 3), np.uint8), present


def views(
    cells: Sequence[str | None],
    size: int,
    *,
    crop: Crop = "centre",
    keep: bool = True,
    offline: bool = False,
    workers: int = 0,
) -> tuple[list[Pixels], NDArray[np.bool_]]:
    """The same as `pixels`, one array a row: what the cache has is read from its files when it is
    used, so that more pictures than fit into memory can be gone through."""
    grey = np.full((size, size, 3), MISSING, dtype=np.uint8)
    grey.flags.writeable = False
    found = [grey] * len(cells)
    present = np.zeros(len(cells), dtype=np.bool_)
    kept = open_cache(size, crop)
    broken: list[tuple[int, PictureError]] = []
    fresh: dict[int, bytes] = {}

    def fill(row: int) -> None:
        cell = cells[row]
        if cell is None:
            return
        try:
            found[row], key = _square(cell, size, crop, keep, is_offline(offline))
            present[row] = True
            if key is not None:
                fresh[row] = key
        except PictureError as error:
            broken.append((row, error))

    chunk = max(1, CHUNK_BYTES // grey.nbytes)
    for start in range(0, len(cells), chunk):
        _side_by_side(fill, range(start, min(start + chunk, len(cells))), workers)
        if start + chunk < len(cells):
            kept.flush()
        else:
            kept.settle()
        for row, key in fresh.items():
            view = kept.get(key)
            found[row] = found[row] if view is None else view
        fresh.clear()
    if broken:
        _tell(sorted(broken, key=lambda one: one[0]), cells)
    return found, present


def _square(
    cell: str, size: int, crop: Crop, keep: bool, offline: bool
) -> tuple[Pixels, bytes | None]:
    """The picture of a cell; and its key where the cache did not have it and takes it now."""
    kept, known = open_cache(size, crop), identity(cell)
    key = known_key(known)
    if key is not None and (found := kept.get(key)) is not None:
        return found, None
    data = read_bytes(cell, offline=offline)
    key = key_of(data)
    if keep or not cell.startswith(DATA_URI):  # what is in memory is quickly read again
        remember(known, key)
    found = kept.get(key)
    if found is not None:
        return found, None
    found = squared(open_picture(data, near=size, name=cell), size, crop)
    if keep:
        kept.put(key, known, found)
    return found, key if keep else None


def _side_by_side(work: Callable[[int], None], rows: Sequence[int], workers: int) -> None:
    """Do it for every row, by threads: decoding and resizing let go of the interpreter."""
    workers = workers or min(MOST_WORKERS, _cores())
    if workers < 2 or len(rows) < 4:
        for row in rows:
            work(row)
        return
    with ThreadPoolExecutor(workers, "pictures") as pool:
        for _ in pool.map(work, rows):
            pass


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tell(broken: Sequence[tuple[int, PictureError]], cells: Sequence[str | None]) -> None:
    said = "; ".join(_told(row, error, cells[row] or "") for row, error in broken[:NAMED])
    more = f"; and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
    warnings.warn(
        f"{len(broken):,} of {len(cells):,} pictures cannot be used and count as missing: {said}"
        f"{more}",
        DataWarning,
        stacklevel=3,
    )


def _told(row: int, error: PictureError, cell: str) -> str:
    """A file is known by its path, what is in memory by its place."""
    place = f"row {row + 1}: " if cell.startswith(DATA_URI) else ""
    return place + str(error).rstrip(".")
