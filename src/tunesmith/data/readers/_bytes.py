"""From a path or URL to its bytes, and from bytes to text."""

from __future__ import annotations

import bz2
import codecs
import difflib
import gzip
import logging
import lzma
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tunesmith.core.errors import DataError, MissingExtra, TunesmithError, need

PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "a Parquet file (name it .parquet)"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip file (name it .csv.gz or .jsonl.gz)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (save it as .xlsx)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x7fELF", "a program"),
)
MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_url(source: object) -> bool:
    return (
        isinstance(source, str)
        and re.match(r"[a-zA-Z][\w+.-]*(::[\w+.-]+)*://", source) is not None
    )


def ending(source: object) -> str:
    """The ending that tells the format of a path or URL, lower case, without that of a
    compression: ".csv" for "a.CSV.gz"; empty for an object that is neither."""
    if not isinstance(source, str | Path):
        return ""
    name = re.split(r"[?#]", str(source))[0] if is_url(source) else str(source)
    name = re.sub(r"(?i)(\.xls[xm]?)#[^/\\]*$", r"\1", name).lower()
    stem, last = os.path.splitext(name)
    return os.path.splitext(stem)[1] if last in {*PACKED, ".brotli"} else last


def fetch(source: str | Path) -> bytes:
    """All bytes of a path or URL, unpacked where its name ends in .gz, .bz2 or .xz.

    Raises:
        DataError: It is not there, cannot be opened or unpacked, or is empty.
    """
    data = _fetch_url(str(source)) if is_url(source) else _fetch_path(Path(source))
    unpack = PACKED.get(os.path.splitext(re.split(r"[?#]", str(source))[0])[1].lower())
    if unpack is not None and data:
        try:
            data = unpack(data)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise DataError(
                f"{source} cannot be unpacked: {error}. Is it whole, and compressed as its name "
                "says?"
            ) from error
    if not data:
        raise DataError(f"{source} is empty: 0 bytes. Give a file with a header and rows.")
    return data


def _fetch_path(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _refuse_path(path, error)


def _refuse_path(path: Path, error: OSError) -> NoReturn:
    """Say why a path cannot be read, and what to do."""
    if isinstance(error, PermissionError):
        raise DataError(
            f"{path} cannot be read: permission denied. Allow this user to read it "
            f"(chmod u+r) or copy it to a folder of yours."
        ) from error
    if isinstance(error, IsADirectoryError):
        inside = sorted(entry.name for entry in path.iterdir() if entry.is_file())[:5]
        raise DataError(
            f"{path} is a folder, not a file. Name a file in it, or several with a pattern such "
            f"as {path / '*.csv'}. Files in it: {', '.join(inside) or 'none'}."
        ) from error
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        raise DataError(f"There is no file {path}. {_near(path)}") from error
    raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _near(path: Path) -> str:
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return f"Its folder {path.parent} cannot be listed either; is the path right?"
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {path.parent / near[0]}?"
    return f"{path.parent.absolute()} holds: {', '.join(names[:8]) or 'nothing'}."


def _fetch_url(url: str) -> bytes:
    fsspec = need("fsspec", extra="remote")
    try:
        with fsspec.open(url, "rb", compression=None) as file:
            return bytes(file.read())
    except TunesmithError:
        raise
    except ImportError as error:
        raise MissingExtra(f"{url} needs one more package: {error}.") from error
    except Exception as error:  # every backend of fsspec has errors of its own
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(
            f"{url} cannot be read ({type(error).__name__}: {reason}). Check the address, the "
            "network and your right to read it."
        ) from error


def as_text(data: bytes, source: object) -> str:
    """Decode by byte order mark, else as UTF-8, else as Windows-1252 where that is plausible.

    Raises:
        DataError: It is no text, or its encoding cannot be told.
    """
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "")
    if not encoding:
        refuse_binary(data, source)
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if not encoding and _is_western(data):
            logging.getLogger("tunesmith").warning(
                "%s is not UTF-8; read as Windows-1252. Save it as UTF-8 if letters look wrong.",
                source,
            )
            return data.decode("cp1252")
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{source} is not {encoding or 'UTF-8'} text: byte 0x{data[error.start]:02x} at offset "
            f"{error.start} (line {line}) does not belong there, and no other encoding is "
            f"plausible. Save the file as UTF-8, for example: "
            f"iconv -f ENCODING -t UTF-8 {source}"
        ) from error


def refuse_binary(data: bytes, source: object) -> None:
    """Refuse bytes that are no text, and say what they look like.

    Raises:
        DataError: They begin as a known format does, or hold NUL bytes.
    """
    found = next((name for sign, name in SIGNS if data.startswith(sign)), "")
    if data.startswith(b"PK\x03\x04"):
        excel = b"xl/" in data
        found = "an Excel file (name it .xlsx)" if excel else "a ZIP archive (unpack it first)"
    if not found and b"\x00" in data:
        wide = data[:4000].count(0) > len(data[:4000]) // 4
        at = data.index(b"\x00")
        found = f"UTF-16 text without a mark, or binary: byte 0 at offset {at}" if wide else ""
        found = found or f"binary: byte 0 at offset {at}"
    if found:
        raise DataError(
            f"{source} is not the text its name promises: it looks like {found}. "
            "Give the right file, or save it as UTF-8 text."
        )


def _is_western(data: bytes) -> bool:
    """Whether bytes are plausibly Windows-1252: letters beyond ASCII stand alone or in pairs
    among ASCII ones, all bytes are defined, and it is no UTF-8 with a damaged spot."""
    repaired = data.decode("utf-8", errors="replace")
    damaged = repaired.count("�")
    whole = sum(1 for letter in repaired if ord(letter) > 127) - damaged
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    beyond = len(re.findall(r"[^\x00-\x7f]", text))
    in_runs = sum(map(len, re.findall(r"[^\x00-\x7f]{3,}", text)))
    return (
        whole < damaged and in_runs <= 0.1 * beyond and not re.search(r"[\x01-\x08\x0e-\x1f]", text)
    )
