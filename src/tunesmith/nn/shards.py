"""Ragged rows of numbers by key, in memory-mapped files that many processes share.

A store is a folder of spaces, a space a folder of shards. A shard is written once, beside its
place, and renamed into it; nothing of it ever changes, so readers need no lock. Its header, its
index and its numbers carry checksums: what is cut short or altered is noticed, removed, and
computed again. The whole folder may be deleted at any time.

    64 bytes    header: magic, dtype, width, rows, bytes, checksums
    rows × 16   keys
    rows + 1    offsets in numbers of tokens, int64
    …           the numbers, row after row, without padding

No torch here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.data.wheels import cache

MAGIC = b"TSACTIV1"
HEADER = struct.Struct("<8sIIQQIIII8x8x")
"""Magic, dtype, width, rows, bytes of the file, checksums of index, numbers and header, zero."""
KEY_BYTES = 16
KINDS = {1: np.dtype(np.float16), 2: np.dtype(np.uint16)}
"""2 is bf16, whose bits numpy holds as integers."""
ENDING = ".shard"
SHARD_BYTES = 32 * 1024**2
STALE_SECONDS = 600.0
FREE_SHARE = 0.1
MOST_BYTES = 20 * 1024**3
KEPT_FREE_BYTES = 256 * 1024**2
MEMORY_BYTES = 2 * 1024**3
FACTS = "space.json"

Key = bytes
Array = NDArray[Any]


class StoreError(Exception):
    """The store cannot take more; what it has stays readable. The work goes on without it."""


@dataclass
class Counts:
    """What one process did with a store."""

    read_rows: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    broken_shards: int = 0
    evicted_shards: int = 0


@dataclass(frozen=True)
class Shard:
    """An opened shard: its keys, where each row begins, and its numbers, mapped into memory."""

    path: Path
    keys: tuple[Key, ...]
    offsets: NDArray[np.int64]
    numbers: Array
    checksum: int
    checked: list[bool] = field(default_factory=lambda: [False])

    def is_whole(self) -> bool:
        """Whether the numbers have their checksum; looked at once."""
        if not self.checked[0]:
            self.checked[0] = zlib.crc32(_raw(self.numbers)) == self.checksum
        return self.checked[0]


def as_stored(numbers: NDArray[np.float32]) -> Array:
    """fp16 where every number has a place in it, else bf16 (as uint16 bits): three digits fewer,
    but the range of fp32."""
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float16)
    if np.isfinite(small).all() or not np.isfinite(numbers).all():
        return small
    bits = np.ascontiguousarray(numbers, dtype=np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)  # to the nearest, ties to even
    return np.asarray((rounded >> 16).astype(np.uint16))


def as_floats(stored: Array) -> NDArray[np.float32]:
    """Stored numbers as fp32."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


def _raw(numbers: Array) -> memoryview:
    return memoryview(np.ascontiguousarray(numbers))  # type: ignore[arg-type]


def write_shard(place: Path, keys: Sequence[Key], rows: Sequence[Array]) -> int:
    """Write a shard whole or not at all; gives its size in bytes. Rows have shape (tokens, width)
    and one stored dtype.

    Raises:
        OSError: The disk is full or the folder is gone.
    """
    kind = next(code for code, dtype in KINDS.items() if dtype == rows[0].dtype)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(row) for row in rows])
    index = b"".join(keys) + offsets.tobytes()
    numbers = 0
    for row in rows:
        numbers = zlib.crc32(_raw(row), numbers)
    size = HEADER.size + len(index) + sum(row.nbytes for row in rows)
    facts = (MAGIC, kind, rows[0].shape[1], len(rows), size, zlib.crc32(index), numbers)
    bare = HEADER.pack(*facts, 0, 0)
    head = HEADER.pack(*facts, zlib.crc32(bare), 0)
    beside = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            file.write(head)
            file.write(index)
            for row in rows:
                file.write(_raw(row))
        beside.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    return size


def open_shard(path: Path) -> Shard | None:
    """A shard, its numbers not yet looked at; None where it is not whole."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            magic, kind, width, rows, size, index_sum, checksum, own, _ = HEADER.unpack(head)
            bare = HEADER.pack(magic, kind, width, rows, size, index_sum, checksum, 0, 0)
            if magic != MAGIC or zlib.crc32(bare) != own or os.fstat(file.fileno()).st_size != size:
                return None
            index = file.read(rows * KEY_BYTES + (rows + 1) * 8)
            if zlib.crc32(index) != index_sum:
                return None
        numbers = np.memmap(
            path, KINDS[kind], "r", HEADER.size + len(index), (_tokens(index, rows), width)
        )
    except (OSError, struct.error, KeyError, ValueError):
        return None
    keys = tuple(index[i : i + KEY_BYTES] for i in range(0, rows * KEY_BYTES, KEY_BYTES))
    offsets = np.frombuffer(index, dtype=np.int64, offset=rows * KEY_BYTES)
    return Shard(path, keys, offsets, numbers, checksum)


def _tokens(index: bytes, rows: int) -> int:
    return int(np.frombuffer(index, dtype=np.int64, offset=rows * (KEY_BYTES + 8))[0])


class Space:
    """The rows of one kind: one network, one cut. Not for threads; any number of processes."""

    def __init__(self, store: Store, folder: Path, facts: Mapping[str, Any]) -> None:
        self._store = store
        self._folder = folder
        self._facts = facts
        self._shards: dict[str, Shard] = {}
        self._places: dict[Key, tuple[str, int]] = {}
        self._held: dict[Key, Array] = {}
        self._held_bytes = 0
        self.refresh()

    def refresh(self) -> None:
        """See what other processes have written since."""
        try:
            found = sorted(p for p in self._folder.iterdir() if p.suffix == ENDING)
        except OSError:
            return
        for path in found:
            if path.name in self._shards:
                continue
            shard = open_shard(path)
            if shard is None:
                self._drop(path)
                continue
            self._shards[path.name] = shard
            for number, key in enumerate(shard.keys):
                self._places.setdefault(key, (path.name, number))
            self._store.touch(path)

    def _drop(self, path: Path) -> None:
        """Remove a shard that is not what was written."""
        self._store.counts.broken_shards += 1
        self._shards.pop(path.name, None)
        self._places = {k: place for k, place in self._places.items() if place[0] != path.name}
        with contextlib.suppress(OSError):
            path.unlink()

    def missing(self, keys: Sequence[Key]) -> list[int]:
        """Numbers of the keys that are not stored, each distinct key once. The shards of those that
        are have been compared with their checksums."""
        if any(key not in self._places and key not in self._held for key in keys):
            self.refresh()
        for name in {self._places[key][0] for key in keys if key in self._places}:
            if not self._shards[name].is_whole():
                self._drop(self._shards[name].path)
        first: dict[Key, int] = {}
        for number, key in enumerate(keys):
            if key not in self._places and key not in self._held:
                first.setdefault(key, number)
        return list(first.values())

    def get(self, key: Key) -> Array:
        """The row of a key that is not missing, as stored: shape (tokens, width)."""
        held = self._held.get(key)
        if held is not None:
            return held
        name, number = self._places[key]
        shard = self._shards[name]
        return shard.numbers[shard.offsets[number] : shard.offsets[number + 1]]

    def put(self, key: Key, row: Array) -> None:
        """Keep a row; it is on the disk by the next `flush` at the latest. Once the disk has
        refused one, rows are kept in memory alone.

        Raises:
            StoreError: The disk refuses it (told once), or the memory set aside is full.
        """
        if key in self._held or key in self._places:
            return
        if self._store.trouble and self._held_bytes + row.nbytes > MEMORY_BYTES:
            raise StoreError(f"the activation store takes nothing more: {self._store.trouble}")
        self._held[key] = row
        self._held_bytes += row.nbytes
        if self._held_bytes >= SHARD_BYTES and not self._store.trouble:
            self.flush()

    def flush(self) -> None:
        """Bring what is held onto the disk.

        Raises:
            StoreError: It cannot be; what was held is still readable in this process.
        """
        for dtype in KINDS.values() if not self._store.trouble else ():
            keys = [key for key, row in self._held.items() if row.dtype == dtype]
            if keys:
                self._write(keys)

    def _write(self, keys: list[Key]) -> None:
        rows = [self._held[key] for key in keys]
        place = self._folder / f"{uuid.uuid4().hex}{ENDING}"
        try:
            self._store.make_room(sum(row.nbytes for row in rows))
            self._folder.mkdir(parents=True, exist_ok=True)
            if not (self._folder / FACTS).exists():
                write_json(self._folder / FACTS, self._facts)
            size = write_shard(place, keys, rows)
        except (OSError, DataError) as error:
            why = str(getattr(error, "strerror", None) or error)
            self._store.trouble = why
            raise StoreError(f"the activation store cannot be written: {why}") from error
        self._store.counts.written_rows += len(rows)
        self._store.counts.written_bytes += size
        shard = open_shard(place)
        if shard is None:  # taken away in this moment: the rows stay in memory
            return
        shard.checked[0] = True
        self._store.touch(place)
        self._shards[place.name] = shard
        for number, key in enumerate(keys):
            self._places[key] = (place.name, number)
            self._held_bytes -= self._held.pop(key).nbytes


class Store:
    """Spaces below one folder, within a limit of bytes; `folder` None keeps all in memory."""

    def __init__(self, folder: Path | None, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.counts = Counts()
        self.trouble = ""
        """Why it takes nothing more; empty while it does."""
        self._spaces: dict[str, Space] = {}
        self._mine: set[Path] = set()
        if folder is not None:
            _sweep(folder)

    def space(self, name: str, facts: Mapping[str, Any]) -> Space:
        """The space of that name; `facts` say in words what it holds."""
        if name not in self._spaces:
            kind = Space if self.folder is not None else _Held
            self._spaces[name] = kind(self, (self.folder or Path()) / name, facts)
        return self._spaces[name]

    def has(self, name: str) -> bool:
        """Whether a space of that name is there."""
        on_disk = self.folder is not None and (self.folder / name).is_dir()
        return name in self._spaces or on_disk

    def touch(self, path: Path) -> None:
        """Note that a shard is in use: here, and for the eviction of the least recently used."""
        self._mine.add(path)
        with contextlib.suppress(OSError):
            os.utime(path)

    def room_bytes(self) -> int:
        """What could be written yet: within the limit once all that this process does not use is
        evicted, and on the disk."""
        if self.trouble:
            return 0
        if self.folder is None:
            held = sum(space._held_bytes for space in self._spaces.values())
            return max(0, self.most_bytes - held)
        used = sum(size for path, size, _ in _shards(self.folder) if path in self._mine)
        others = sum(size for path, size, _ in _shards(self.folder) if path not in self._mine)
        return max(0, min(self.most_bytes - used, _free_bytes(self.folder) + others))

    def make_room(self, size: int) -> None:
        """Evict the least recently used shards until so many bytes fit.

        Raises:
            StoreError: They do not fit beside what this process uses.
        """
        assert self.folder is not None
        found = sorted(_shards(self.folder), key=lambda one: one[2])
        total, free = sum(one[1] for one in found), _free_bytes(self.folder)
        for path, held, _ in found:
            if total + size <= self.most_bytes and size <= free:
                return
            if path in self._mine:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                self.counts.evicted_shards += 1
            total, free = total - held, free + held
        if total + size > self.most_bytes:
            self.trouble = f"its limit of {self.most_bytes / 1e9:.1f} GB is used up"
        elif size > free:
            self.trouble = "the disk is nearly full"
        if self.trouble:
            raise StoreError(f"the activation store takes nothing more: {self.trouble}")

    def size_bytes(self) -> int:
        """What lies in the folder."""
        return sum(size for _, size, _ in _shards(self.folder)) if self.folder else 0

    def clear(self) -> int:
        """Delete everything; gives the bytes that lay there."""
        size = self.size_bytes()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._spaces.clear()
        return size

    def listing(self) -> list[dict[str, Any]]:
        """What lies in the folder, a record for each space, the most recently used first."""
        found = []
        for path in sorted(self.folder.iterdir()) if self.folder and self.folder.is_dir() else ():
            shards = list(_shards(path))
            try:
                facts = read_json(path / FACTS)
            except DataError:
                facts = {}
            found.append(
                {
                    **facts,
                    "space": path.name,
                    "shards": len(shards),
                    "bytes": sum(size for _, size, _ in shards),
                    "used": max((when for _, _, when in shards), default=0.0),
                }
            )
        return sorted(found, key=lambda one: -one["used"])


class _Held(Space):
    """A space in memory alone."""

    def refresh(self) -> None:
        """Nobody else writes here."""

    def put(self, key: Key, row: Array) -> None:
        if key in self._held:
            return
        if self._store.room_bytes() < row.nbytes:
            raise StoreError("what is kept in memory has reached its limit")
        self._held[key] = row.copy()
        self._held_bytes += row.nbytes
        self._store.counts.written_rows += 1

    def flush(self) -> None:
        """There is no disk to bring it to."""


def _shards(folder: Path | None) -> Iterator[tuple[Path, int, float]]:
    """Every shard below: path, bytes, when it was last used."""
    for path in folder.rglob(f"*{ENDING}*") if folder else ():
        with contextlib.suppress(OSError):
            facts = path.stat()
            yield path, facts.st_size, facts.st_mtime


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left half-written."""
    for path in folder.rglob(".*.new"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


def _free_bytes(folder: Path) -> int:
    """Free on the disk of a folder that may not be there yet, less what is left to others."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return max(0, shutil.disk_usage(folder).free - KEPT_FREE_BYTES)
    except OSError:
        return 0


def default_bytes(folder: Path) -> int:
    """The limit of a store where none is told: a tenth of what is free or held by it, at most
    20 GiB."""
    held = sum(size for _, size, _ in _shards(folder))
    return min(MOST_BYTES, int(FREE_SHARE * (_free_bytes(folder) + held)))


def place() -> Path:
    """Where the store lies: TUNESMITH_STORE, or in the user's cache folder, shared by all runs."""
    told = os.environ.get("TUNESMITH_STORE")
    return Path(told).expanduser() if told else cache() / "activations"


def open_store() -> Store:
    """The store of this user on this machine. TUNESMITH_STORE_BYTES sets its limit."""
    told = os.environ.get("TUNESMITH_STORE_BYTES", "")
    try:
        limit = int(float(told)) if told else default_bytes(place())
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"TUNESMITH_STORE_BYTES is {told!r}, which is not a number of bytes such as 2e9."
        ) from error
    return Store(place(), limit)


_active: ContextVar[Store | None] = ContextVar("store", default=None)


def active() -> Store | None:
    """The store of the fit under way; None where nothing is to be remembered."""
    return _active.get()


def use(store: Store) -> None:
    """Make this the store of this process from now on."""
    _active.set(store)


@contextlib.contextmanager
def using(store: Store | None) -> Iterator[None]:
    """Make this the store of all that runs inside."""
    token = _active.set(store)
    try:
        yield
    finally:
        _active.reset(token)
