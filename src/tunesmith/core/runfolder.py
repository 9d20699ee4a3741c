"""The run folder is the database: every file is written beside its place and renamed into it."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tunesmith.core.errors import ConfigError, DataError

MARK = "run.json"
LOCK = ".lock"
REQUEST = "request.json"
"""What was asked; a run that holds it can go on."""
MOST_TEXT_BYTES = 512 * 1024**2
"""Far above any tokenizer or vocabulary, and what a machine still holds as text."""


def read_text(path: Path, most_bytes: int = MOST_TEXT_BYTES) -> str:
    """The text of a plain file, or of one that a link leads to.

    Raises:
        DataError: It is no plain file, is larger than that, or is not UTF-8.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise DataError(f"{path} cannot be read: it is not a plain file.")
        if facts.st_size > most_bytes:
            raise DataError(
                f"{path} cannot be read: it has {facts.st_size:,} bytes, at most {most_bytes:,} "
                "are read."
            )
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} cannot be read: {why}.") from error


def read_json(path: Path, most_bytes: int = MOST_TEXT_BYTES) -> dict[str, Any]:
    """The JSON object of a file that anyone may have written.

    Raises:
        DataError: As of `read_text`, or it is not a JSON object, or is nested too deep.
    """
    text = read_text(path, most_bytes)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    except RecursionError as error:
        raise DataError(f"{path} cannot be read: its JSON is nested too deep.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} does not hold a JSON object.")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either the old or the new one, never a part. Numbers that JSON
    cannot say become null; half a letter, as an odd file name may hold, is written escaped."""
    text = json.dumps(sayable(value), indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode(errors="backslashreplace"))


def sayable(value: Any) -> Any:
    """The value with null in place of NaN and infinity, which no JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: sayable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [sayable(inner) for inner in value]
    return value


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        DataError: The disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise cannot_write(path, error) from error


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cannot_write(path: Path, error: OSError) -> DataError:
    """What to say where a file of a run could not be written."""
    return DataError(f"Cannot write {path}: {error.strerror or error}. {_advice(error)}")


def is_full(error: BaseException | str) -> bool:
    """Whether an error, or what one said, means that the disk holds no more. Libraries that write
    for themselves say so in words alone."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return any(f"os error {number}" in str(error) for number in FULL) or any(
        os.strerror(number) in str(error) for number in FULL
    )


def _advice(error: OSError) -> str:
    return (
        "Free some space or choose another folder with --folder."
        if error.errno in FULL
        else "Check the permissions or choose another folder with --folder."
    )


@dataclass(frozen=True)
class RunFolder:
    """Where everything of one fit lies."""

    path: Path
    was_there: bool = False
    """As an empty folder, before the fit began."""

    @staticmethod
    def create(path: Path) -> RunFolder:
        """Make a new run folder.

        Raises:
            ConfigError: Something that is not an empty folder is there.
            DataError: It cannot be made or written.
        """
        there = os.path.exists(path)
        try:
            if there and (not path.is_dir() or any(path.iterdir())):
                on = f" Or go on with the run in it: tunesmith resume {path}"
                raise ConfigError(
                    f"{path} exists already and is not an empty folder. "
                    "Nothing was overwritten: choose another with --folder."
                    f"{on if (path / REQUEST).is_file() else ''}"
                )
            (path / "trials").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"Cannot make the run folder {path}: {error.strerror}. {_advice(error)}"
            ) from error
        made = RunFolder(path, there)
        try:
            write_json(path / MARK, {"format": 1})
        except DataError:
            made.remove()
            raise
        return made

    @staticmethod
    def open(path: Path) -> RunFolder:
        """A run folder that is there.

        Raises:
            DataError: It is none.
        """
        found = RunFolder(path, was_there=True)
        if not os.path.exists(path):
            raise DataError(f"There is no run folder {path}.")
        if not found.is_one():
            raise DataError(
                f"{path} is not a run folder: {MARK} is missing. Give the folder that "
                "`tunesmith fit` printed."
            )
        return found

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run: one process at a time works in it. Let go by the system when the process
        ends, however it ends.

        Raises:
            ConfigError: Another process holds it.
        """
        try:
            opened = (self.path / LOCK).open("ab")
        except OSError as error:
            raise cannot_write(self.path / LOCK, error) from error
        with opened as file:
            if not _lock(file):
                raise ConfigError(
                    f"Another process is at work in {self.path}. Watch it with: "
                    f"tunesmith watch {self.path}"
                )
            yield

    def is_held(self) -> bool:
        """Whether a process is at work in it."""
        try:
            with (self.path / LOCK).open("rb+") as file:
                return not _lock(file)
        except OSError:
            return False

    def remove(self) -> None:
        """Leave the place as it was before the fit."""
        if not self.was_there:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        for inner in self.path.iterdir():
            if inner.is_dir():
                shutil.rmtree(inner, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    inner.unlink()

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def best(self) -> Path:
        return self.path / "best"

    def trial(self, number: int) -> Path:
        return self.path / "trials" / f"{number:04d}"

    def is_one(self) -> bool:
        return (self.path / MARK).is_file()


def _lock(file: IO[bytes]) -> bool:
    """Whether this process has the file to itself now, until it is closed."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some file systems of networks know no locks: then nobody is known to be at work.
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    return True


def replace_folder(new: Path, place: Path) -> None:
    """Put a finished folder in place of another; `recover_folder` finds it at every moment."""
    old = place.with_name(f".{place.name}.old")
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(place: Path) -> Path:
    """The folder at `place`, or the one set aside if a crash came between two renames."""
    old = place.with_name(f".{place.name}.old")
    return old if not os.path.exists(place) and os.path.exists(old) else place
