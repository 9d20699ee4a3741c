"""Files that a command writes: checked before any work is done, and safe to open elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError
from tunesmith.core.printable import inert
from tunesmith.core.runfolder import cannot_write, write_bytes, write_json

if TYPE_CHECKING:
    import pandas as pd


def check_file(option: str, file: Path) -> None:
    """Raises:
    DataError: A file cannot be written there.
    """
    if os.path.isdir(file):
        raise DataError(f"{option} {file} is a folder. Give the name of a file in it.")
    if not os.path.isdir(file.absolute().parent):
        raise DataError(f"{option} {file}: there is no folder {file.parent}. Make it first.")
    if not os.access(file.absolute().parent, os.W_OK):
        raise DataError(f"{option} {file}: {file.parent} cannot be written. Choose another folder.")


def check_folder(option: str, folder: Path) -> None:
    """Raises:
    DataError: Files cannot be written there.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DataError(f"{option} {folder} is a file. Give a folder.")
    if not os.path.isdir(folder):
        check_file(option, folder)
    elif not os.access(folder, os.W_OK):
        raise DataError(f"{option} {folder} cannot be written. Choose another folder.")


def as_csv(frame: pd.DataFrame) -> str:
    """A data frame as CSV, in which no text is a formula."""
    safe = frame.rename(columns=inert)
    for name in safe.columns:
        safe[name] = [inert(_flat(cell)) for cell in safe[name]]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def write_table(file: Path, frame: pd.DataFrame) -> None:
    """A data frame as a CSV file."""
    write_bytes(file, as_csv(frame).encode())


def write_tables(folder: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Data frames as CSV files of their names, those with a row."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    for name, frame in frames.items():
        if len(frame):
            write_table(folder / f"{name}.csv", frame)


def write_facts(file: Path, facts: Mapping[str, Any]) -> None:
    """Facts as JSON."""
    write_json(file, facts)


def _flat(cell: Any) -> Any:
    return " ".join(map(str, cell)) if isinstance(cell, tuple | list) else cell
