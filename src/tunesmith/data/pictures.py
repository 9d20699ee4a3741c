"""Cells of an image column: where a picture is, its bytes, and what tells it from others.

A cell is a path, a URL that fsspec opens, `ARCHIVE.zip!/inside/name.png` (a tar as well), or a data
URI (`data:image/png;base64,…`) that holds the picture itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError, need
from tunesmith.data.archives import INSIDE, open_archive
from tunesmith.data.readers._bytes import is_url
from tunesmith.data.wheels import is_offline

MOST_BYTES = 100 * 1024**2
"""Of one picture, as it lies in its file."""
ENDINGS = re.compile(r"(?i)\.(jpe?g|jfif|png|gif|bmp|webp|tiff?)$")
DATA_URI = "data:image/"
SHOWN_LETTERS = 60

_BASE64 = re.compile(r"(/9j/|iVBORw0KGgo|R0lGOD[dl]|UklGR|SUkqA|TU0AK)[A-Za-z0-9+/=\s]{40,}")
"""How the first bytes of JPEG, PNG, GIF, WebP and TIFF read in base64."""
_SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)


class PictureError(DataError):
    """A picture that cannot be used: which, and why. `reason` is the why alone."""

    def __init__(self, cell: str, reason: str) -> None:
        super().__init__(f"The picture {shown(cell)} cannot be used: {reason}.")
        self.reason = reason


def shown(cell: str) -> str:
    """A cell as a message names it: of a data URI its beginning."""
    return cell if not cell.startswith(DATA_URI) else f"{cell[:SHOWN_LETTERS]}…"


def format_of(data: bytes) -> str:
    """What the first bytes say a picture is ("jpeg", "png", …); empty where they say nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":
        return "bmp"
    return next((name for sign, name in _SIGNS if data.startswith(sign)), "")


def is_base64(text: str) -> bool:
    """Whether a text is the base64 of a picture, without the beginning of a data URI."""
    return _BASE64.match(text[:80]) is not None


def names_picture(text: str) -> bool:
    """Whether a text ends as the name of a picture file does, or as the address of one."""
    name = re.split(r"[?#]", text)[0] if is_url(text) else text
    return ENDINGS.search(name) is not None


def from_base64(text: str) -> str:
    """The cell of a text in base64."""
    return f"{DATA_URI}{format_of(_decoded(text[:80])) or 'png'};base64,{''.join(text.split())}"


def from_bytes(data: bytes) -> str:
    """The cell of the bytes of a picture file, whatever they are."""
    kind = format_of(data) or "png"
    return f"{DATA_URI}{kind};base64,{base64.b64encode(data).decode('ascii')}"


def cell_of(value: Any) -> str | None:
    """What a user hands over as one picture, as a cell.

    Args:
        value: A cell or path; the bytes of a picture file; a PIL image; a numpy array of uint8,
            shape (height, width) or (height, width, 1, 3 or 4), or of floats in [0, 1]; a mapping
            with `bytes` or `path`, as in Hugging Face data sets; None or NaN where it is missing.

    Raises:
        DataError: It is none of these.
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        return (from_base64(text) if is_base64(text) else text) or None
    if isinstance(value, bytes | bytearray | memoryview):
        return from_bytes(bytes(value)) if len(value) else None
    if is_feature(value):
        data = value.get("bytes")
        return cell_of(data if data is not None else value.get("path"))
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if is_pil(value):
        return _of_pil(value)
    raise DataError(
        f"A {type(value).__name__} is no picture. Give a path, a URL, the bytes of a picture file, "
        "a PIL image or an array of shape (height, width, 3)."
    )


def is_feature(value: Any) -> bool:
    """Whether it is a picture as Hugging Face data sets write it: its bytes, its path or both."""
    return (
        isinstance(value, dict)
        and bool(value)
        and set(value) <= {"bytes", "path"}
        and isinstance(value.get("bytes"), bytes | None)
        and isinstance(value.get("path"), str | None)
    )


def is_pil(value: Any) -> bool:
    """Whether it is a PIL image; PIL is not imported to find out."""
    return any(
        one.__name__ == "Image" and one.__module__ == "PIL.Image" for one in type(value).__mro__
    )


def _of_pil(image: Any) -> str:
    import io

    held = io.BytesIO()
    kept = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else None
    (kept or image.convert("RGB")).save(held, "PNG", compress_level=1)
    return from_bytes(held.getvalue())


def _of_array(array: NDArray[Any]) -> str:
    image = need("PIL.Image", extra="image")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1:
        array = np.rint(array * 255).astype(np.uint8)
    if not fits or array.dtype != np.uint8 or not array.size:
        raise DataError(
            f"An array of {array.dtype} with shape {array.shape} is no picture. Give uint8 (0 to "
            "255) or floats in [0, 1], of shape (height, width) or (height, width, 3 or 4)."
        )
    return _of_pil(image.fromarray(np.ascontiguousarray(array)))


def read_bytes(cell: str, *, offline: bool = False) -> bytes:
    """The bytes of the picture file a cell stands for, at most `MOST_BYTES`.

    Raises:
        PictureError: It is not there, no plain file, empty, too large, or on the network where that
            is not allowed.
    """
    try:
        data = _bytes_of(cell, is_offline(offline))
    except PictureError:
        raise
    except OSError as error:
        raise PictureError(cell, error.strerror or str(error)) from error
    except DataError as error:
        raise PictureError(cell, str(error).rstrip(".")) from error
    if not data:
        raise PictureError(cell, "it is empty: 0 bytes")
    if len(data) > MOST_BYTES:
        raise PictureError(cell, f"it has more than {MOST_BYTES:,} bytes")
    return data


def _bytes_of(cell: str, offline: bool) -> bytes:
    if cell.startswith(DATA_URI):
        return _decoded(cell.partition(",")[2])
    if (inside := INSIDE.fullmatch(cell)) is not None and not is_url(cell):
        return open_archive(inside[1]).read(inside[2], MOST_BYTES)
    if is_url(cell) and not cell.startswith("file://"):
        return _fetched(cell, offline)
    path = cell.removeprefix("file://")
    check_file(path)
    with open(path, "rb") as file:
        return file.read(MOST_BYTES + 1)


def check_file(path: str) -> os.stat_result:
    """The facts of a plain file that is not too large; pipes and devices would hang or never end.

    Raises:
        PictureError: It is not there, or not such a file.
    """
    try:
        facts = os.stat(path)
    except (OSError, ValueError) as error:
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "there is no such file" if gone else str(getattr(error, "strerror", "") or error)
        raise PictureError(path, reason) from error
    if stat.S_ISDIR(facts.st_mode):
        raise PictureError(path, "it is a folder")
    if not stat.S_ISREG(facts.st_mode):
        raise PictureError(path, "it is no plain file")
    if facts.st_size > MOST_BYTES:
        raise PictureError(path, f"it has {facts.st_size:,} bytes; at most {MOST_BYTES:,} are read")
    if not facts.st_size:
        raise PictureError(path, "it is empty: 0 bytes")
    return facts


def _decoded(text: str) -> bytes:
    if len(text) > MOST_BYTES * 4 // 3 + 4:
        raise DataError(f"it has more than {MOST_BYTES:,} bytes")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise DataError(f"it is no base64 ({error})") from error


def _fetched(url: str, offline: bool) -> bytes:
    if offline:
        raise DataError("it is on the network, which this run must not use")
    fsspec = need("fsspec", extra="remote")
    try:
        with fsspec.open(url, "rb", compression=None) as file:
            return bytes(file.read(MOST_BYTES + 1))
    except Exception as error:  # every backend of fsspec has errors of its own
        raise DataError(f"it cannot be fetched ({type(error).__name__}: {error})") from error


def identity(cell: str) -> bytes:
    """16 bytes that change when a cell means another picture, found without reading it: path, size
    and time of its last change; of a URL the address alone."""
    path = cell
    if cell.startswith(DATA_URI):
        return _hash(cell.encode("utf-8", "surrogatepass"))
    if (inside := INSIDE.fullmatch(cell)) is not None:
        path = inside[1]
    said = cell
    if not is_url(cell):
        try:
            facts = os.stat(path)
        except (OSError, ValueError):
            return _hash(cell.encode("utf-8", "surrogatepass"))
        said = f"{os.path.abspath(cell)}\0{facts.st_mtime_ns}\0{facts.st_size}"
    return _hash(said.encode("utf-8", "surrogatepass"))


def size_of(cell: str) -> int | None:
    """The bytes of a picture file, found without reading it; of a data URI the letters. None where
    it cannot be told, as of what lies on the network."""
    if cell.startswith(DATA_URI):
        return len(cell)
    if is_url(cell):
        return None
    try:
        if (inside := INSIDE.fullmatch(cell)) is not None:
            return open_archive(inside[1]).members[inside[2]].size
        return os.stat(cell).st_size
    except (OSError, ValueError, KeyError, DataError):
        return None


_KEYS: dict[bytes, bytes] = {}
_LOCK = threading.Lock()


def content_key(cell: str, *, offline: bool = False) -> bytes:
    """16 bytes of the content of a picture file: two files of the same bytes have the same. Read
    once while the file does not change.

    Raises:
        PictureError: As `read_bytes`.
    """
    known = identity(cell)
    if known not in _KEYS:
        remember(known, key_of(read_bytes(cell, offline=offline)))
    return _KEYS[known]


def known_key(known: bytes) -> bytes | None:
    """The content key of what has this identity, where it was read before."""
    return _KEYS.get(known)


def key_of(data: bytes) -> bytes:
    """The content key of the bytes of a picture file."""
    return _hash(data)


def remember(known: bytes, key: bytes) -> None:
    """Note the content key of what has this identity."""
    with _LOCK:
        _KEYS[known] = key


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
