"""Pictures in a folder of class folders, or in a zip or tar archive of one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import DataError
from tunesmith.core.records import BadCell
from tunesmith.data.archives import ARCHIVE, open_archive
from tunesmith.data.pictures import ENDINGS, format_of
from tunesmith.data.readers._bytes import is_url
from tunesmith.data.readers._shelf import readers
from tunesmith.data.readers._table import table

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
EXPECTED = "a picture"
PASSED_OVER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
MOST_LOOKED_AT = 20_000
"""Files of a folder that are looked at to tell whether it holds pictures."""


@dataclass(frozen=True)
class _File:
    """A file below the source; `trouble` says why it is not a picture to be read."""

    parts: tuple[str, ...]
    cell: str
    trouble: str = ""


@readers.add("folder")
class Folder(Reader):
    """Columns `image`, `label` (the class folder) and `split`, where the folders on top are train,
    valid and test. Without class folders `image` alone. Lines count the files, sorted by name;
    what is no picture, and links that lead out of the folder, are left out and stand in `bad`."""

    def claims(self, source: object) -> bool:
        if not isinstance(source, str | Path) or is_url(source) or "\0" in str(source):
            return False
        if os.path.isdir(source):
            return _holds_pictures(str(source))
        return ARCHIVE.search(str(source)) is not None and os.path.isfile(source)

    def read(self, source: str | Path) -> RawTable:
        place = os.path.abspath(source)
        found = _in_folder(place) if os.path.isdir(place) else _in_archive(place)
        files = list(enumerate(sorted(found, key=lambda one: one.parts), start=1))
        bad = [
            BadCell(line, "image", f"{'/'.join(file.parts)}: {file.trouble}", EXPECTED)
            for line, file in files
            if file.trouble
        ]
        kept = [(line, file) for line, file in files if not file.trouble]
        if not kept:
            told = f" {bad[0].got} (and {len(bad) - 1:,} more)." if bad else ""
            raise DataError(
                f"{source} holds no pictures.{told} Give a folder, zip or tar of JPEG, PNG, WebP, "
                "GIF, BMP or TIFF files, in one folder for each class."
            )
        splits, labels = _layout([file.parts for _, file in kept])
        columns: dict[str, Sequence[str | None]] = {"image": [file.cell for _, file in kept]}
        if any(labels):
            columns["label"] = labels
        if splits:
            columns["split"] = splits
        return table(
            str(source),
            list(columns),
            list(columns.values()),
            lines=[line for line, _ in kept],
            bad=bad,
            kinds={name: "image" if name == "image" else "category" for name in columns},
        )


def _layout(
    names: Sequence[tuple[str, ...]],
) -> tuple[Sequence[Literal["train", "valid", "test"]], list[str | None]]:
    """The split of each picture, empty where there is none, and its class, from the folders in
    which it lies. One folder around everything else counts for nothing."""
    while all(len(parts) > 2 for parts in names) and len({parts[0] for parts in names}) == 1:
        names = [parts[1:] for parts in names]
    tops = {parts[0].lower() for parts in names if len(parts) > 1}
    has_classes = any(len(parts) > 2 for parts in names)
    is_split = has_classes and len(tops) > 1 and tops <= set(SPLITS)
    splits: list[Literal["train", "valid", "test"]] = []
    if is_split and all(len(parts) > 1 for parts in names):
        splits = [SPLITS[parts[0].lower()] for parts in names]  # type: ignore[misc]
        names = [parts[1:] for parts in names]
    return splits, [parts[0] if len(parts) > 1 else None for parts in names]


def _holds_pictures(folder: str) -> bool:
    seen = 0
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_passed_over(name)]
        if any(ENDINGS.search(name) for name in names if not _is_passed_over(name)):
            return True
        seen += len(names) + len(folders)
        if seen > MOST_LOOKED_AT:
            return False
    return False


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.lower() in PASSED_OVER


def _in_folder(root: str) -> Iterator[_File]:
    inside = os.path.realpath(root)
    for folder, below, names in os.walk(root):
        for name in [*below, *names]:
            path = os.path.join(folder, name)
            if _is_passed_over(name) or (name in below and not os.path.islink(path)):
                continue
            parts = tuple(os.path.relpath(path, root).split(os.sep))
            trouble = _trouble_of_file(path, inside)
            yield _File(parts, path, trouble)
        below[:] = [name for name in below if not _is_passed_over(name)]


def _trouble_of_file(path: str, inside: str) -> str:
    if os.path.islink(path):
        target = os.path.realpath(path)
        if os.path.commonpath([target, inside]) != inside:
            return "a link that leads out of the folder is not followed"
        if os.path.isdir(target):
            return "a link to a folder is not followed"
    return "" if ENDINGS.search(path) or _begins_as_picture(path) else "no picture by its name"


def _begins_as_picture(path: str) -> bool:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for ever
            return False
        with open(path, "rb") as file:
            return bool(format_of(file.read(16)))
    except OSError:
        return False


def _in_archive(path: str) -> Iterator[_File]:
    for name, member in open_archive(path).members.items():
        parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        if not parts or any(part != ".." and _is_passed_over(part) for part in parts):
            continue
        trouble = member.trouble or ("" if ENDINGS.search(name) else "no picture by its name")
        yield _File(parts, f"{path}!/{name}", trouble)
