"""Debian packages as carriers of data: apt brings one, its files are unpacked, nothing is installed
and nobody need be root. What is kept is sealed as what comes from wheels."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.clock import Clock
from tunesmith.core.errors import WeightsError
from tunesmith.data import wheels

DOWNLOAD = (
    *("apt-get", "download", "--quiet"),
    *("-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20"),
)
UNPACK = ("dpkg-deb", "--extract")


def has_apt() -> bool:
    """Whether this machine can fetch and unpack such packages."""
    return all(shutil.which(command) for command in (DOWNLOAD[0], UNPACK[0]))


def unpacked(
    name: str,
    *,
    inside: str,
    sha256: Mapping[str, str],
    timeout_seconds: float,
    offline: bool,
    at: Path | None = None,
) -> Path:
    """The folder with those files that the package has in the folder `inside`, by name and the hash
    that they must have, below `at` (default: `wheels.cache()`). Already unpacked, it opens no
    socket and starts no process.

    Raises:
        WeightsError: They cannot be had, or are not what was asked for.
    """
    folder = (at or wheels.cache()) / "debian" / name
    origin = f"debian:{name} {inside}"
    if wheels.is_sealed(folder, origin, sha256):
        return folder
    if wheels.is_offline(offline):
        raise WeightsError(f"{name} is not in {folder}, and no socket may be opened.")
    if not has_apt():
        raise WeightsError(f"{name} is a package of Debian, and there is no apt-get here.")
    clock = Clock(timeout_seconds)
    with wheels.beside(folder) as workshop:
        tree, new = workshop / "tree", workshop / "new"
        wheels.run([*DOWNLOAD, name], name, clock.left(), at=workshop)
        (package,) = workshop.glob("*.deb")
        wheels.run([*UNPACK, str(package), str(tree)], name, clock.left())
        new.mkdir()
        for file in sha256:
            place = tree / inside / file
            if place.is_file() and not place.is_symlink():
                place.rename(new / file)
        wheels.put(new, folder, origin, sha256)
    return folder
