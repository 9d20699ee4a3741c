"""The beginning of a picture file: what it is and how large, before a pixel of it is decoded."""

from __future__ import annotations

import io
from typing import IO, Any

from tunesmith.core.errors import need
from tunesmith.data.archives import INSIDE
from tunesmith.data.pictures import (
    DATA_URI,
    PictureError,
    check_file,
    format_of,
    read_bytes,
)
from tunesmith.data.readers._bytes import is_url

MOST_PIXELS = 50_000_000
"""Of one picture, as its header says: decoded that is 200 MB."""
MOST_SCANS = 100
"""Of a progressive JPEG: every one goes over all pixels, so that a small file may take minutes."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
TAIL = 64 * 1024
_ENDS = {"jpeg": b"\xff\xd9", "png": b"IEND"}


def open_header(file: IO[bytes], cell: str) -> Any:
    """A picture as PIL opens it: format, mode and size are known, its pixels are not decoded yet.

    Raises:
        PictureError: It is none of the known formats, its header is broken, or it has more than
            `MOST_PIXELS` pixels.
    """
    pil = need("PIL.Image", extra="image")
    beginning = file.read(16)
    file.seek(0)
    try:
        image = pil.open(file, formats=FORMATS)
        width, height = image.size
    except (pil.DecompressionBombError, pil.DecompressionBombWarning) as error:
        raise PictureError(cell, _too_many("far more")) from error
    except pil.UnidentifiedImageError as error:
        raise PictureError(cell, _unknown(beginning)) from error
    except Exception as error:  # a broken header may raise anything in a decoder
        raise PictureError(
            cell, f"its header is broken ({type(error).__name__}: {error})"
        ) from error
    if width < 1 or height < 1:
        raise PictureError(cell, f"it has {width} × {height} pixels")
    if width * height > MOST_PIXELS:
        raise PictureError(cell, _too_many(f"{width:,} × {height:,}"))
    return image


def _too_many(said: str) -> str:
    return f"it has {said} pixels; at most {MOST_PIXELS:,} are decoded (a decompression bomb?)"


def _unknown(beginning: bytes) -> str:
    found = format_of(beginning)
    if found:
        return f"it begins as {found.upper()}, but its header is broken or cut short"
    return (
        f"it is no picture that is known here (it begins with {beginning[:8]!r}; known are JPEG, "
        "PNG, WebP, GIF, BMP and TIFF)"
    )


def refuse_many_scans(data: bytes, cell: str) -> None:
    """Refuse a JPEG with so many scans that it is meant to keep a decoder busy.

    Raises:
        PictureError: It has more than `MOST_SCANS`.
    """
    scans = data.count(b"\xff\xda") if format_of(data[:16]) == "jpeg" else 0
    if scans > MOST_SCANS:
        raise PictureError(cell, f"it has {scans:,} scans; at most {MOST_SCANS} are decoded")


def look(cell: str, *, offline: bool = False) -> str:
    """Why a picture cannot be used, from its header and its end; empty where nothing speaks against
    it. What lies on the network is not looked at."""
    if is_url(cell):
        return ""
    is_held = cell.startswith(DATA_URI) or INSIDE.fullmatch(cell) is not None
    try:
        if is_held:
            with io.BytesIO(read_bytes(cell, offline=offline)) as file:
                return _look(file, cell)
        check_file(cell)
        with open(cell, "rb") as opened:
            return _look(opened, cell)
    except PictureError as error:
        return error.reason
    except OSError as error:
        return f"{error.strerror or error}"


def shorter_side(cell: str) -> int:
    """Pixels of the shorter side of a picture, by its header; 0 where it cannot be used, or lies on
    the network."""
    if is_url(cell):
        return 0
    try:
        if cell.startswith(DATA_URI) or INSIDE.fullmatch(cell) is not None:
            with io.BytesIO(read_bytes(cell, offline=True)) as held:
                return int(min(open_header(held, cell).size))
        check_file(cell)
        with open(cell, "rb") as file:
            return int(min(open_header(file, cell).size))
    except (PictureError, OSError):
        return 0


def _look(file: IO[bytes], cell: str) -> str:
    image = open_header(file, cell)
    file.seek(0)
    found = format_of(file.read(16))
    file.seek(max(0, file.seek(0, io.SEEK_END) - TAIL))
    if found in _ENDS and _ENDS[found] not in file.read():
        # Cut short, or something else lies behind the picture: decoding it tells.
        file.seek(0)
        return _cut_short(image, found)
    return ""


def _cut_short(image: Any, found: str) -> str:
    try:
        image.draft("RGB", (32, 32))
        image.load()
    except Exception as error:  # decoders raise anything
        return f"the end of a {found.upper()} file is missing ({error})"
    return ""
