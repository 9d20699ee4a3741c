"""Resized pictures on the disk, as memory-mapped pixels that processes share.

A folder for each size and way of cropping holds shards. A shard is written beside its place, then
renamed, and never changes; what fails its checksum is removed and made again.

    64 bytes    header: magic, size, rows, checksums of index and pixels
    rows × 32   content key and identity of each picture
    …           rows × size × size × 3 bytes of pixels
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import struct
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.data.pictures import remember
from tunesmith.data.wheels import cache as cache_folder

VERSION = 1
"""Of how pixels come from bytes: another one shares no shard with this."""
MAGIC = b"TSPICTS1"
HEADER = struct.Struct("<8sIIII40x")
KEY_BYTES = 16
ENDING = ".pictures"
SHARD_BYTES = 32 * 1024**2
WRITTEN_AT_ONCE = 8 * 1024**2
MOST_BYTES = 20 * 1024**3
FREE_SHARE = 0.1
KEPT_FREE_BYTES = 256 * 1024**2
STALE_SECONDS = 600.0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class _Shard:
    path: Path
    pixels: Pixels
    checksum: int
    checked: list[bool] = field(default_factory=lambda: [False])

    def is_whole(self) -> bool:
        if not self.checked[0]:
            self.checked[0] = zlib.crc32(_raw(self.pixels)) == self.checksum
        return self.checked[0]


class PictureCache:
    """The pictures of one size and crop. Safe to use from several threads."""

    def __init__(self, folder: Path, size: int, most_bytes: int) -> None:
        self.folder, self.size, self.most_bytes = folder, size, most_bytes
        self.trouble = ""
        """Why nothing more is written; empty while it is."""
        self._lock = threading.RLock()
        self._rows: dict[bytes, tuple[_Shard, int]] = {}
        self._held: dict[bytes, tuple[bytes, Pixels]] = {}
        self._held_bytes = 0
        self._seen: set[str] = set()
        self._used: set[Path] = set()
        self.refresh()
        atexit.register(self.flush)

    def refresh(self) -> None:
        """Take in what other processes have written."""
        with self._lock:
            for path in sorted(self.folder.glob(f"*{ENDING}")):
                if path.name in self._seen:
                    continue
                self._seen.add(path.name)
                found = _open_shard(path, self.size)
                if found is None:
                    with contextlib.suppress(OSError):
                        path.unlink()
                    continue
                shard, index = found
                for row, start in enumerate(range(0, len(index), 2 * KEY_BYTES)):
                    key = index[start : start + KEY_BYTES]
                    remember(index[start + KEY_BYTES : start + 2 * KEY_BYTES], key)
                    self._rows[key] = (shard, row)

    def get(self, key: bytes) -> Pixels | None:
        """The pixels of a content key, shape (size, size, 3); None where they are not here."""
        with self._lock:
            if key in self._held:
                return self._held[key][1]
            found = self._rows.get(key)
            if found is None:
                return None
            shard, row = found
            if not shard.is_whole():
                self._drop(shard)
                return None
            if shard.path not in self._used:
                self._used.add(shard.path)
                with contextlib.suppress(OSError):
                    os.utime(shard.path)
            return np.asarray(shard.pixels[row])

    def put(self, key: bytes, known: bytes, pixels: Pixels) -> None:
        """Keep the pixels of a picture of this content key and identity."""
        with self._lock:
            if self.trouble or key in self._held or key in self._rows:
                return
            self._held[key] = (known, pixels.copy())
            self._held_bytes += pixels.nbytes
            if self._held_bytes >= SHARD_BYTES:
                self.flush()

    def settle(self) -> None:
        """Write what is held if it is worth a file."""
        if self._held_bytes >= WRITTEN_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what is held. Where the disk takes no more, the work goes on without it."""
        with self._lock:
            if not self._held:
                return
            try:
                self._write()
            except OSError as error:
                self.trouble = error.strerror or str(error)
            self._held.clear()
            self._held_bytes = 0

    def _write(self) -> None:
        size = self._held_bytes + HEADER.size + len(self._held) * 2 * KEY_BYTES
        if not self._has_room(size):
            self.trouble = "its limit is used up, or the disk is nearly full"
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{uuid.uuid4().hex}{ENDING}"
        _write_shard(path, self.size, self._held)
        self._used.add(path)
        self.refresh()

    def _has_room(self, size: int) -> bool:
        """Evict the least recently used shards, of any size, until so many bytes fit."""
        root = self.folder.parent
        found = sorted(_shards(root), key=lambda one: one[2])
        total, free = sum(one[1] for one in found), _free_bytes(root)
        for path, held, _ in found:
            if total + size <= self.most_bytes and size <= free:
                break
            if path in self._used:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
            total, free = total - held, free + held
        return total + size <= self.most_bytes and size <= free

    def _drop(self, shard: _Shard) -> None:
        self._rows = {key: at for key, at in self._rows.items() if at[0] is not shard}
        with contextlib.suppress(OSError):
            shard.path.unlink()


def _raw(pixels: Pixels) -> memoryview:
    return memoryview(np.ascontiguousarray(pixels))  # type: ignore[arg-type]


def _write_shard(path: Path, size: int, held: dict[bytes, tuple[bytes, Pixels]]) -> None:
    index = b"".join(key + known for key, (known, _) in held.items())
    checksum = 0
    for _, pixels in held.values():
        checksum = zlib.crc32(_raw(pixels), checksum)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            file.write(HEADER.pack(MAGIC, size, len(held), zlib.crc32(index), checksum))
            file.write(index)
            for _, pixels in held.values():
                file.write(_raw(pixels))
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _open_shard(path: Path, size: int) -> tuple[_Shard, bytes] | None:
    """A shard and its index; None where it is not whole."""
    try:
        with path.open("rb") as file:
            magic, held, rows, index_sum, checksum = HEADER.unpack(file.read(HEADER.size))
            index = file.read(rows * 2 * KEY_BYTES)
            at = file.tell()
            whole = os.fstat(file.fileno()).st_size == at + rows * size * size * 3
        if magic != MAGIC or held != size or zlib.crc32(index) != index_sum or not whole:
            return None
        return _Shard(
            path, np.memmap(path, np.uint8, "r", at, (rows, size, size, 3)), checksum
        ), index
    except (OSError, struct.error, ValueError):
        return None


def _shards(root: Path) -> Iterator[tuple[Path, int, float]]:
    """Every shard below, whatever its size and crop: path, bytes, when it was last used."""
    for path in root.rglob(f"*{ENDING}*"):
        with contextlib.suppress(OSError):
            facts = path.stat()
            if path.name.endswith(".new") and time.time() - facts.st_mtime > STALE_SECONDS:
                path.unlink()  # a process that was killed has left it half-written
                continue
            yield path, facts.st_size, facts.st_mtime


def _free_bytes(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return max(0, shutil.disk_usage(folder).free - KEPT_FREE_BYTES)


def place() -> Path:
    """Where resized pictures lie: TUNESMITH_PICTURES, or beside the activation store in the user's
    cache folder, shared by all runs. It may be deleted at any time."""
    told = os.environ.get("TUNESMITH_PICTURES")
    return Path(told).expanduser() if told else cache_folder() / "pictures"


def _most_bytes(root: Path) -> int:
    """TUNESMITH_PICTURES_BYTES, or a tenth of what is free or held here, at most 20 GiB."""
    told = os.environ.get("TUNESMITH_PICTURES_BYTES", "")
    if not told:
        held = sum(size for _, size, _ in _shards(root))
        return min(MOST_BYTES, int(FREE_SHARE * (_free_bytes(root) + held)))
    try:
        return int(float(told))
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"TUNESMITH_PICTURES_BYTES is {told!r}, which is not a number of bytes such as 2e9."
        ) from error


def open_cache(size: int, crop: str) -> PictureCache:
    """The pictures of this size and crop; one object in a process.

    Raises:
        ConfigError: Its limit is no number of bytes.
    """
    return _opened(place(), size, crop)


@cache
def _opened(root: Path, size: int, crop: str) -> PictureCache:
    return PictureCache(root / f"v{VERSION}-{size}-{crop}", size, _most_bytes(root))
