"""CSV and its kin: separated text, read with exact line numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import DataError
from tunesmith.core.records import BadCell
from tunesmith.data.readers._bytes import as_text, ending, fetch
from tunesmith.data.readers._separator import find_separator
from tunesmith.data.readers._shelf import readers
from tunesmith.data.readers._table import table

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data")
CELL_CHARACTERS = 1_000_000
ROWS_AT_ONCE = 1_000
"""Rows turned into columns together, few enough to lie in the processor's cache."""
UNNAMED = "Unnamed: 0"
"""What pandas calls the index column that it writes without a name."""


@readers.add("csv")
class CsvText(Reader):
    """One row a line, cells between commas, semicolons, tabs or bars, the first row the names."""

    def claims(self, source: object) -> bool:
        return ending(source) in ENDINGS

    def read(self, source: str | Path) -> RawTable:
        text = as_text(fetch(source), source)
        said = re.match(r"sep=([^\r\n])\r?\n", text)
        separator = said[1] if said else find_separator(text)
        with _cell_limit():
            rows = _rows(text, separator, str(source))
            if said:
                next(rows)
            line, names = _header(rows, str(source))
            return _gather(rows, line, names, str(source))


@contextmanager
def _cell_limit() -> Iterator[None]:
    """The limit of the csv module is one for the process: set it, and set it back."""
    before = csv.field_size_limit(CELL_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(text: str, separator: str, source: str) -> Iterator[tuple[int, list[str], str]]:
    """Line where a row starts, its cells, and what is wrong with it; blank lines left out."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        strict=True,
        skipinitialspace=_is_spaced(text, separator),
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _refuse_runaway(error, line, source)
            until = f" (it goes on to line {reader.line_num})" if reader.line_num > line else ""
            yield line, [], f"text after the closing quote of a cell{until}"
            continue
        if cells and (len(cells) > 1 or cells[0].strip()):
            yield line, cells, ""


def _is_spaced(text: str, separator: str) -> bool:
    """Whether a space follows every separator of the header, as in "a, b, c"."""
    after = text.lstrip().partition("\n")[0].split(separator)[1:]
    return bool(after) and all(cell.startswith(" ") for cell in after)


def _refuse_runaway(error: csv.Error, line: int, source: str) -> None:
    if "field larger" in str(error):
        raise DataError(
            f"{source}: a cell of the row that starts at line {line} is longer than "
            f"{CELL_CHARACTERS:,} characters. Probably a quote is opened there and never closed: "
            'close it, or write a quote inside a cell twice ("").'
        ) from error
    if "unexpected end" in str(error):
        raise DataError(
            f"{source}: a quote is opened in the row that starts at line {line} and never closed. "
            'Close it, or write a quote inside a cell twice ("").'
        ) from error


def _header(rows: Iterator[tuple[int, list[str], str]], source: str) -> tuple[int, list[str]]:
    line, cells, wrong = next(rows, (0, [], ""))
    if wrong:
        raise DataError(f"{source}, line {line}: the header has {wrong}.")
    if not cells:
        raise DataError(f"{source} holds blank lines only. Give a file with a header and rows.")
    names = [cell.strip() for cell in cells]
    if len(names) > 1 and not names[0] and UNNAMED not in names:
        names[0] = UNNAMED
    _refuse_numbers(names, line, source)
    return line, names


def _refuse_numbers(names: Sequence[str], line: int, source: str) -> None:
    """Numbers are no names, unless they count the columns, as pandas writes them."""
    given = [name for name in names if name != UNNAMED]
    if all(re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?", name) for name in given) and given != [
        str(place) for place in range(len(given))
    ]:
        raise DataError(
            f"{source}, line {line}: the header is missing; there are only numbers where column "
            f"names should be: {', '.join(given[:5])}. Put a line of column names above the data."
        )


def _gather(
    rows: Iterator[tuple[int, list[str], str]], header: int, names: list[str], source: str
) -> RawTable:
    """All rows as wide as the header; the others are told as bad."""
    columns: list[list[str]] = [[] for _ in names]
    kept: list[list[str]] = []
    lines: list[int] = []
    bad: list[BadCell] = []
    expected = f"{len(names)} cell{'s' if len(names) != 1 else ''}"
    for line, cells, wrong in rows:
        if wrong:
            bad.append(BadCell(line, "", wrong, f"{expected}, quotes closed"))
        elif len(cells) != len(names):
            bad.append(BadCell(line, "", f"{len(cells)} cell{'s' * (len(cells) != 1)}", expected))
        elif cells == names and len(names) > 1:
            bad.append(BadCell(line, "", "the header once more", "a row of data"))
        else:
            kept.append(cells)
            lines.append(line)
            if len(kept) == ROWS_AT_ONCE:
                _pour(kept, columns)
    _pour(kept, columns)
    if not lines and not bad:
        _refuse_no_rows(header, names, source)
    _refuse_data_as_names(header, names, columns, source)
    return table(source, names, columns, lines=lines, bad=bad)


def _pour(rows: list[list[str]], columns: Sequence[list[str]]) -> None:
    """Move the cells of some rows to the ends of their columns."""
    for column, cells in zip(columns, zip(*rows, strict=True), strict=bool(rows)):
        column.extend(cells)
    rows.clear()


def _refuse_no_rows(line: int, names: Sequence[str], source: str) -> NoReturn:
    raise DataError(
        f"{source} has a header at line {line} ({', '.join(names[:8])}) and no rows under it. "
        "Give at least a few rows of data."
    )


def _refuse_data_as_names(
    line: int, names: Sequence[str], columns: Sequence[Sequence[str]], source: str
) -> None:
    """Where most names also stand as cells under themselves, the header is a row of data."""
    cells = [name for name, column in zip(names, columns, strict=True) if name in column]
    if len(cells) >= max(2, len(names) / 2):
        raise DataError(
            f"{source}, line {line}: the header is missing; {len(cells)} of its {len(names)} names "
            f"are cells of their own columns further down, such as {cells[0]!r}. Put a line of "
            "column names above the data."
        )
