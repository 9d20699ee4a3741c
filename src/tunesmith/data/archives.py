"""Members of zip and tar archives, read one by one; nothing is ever unpacked to a place."""

from __future__ import annotations

import atexit
import bz2
import gzip
import lzma
import os
import re
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

from tunesmith.core.errors import DataError

ARCHIVE = re.compile(r"(?is)\.(zip|tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz)$")
INSIDE = re.compile(r"(?is)(.+?\.(?:zip|tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz))!/(.+)")
"""`ARCHIVE!/inside/name`: a member."""
MOST_MEMBERS = 5_000_000
MOST_UNPACKED_BYTES = 16 * 1024**3
"""What a compressed tar may come to: it is unpacked once, into a nameless temporary file."""
MOST_RATIO = 200
"""A compressed tar that comes to more times its size, and to more than 1 GiB, is a bomb."""
PIECE = 1024**2
OPENERS: Mapping[str, Any] = {
    **dict.fromkeys(("gz", "tgz"), gzip.open),
    **dict.fromkeys(("bz2", "tbz2"), bz2.open),
    **dict.fromkeys(("xz", "txz"), lzma.open),
}


@dataclass(frozen=True)
class Member:
    """A file in an archive; `trouble` says why it is not to be read, empty where it may be."""

    name: str
    size: int
    trouble: str = ""
    offset: int = 0
    info: zipfile.ZipInfo | None = None


@dataclass(frozen=True)
class Archive:
    """An opened archive. Members may be read from several threads."""

    members: Mapping[str, Member]
    _file: Any
    _lock: threading.Lock

    def read(self, name: str, most_bytes: int) -> bytes:
        """The bytes of a member.

        Raises:
            DataError: It is not there, must not be read, is larger than `most_bytes`, whatever its
                entry promises, or is damaged.
        """
        member = self.members.get(name)
        if member is None:
            raise DataError("the archive has no such member")
        if member.trouble:
            raise DataError(member.trouble)
        if member.size > most_bytes:
            raise DataError(f"it unpacks to {member.size:,} bytes; at most {most_bytes:,} are read")
        data = self._bytes(member, most_bytes)
        if len(data) > most_bytes:
            raise DataError(f"it unpacks to more than {most_bytes:,} bytes, which its entry denies")
        return data

    def _bytes(self, member: Member, most_bytes: int) -> bytes:
        if member.info is None:
            with self._lock:
                self._file.seek(member.offset)
                found = self._file.read(member.size)
            if len(found) < member.size:
                raise DataError(f"the archive ends after {len(found):,} of {member.size:,} bytes")
            return bytes(found)
        try:
            with self._file.open(member.info) as file:
                return bytes(file.read(most_bytes + 1))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise DataError(f"the archive is damaged there ({error})") from error


def open_archive(path: str) -> Archive:
    """A zip or tar file; opened once while it does not change.

    Raises:
        DataError: It is not there, no archive, or a bomb.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise DataError(f"There is no archive {path} ({error.strerror}).") from error
    with _OPENING:
        return _opened(path, facts.st_mtime_ns, facts.st_size)


_OPENING = threading.Lock()


@cache
def _opened(path: str, changed: int, size: int) -> Archive:
    try:
        return _open_zip(path) if path.lower().endswith(".zip") else _open_tar(path, size)
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError) as error:
        raise DataError(
            f"{path} is not a whole archive ({error}). Pack it again, or give the folder."
        ) from error
    except (zlib.error, ValueError, OverflowError, NotImplementedError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as an archive ({error}).") from error


def _open_zip(path: str) -> Archive:
    file = zipfile.ZipFile(path)
    listed = file.infolist()
    _refuse_many(path, len(listed))
    members = {
        info.filename: Member(info.filename, info.file_size, _trouble_of_zip(info), 0, info)
        for info in listed
        if not info.is_dir()
    }
    atexit.register(file.close)
    return Archive(members, file, threading.Lock())


def _trouble_of_zip(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 1:
        return "it is encrypted"
    if (info.external_attr >> 28) == 0o12:
        return "it is a link, and links in archives are not followed"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is packed by a rare method; pack it again as plain zip (deflate)"
    return _trouble_of_name(info.filename)


def _open_tar(path: str, size: int) -> Archive:
    """Members of a tar by where they begin."""
    packed = OPENERS.get(path.lower().rsplit(".", 1)[-1])
    file = open(path, "rb") if packed is None else _unpacked(path, packed, size)  # noqa: SIM115
    members: dict[str, Member] = {}
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for entry in tar:
            _refuse_many(path, len(members))
            if not entry.isdir():
                trouble = _trouble_of_tar(entry)
                members[entry.name] = Member(entry.name, entry.size, trouble, entry.offset_data)
    atexit.register(file.close)
    return Archive(members, file, threading.Lock())


def _trouble_of_tar(entry: tarfile.TarInfo) -> str:
    if entry.issym() or entry.islnk():
        return "it is a link, and links in archives are not followed"
    if not entry.isreg() or entry.issparse():
        return "it is no plain file"
    return _trouble_of_name(entry.name)


def _trouble_of_name(name: str) -> str:
    parts = re.split(r"[/\\]", name)
    if ".." in parts or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "its name leads out of the archive"
    return "its name holds a NUL byte" if "\0" in name else ""


def _unpacked(path: str, opener: Any, size: int) -> IO[bytes]:
    """The tar inside a compressed one, as a temporary file that goes with this process."""
    most = min(MOST_UNPACKED_BYTES, max(1024**3, MOST_RATIO * size))
    plain = tempfile.TemporaryFile()  # noqa: SIM115
    with opener(path, "rb") as packed:
        while piece := packed.read(PIECE):
            plain.write(piece)
            if plain.tell() > most:
                plain.close()
                raise DataError(
                    f"{path} has {size:,} bytes and unpacks to more than {most:,}: it is taken "
                    "for a decompression bomb. Unpack it yourself if you trust it, and give the "
                    "folder."
                )
    plain.seek(0)
    return plain


def _refuse_many(path: str, members: int) -> None:
    if members > MOST_MEMBERS:
        raise DataError(f"{path} has more than {MOST_MEMBERS:,} members. Give it in parts.")
