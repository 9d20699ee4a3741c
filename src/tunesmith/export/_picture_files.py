"""How a script finds the pictures: files below a folder, or paths in a column of a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.core.records import Dataset

if TYPE_CHECKING:
    import pandas as pd

IMAGE, LABEL, SPLIT = "image", "label", "split"
ENDINGS = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
READ = '''\
def read(path: str) -> pd.DataFrame:
    """The pictures below a folder, by name{about}."""
    root = Path(path).absolute()
    files = [file for file in root.rglob("*") if file.suffix.lower() in ENDINGS]
    names = sorted(file.relative_to(root).parts for file in files)
    names = [name for name in names if "/".join(name) not in LEFT_OUT]
    table = pd.DataFrame({{IMAGE: [str(root.joinpath(*name)) for name in names]}})
{columns}    return table
'''
PLACED = '''\
def placed(table: pd.DataFrame, path: str) -> pd.DataFrame:
    """The table with the places of its pictures, which begin at its own folder."""
    folder = Path(path).absolute().parent
    cells = table[IMAGE].astype("string").fillna("").str.strip()
    cells = ["" if cell in LEFT_OUT else cell for cell in cells]
    return table.assign(**{IMAGE: [str(folder / cell) if cell else "" for cell in cells]})
'''


@dataclass(frozen=True)
class Folder:
    """A folder of pictures: how many folders lie around that of the class, -1 where there are no
    classes, whether the innermost of them is the split, and which files are not read."""

    source: str
    around: int
    has_split: bool
    left_out: tuple[str, ...]

    @staticmethod
    def of(source: str, data: Dataset) -> Folder:
        """As the run read it.

        Raises:
            DataError: A script would find other files.
        """
        root = Path(os.path.abspath(source))
        read = [Path(cell).relative_to(root).parts for cell in data.values(IMAGE)]
        there = _names(root)
        left_out = tuple("/".join(name) for name in sorted(set(there) - set(read)))
        if [name for name in there if "/".join(name) not in left_out] != read:
            raise DataError(
                f"No script can be written that reads {source}: it holds pictures without an "
                f"ending such as {ENDINGS[5]}. Rename them and fit again."
            )
        has_split = SPLIT in data.names
        if LABEL not in data.names:
            return Folder(source, -1, has_split, left_out)
        labels = data.values(LABEL).tolist()
        for around in range(min(map(len, read)) - 1):
            if [name[around] for name in read] == labels:
                return Folder(source, around, has_split, left_out)
        raise DataError(
            f"No script can be written that reads {source}: its pictures do not lie equally deep. "
            "Put each into the folder of its class and fit again."
        )

    def table(self) -> pd.DataFrame:
        """What a script will read."""
        import pandas as pd

        root = Path(os.path.abspath(self.source))
        names = [name for name in _names(root) if "/".join(name) not in self.left_out]
        table = pd.DataFrame({IMAGE: [str(root.joinpath(*name)) for name in names]})
        if self.around >= 0:
            table[LABEL] = [name[self.around] for name in names]
        if self.has_split:
            table[SPLIT] = [name[self.around - 1] for name in names]
        return table

    def code(self) -> str:
        """The function `read(path)`."""
        lines = ""
        if self.around >= 0:
            lines += f'    table["{LABEL}"] = [name[{self.around}] for name in names]\n'
        if self.has_split:
            lines += f'    table["{SPLIT}"] = [name[{self.around - 1}] for name in names]\n'
        about = "; a folder of them is a class" if self.around >= 0 else ""
        return READ.format(about=about, columns=lines)


def _names(root: Path) -> list[tuple[str, ...]]:
    files = [file for file in root.rglob("*") if file.suffix.lower() in ENDINGS]
    return sorted(file.relative_to(root).parts for file in files)


def unused(cells: Sequence[object], known: Sequence[str | None]) -> list[str]:
    """Cells of a column of a table that were no picture to the run."""
    pairs = zip(cells, known, strict=True)
    return sorted({str(cell).strip() for cell, place in pairs if place is None and cell == cell})
