"""JSON lines, or one JSON list of objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunesmith.core.contracts import RawTable, Reader
from tunesmith.core.errors import DataError
from tunesmith.core.records import BadCell
from tunesmith.data.readers._bytes import as_text, ending, fetch
from tunesmith.data.readers._shelf import readers
from tunesmith.data.readers._table import records_table

ENDINGS = (".jsonl", ".ndjson", ".json")
EXPECTED = 'one JSON object, such as {"text": "…", "label": "…"}'


@readers.add("jsonl")
class JsonLines(Reader):
    """One object a line; keys are columns, nested values stay JSON text."""

    def claims(self, source: object) -> bool:
        return ending(source) in ENDINGS

    def read(self, source: str | Path) -> RawTable:
        text = as_text(fetch(source), source)
        if ending(source) == ".json" and not _is_object_a_line(text):
            return _read_list(text, str(source))
        return _read_lines(text, str(source))


def _is_object_a_line(text: str) -> bool:
    first = text.lstrip().partition("\n")[0].strip()
    return first.startswith("{") and first.endswith("}")


def _read_lines(text: str, source: str) -> RawTable:
    records: list[dict[str, Any]] = []
    lines: list[int] = []
    bad: list[BadCell] = []
    for line, piece in enumerate(text.split("\n"), start=1):
        if not piece.strip():
            continue
        try:
            value = json.loads(piece)
        except (ValueError, RecursionError) as error:
            bad.append(BadCell(line, "", f"no JSON ({error})", EXPECTED))
            continue
        if isinstance(value, dict):
            records.append(value)
            lines.append(line)
        else:
            bad.append(BadCell(line, "", f"a {type(value).__name__}", EXPECTED))
    if not records:
        told = f"; line {bad[0].line} holds {bad[0].got}" if bad else ""
        raise DataError(f"{source} has no rows{told}. Expected on each line: {EXPECTED}.")
    return records_table(source, records, lines=lines, bad=bad)


def _read_list(text: str, source: str) -> RawTable:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is not JSON: {error}. Expected: a list of objects.") from error
    rows = value if isinstance(value, list) else [value]
    bad = [
        BadCell(place, "", f"a {type(row).__name__}", EXPECTED)
        for place, row in enumerate(rows, start=1)
        if not isinstance(row, dict)
    ]
    kept = [(place, row) for place, row in enumerate(rows, start=1) if isinstance(row, dict)]
    if not kept:
        raise DataError(f"{source} has no rows. Expected: a list of JSON objects, one for a row.")
    lines = [place for place, _ in kept]
    return records_table(source, [row for _, row in kept], lines=lines, bad=bad)
