"""Excel workbooks: the first sheet, or the one named after a #."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import DataError, did_you_mean, need
from tunesmith.core.records import BadCell
from tunesmith.data.readers._bytes import ending, fetch
from tunesmith.data.readers._shelf import readers
from tunesmith.data.readers._table import plain, table

FAULTS = ("#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")


@readers.add("excel")
class Excel(Reader):
    """The first row holds the names; formulas give the value last computed."""

    def claims(self, source: object) -> bool:
        return ending(source) in (".xlsx", ".xlsm", ".xls")

    def read(self, source: str | Path) -> RawTable:
        path, sheet = _split(str(source))
        rows = _sheet_rows(fetch(path), path, sheet)
        if not rows:
            raise DataError(f"{source} is empty: no header and no rows.")
        return _gather(rows, str(source))


def _split(source: str) -> tuple[str, str]:
    found = re.fullmatch(r"(?is)(.*\.xls[xm]?)#(.*)", source)
    return (found[1], found[2]) if found else (source, "")


def _sheet_rows(data: bytes, path: str, sheet: str) -> list[tuple[int, list[Any]]]:
    """Row number and cells of every row that holds anything."""
    openpyxl = need("openpyxl", extra="excel")
    faults = (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError, ParseError, zlib.error)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        names = [page.title for page in book.worksheets]
        if (sheet and sheet not in names) or not names:
            raise DataError(f"{path} has no sheet {sheet!r}.{did_you_mean(sheet, names)}")
        page = book[sheet] if sheet else book.worksheets[0]
        page.reset_dimensions()
        rows = [[plain(cell) for cell in row] for row in page.iter_rows(values_only=True)]
    except faults as error:
        old = " Old .xls files: save them as .xlsx." if data.startswith(b"\xd0\xcf\x11\xe0") else ""
        raise DataError(
            f"{path} is not a whole Excel workbook ({error}).{old} Save it again as .xlsx."
        ) from error
    return [
        (n, row) for n, row in enumerate(rows, start=1) if any(cell is not None for cell in row)
    ]


def _gather(rows: Sequence[tuple[int, list[Any]]], source: str) -> RawTable:
    names = ["" if cell is None else str(cell).strip() for cell in rows[0][1]]
    while names and not names[-1]:
        names.pop()
    kept: list[list[Any]] = []
    lines: list[int] = []
    bad: list[BadCell] = []
    for line, row in rows[1:]:
        beyond = [cell for cell in row[len(names) :] if cell is not None]
        if beyond:
            got = f"{len(names) + len(beyond)} cells"
            bad.append(BadCell(line, "", got, f"{len(names)} cells"))
            continue
        cells = row[: len(names)] + [None] * (len(names) - len(row))
        for place, cell in enumerate(cells):
            if cell in FAULTS:
                bad.append(BadCell(line, names[place], str(cell), "a value"))
            if cell in FAULTS or cell == "#N/A":
                cells[place] = None
        kept.append(cells)
        lines.append(line)
    columns = list(zip(*kept, strict=True)) if kept else [()] * len(names)
    return table(source, names, columns, lines=lines, bad=bad)
