"""What each column holds, and why: from raw cells to a dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import RawTable
from tunesmith.core.errors import ConfigError, DataError, did_you_mean
from tunesmith.core.records import KINDS, BadCell, Column, Dataset, Kind
from tunesmith.data.cells import CODE, MISSING, TARGET_MISSING, Cells, same, written
from tunesmith.data.pictures import cell_of
from tunesmith.data.readers._table import objects
from tunesmith.data.rules import RULES

SHOWN = 5
LONGEST_SHOWN = 80
EXPECTED: Mapping[Kind, str] = {"number": "a number", "date": "a date"}


def infer(
    raw: RawTable,
    kinds: Mapping[str, Kind] | None = None,
    like: Sequence[Column] | None = None,
    target: str | None = None,
) -> Dataset:
    """Give every column a kind and its cells the type of that kind.

    A column takes the kind that `kinds` says, else that of the column of its name in `like`, else,
    as the target, number or category, else the first rule that holds; where `like` is given, other
    columns are left out. Cells that do not fit their kind become missing and stand in `bad` of the
    dataset.

    Raises:
        ConfigError: `kinds` names a column or kind that there is not.
        DataError: A column of numbers holds infinite ones, or one of `like` is not there.
    """
    refuse_lacking(raw.source, raw.names, like or (), target)
    kinds = dict(kinds or {})
    _check_kinds(kinds, raw)
    before = {column.name: column for column in like or ()}
    columns: list[Column] = []
    typed: dict[str, NDArray[Any]] = {}
    bad = list(raw.bad)
    for name in raw.names:
        if like and name not in before and name not in kinds and name != target:
            continue
        cells = _cells(raw, name, before.get(name), is_target=name == target)
        known = before.get(name) or _told(raw, name)
        column = _column(cells, kinds.get(name), known, is_target=name == target)
        is_imposed = name in before and name not in kinds
        if column.kind == "number" and not is_imposed:
            _refuse_infinite(cells, raw.source)
        columns.append(column)
        typed[name] = _typed(cells, column.kind, is_target=name == target)
        bad += _misfits(cells, column.kind, typed[name])
    return Dataset(raw.source, tuple(columns), typed, raw.lines, tuple(bad))


def refuse_lacking(
    source: str, names: Sequence[str], like: Sequence[Column], target: str | None
) -> None:
    """Refuse rows without a column of the model they are for.

    Raises:
        DataError: Names those that are lacking, and all that are there.
    """
    gone = [column.name for column in like if column.name not in names]
    if gone:
        raise DataError(
            f"{source} lacks {', '.join(map(repr, gone))}, which this model "
            f"{'is scored by' if gone == [target] else 'was trained on'}. It has: "
            f"{', '.join(map(repr, names))}. A cell may be empty, a column may not be absent."
        )


def labels(values: NDArray[Any]) -> NDArray[np.object_]:
    """Target cells as text, shape (rows,): "1" for 1.0, None for NaN; text as it is."""
    return objects(written(float(v)) if isinstance(v, float) else v for v in values)


def _check_kinds(kinds: Mapping[str, Kind], raw: RawTable) -> None:
    for name, kind in kinds.items():
        if name not in raw.names:
            raise ConfigError(
                f"A kind is given for column {name!r}, which {raw.source} does not have."
                f"{did_you_mean(name, raw.names)}"
            )
        if kind not in KINDS:
            raise ConfigError(
                f"Column {name!r} cannot be of kind {kind!r}.{did_you_mean(str(kind), KINDS)}"
            )


def _cells(raw: RawTable, name: str, before: Column | None, *, is_target: bool) -> Cells:
    # A date column says in its reason how it is written, so that new rows are read the same way:
    # 03/04 alone does not tell the day from the month.
    found = re.search(r"written as '([^']+)'", before.reason) if before else None
    missing = TARGET_MISSING if is_target else MISSING
    return Cells(name, raw.cells[name], raw.lines, missing, found[1] if found else "")


def _column(cells: Cells, given: Kind | None, before: Column | None, *, is_target: bool) -> Column:
    if given is not None:
        return Column(cells.name, given, _reason_given(cells, given))
    if before is not None:
        return before
    if is_target:
        return _target_column(cells)
    kind, reason = next((k, why) for k, rule in RULES if (why := rule(cells)))
    return Column(cells.name, kind, reason)


def _told(raw: RawTable, name: str) -> Column | None:
    """A column whose kind the source itself tells."""
    kind = raw.kinds.get(name)
    return None if kind is None else Column(name, kind, f"told by the form of {raw.source}")


def _reason_given(cells: Cells, kind: Kind) -> str:
    fits: Mapping[Kind, Callable[[], Any]] = {
        "number": lambda: np.isfinite(cells.numbers) | np.isinf(cells.numbers),
        "date": lambda: ~np.isnat(cells.dates),
    }
    if kind in fits and cells.present and not fits[kind]().any():
        raise ConfigError(
            f"Column {cells.name!r} cannot be of kind {kind!r}: none of its {cells.present:,} "
            f"cells is {EXPECTED[kind]} (the first is {_short(next(iter(cells.counts)))!r}). "
            "Give it another kind, or none."
        )
    how = f", dates written as '{cells.format}'" if kind == "date" and cells.format else ""
    return f"set by the user{how}"


def _target_column(cells: Cells) -> Column:
    """Number where every cell is one, else category with the cells' own text."""
    is_number = ~np.isnan(cells.numbers)
    if not cells.is_native and any(map(CODE.match, cells.counts)):
        is_number[:] = False  # 01 is a code: as a number it would be the same as 1
    of = f"{cells.present:,} cells"
    if cells.present and is_number.sum() == cells.present:
        return Column(cells.name, "number", f"the target: all {of} are numbers")
    finite = int((is_number & np.isfinite(cells.numbers)).sum())
    if not finite:
        distinct = len(cells.counts)
        return Column(cells.name, "category", f"the target: {of}, {distinct:,} distinct labels")
    other = next(i for i, w in enumerate(cells.words) if w and not np.isfinite(cells.numbers[i]))
    return Column(
        cells.name,
        "category",
        f"mixed: {finite} of {cells.present} cells are numbers, {cells.present - finite} are not "
        f"(first other: {_short(cells.words[other])!r} at line {cells.lines[other]})",
    )


def _refuse_infinite(cells: Cells, source: str) -> None:
    rows = np.flatnonzero(np.isinf(cells.numbers))
    if len(rows):
        shown = ", ".join(f"line {cells.lines[r]} ({_short(cells.words[r])})" for r in rows[:SHOWN])
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        raise DataError(
            f"{source}: column {cells.name!r} holds {len(rows):,} infinite "
            f"number{'s' * (len(rows) != 1)}: {shown}{more}. "
            "A model cannot learn from infinity: replace them with a finite number, leave the "
            "cells empty, or remove the rows."
        )


def _typed(cells: Cells, kind: Kind, *, is_target: bool) -> NDArray[Any]:
    """The cells of a column as `Dataset` documents them, shape (rows,). A category that is the
    target keeps the words of its source."""
    if kind == "number":
        return np.where(np.isfinite(cells.numbers), cells.numbers, np.nan)
    if kind == "date":
        return cells.dates
    if kind == "text":
        return objects(text if text and text.strip() else None for text in cells.texts)
    if kind == "image":
        return objects(None if word is None else cell_of(word) for word in cells.words)
    if is_target:
        return objects(cells.words)
    return objects(None if word is None else same(word) for word in cells.words)


def _misfits(cells: Cells, kind: Kind, typed: NDArray[Any]) -> list[BadCell]:
    """The cells that are not missing in the source but became so."""
    if kind not in EXPECTED:
        return []
    gone = np.isnan(typed) if kind == "number" else np.isnat(typed)
    if cells.is_native:
        gone &= ~np.isnan(cells.raw)
    if not gone.any():
        return []
    return [
        BadCell(int(cells.lines[row]), cells.name, _short(cells.words[row]), EXPECTED[kind])
        for row in np.flatnonzero(gone)
        if cells.words[row] is not None
    ]


def _short(word: str | None) -> str:
    whole = word or ""
    return whole if len(whole) <= LONGEST_SHOWN else whole[:LONGEST_SHOWN] + "…"
