"""The cells of one raw column, looked at as text, as numbers and as dates."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Rows
from tunesmith.data.dates import best_format, parse_dates
from tunesmith.data.readers._table import EXACT

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None", "NULL", "?", "-"})
TARGET_MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None"})


CODE = re.compile(r"[+-]?0[0-9]")
"""How a number never begins, but a code may: with a zero that counts nothing."""


def written(value: Any) -> str | None:
    """A cell as the source would write it: "1" for 1.0, "True" for True, None for NaN."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def same(word: str) -> str:
    """One spelling for what means the same: "1" for "1.0", "True" for "TRUE"; "01" is a code, not a
    number."""
    if word.casefold() in ("true", "false"):
        return word.capitalize()
    value = number(word) if "." in word and not CODE.match(word) else math.nan
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else word


def number(word: str | None) -> float:
    """The number a word stands for; NaN where it is none, infinite where it is too large."""
    if word is None or "_" in word:
        return math.nan
    try:
        return float(word)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class Cells:
    """One column as it came. `raw` has shape (rows,): objects, or floats with NaN where a cell is
    missing; `missing` are the words for a missing cell;
    `date_format` reads dates as an earlier column of this name was read, empty to find it out."""

    name: str
    raw: NDArray[Any]
    lines: Rows
    missing: frozenset[str] = MISSING
    date_format: str = ""

    @cached_property
    def texts(self) -> list[str | None]:
        """Each cell as text."""
        return [value if type(value) is str else written(value) for value in self.raw.tolist()]

    @property
    def is_native(self) -> bool:
        """Whether the source itself has this column as numbers."""
        return self.raw.dtype.kind == "f"

    @cached_property
    def words(self) -> list[str | None]:
        """Each cell as text without the spaces around it, None where it is missing."""
        if self.types == {str} and None not in self.texts:
            stripped = list(map(str.strip, cast(list[str], self.texts)))
        else:
            stripped = ["" if text is None else text.strip() for text in self.texts]
        gone = self.missing | {""}
        if gone.isdisjoint(stripped):
            return cast(list[str | None], stripped)
        return [None if word in gone else word for word in stripped]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word stands; missing cells left out."""
        every = Counter(self.words)
        every.pop(None, None)
        return cast(Counter[str], every)

    @cached_property
    def plain(self) -> NDArray[np.float64] | None:
        """Each cell as a number, shape (rows,), where every one is the text of a number that a
        float holds; else None. It spares all work on words; most columns of large tables are so."""
        if self.is_native or not len(self.raw):
            return None
        listed = self.raw.tolist()
        try:
            found = np.fromiter(map(float, listed), dtype=np.float64, count=len(listed))
            has_other = "_" in "".join(listed)
        except (TypeError, ValueError):  # no text, or no number
            return None
        return None if has_other or not (np.abs(found) < EXACT).all() else found

    @cached_property
    def present(self) -> int:
        """Cells that are not missing."""
        if self.plain is not None:
            return len(self.plain)
        return int((~np.isnan(self.raw)).sum()) if self.is_native else self.counts.total()

    @cached_property
    def distinct(self) -> int:
        """Different words; of numbers alone, different numbers."""
        if self.plain is not None:
            return len(np.unique(self.plain))
        if not self.is_native:
            return len(self.counts)
        return len(np.unique(self.raw[~np.isnan(self.raw)]))

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """Each cell as a number, shape (rows,); NaN where it is none; infinities stay."""
        if self.plain is not None:
            return self.plain
        if self.is_native:
            return np.asarray(self.raw, dtype=np.float64)
        if self.holds(bool) or self.holds(datetime):
            return np.full(len(self.raw), np.nan)
        found = _all_numbers(self.words)
        if found is not None:
            return found
        known: dict[str | None, float] = {word: number(word) for word in self.counts}
        known[None] = math.nan
        return np.array(list(map(known.__getitem__, self.words)), dtype=np.float64)

    @cached_property
    def number_share(self) -> float:
        """Share of the present cells that are numbers, in [0, 1]."""
        return float((~np.isnan(self.numbers)).sum()) / max(1, self.present)

    @cached_property
    def format(self) -> str:
        """How most dates of this column are written; empty where its words are no dates."""
        return self.date_format or best_format(list(self.counts))

    @cached_property
    def dates(self) -> NDArray[np.datetime64]:
        """Each cell as datetime64[s], shape (rows,); NaT where it is no date."""
        if self.holds(datetime):
            moments = [v if isinstance(v, datetime) else None for v in self.raw]
            return np.array(list(map(_in_utc, moments)), dtype="datetime64[s]")
        known = parse_dates(list(self.counts), self.format)
        if self.date_format and sum(v is not None for v in known.values()) < len(known) / 2:
            # Most are not written as they were before: see whether there is one better way.
            other = parse_dates(list(self.counts), best_format(list(self.counts)))
            known = max(known, other, key=lambda found: sum(v is not None for v in found.values()))
        found = [
            value if isinstance(value, datetime) else known.get(word or "")
            for value, word in zip(self.raw, self.words, strict=True)
        ]
        return np.array([_in_utc(value) for value in found], dtype="datetime64[s]")

    @cached_property
    def types(self) -> set[type]:
        """The types of the cells that are not None or NaN."""
        if self.plain is not None:
            return {str}
        if self.is_native:
            return {float} if self.present else set()
        types = set(map(type, self.raw.tolist())) - {type(None)}
        if float in types and all(math.isnan(v) for v in self.raw if type(v) is float):
            types.remove(float)
        return types

    def holds(self, kind: type) -> bool:
        """Whether every cell that is not None or NaN is an object of a type, and there is one."""
        return bool(self.types) and all(issubclass(found, kind) for found in self.types)


def _all_numbers(words: Sequence[str | None]) -> NDArray[np.float64] | None:
    """What `number` says of each word, at once, where every word is a number; else None."""
    filled = ["nan" if word is None else word for word in words]
    if "_" in "".join(filled):
        return None
    try:
        return np.fromiter(map(float, filled), dtype=np.float64, count=len(filled))
    except ValueError:
        return None


def _in_utc(value: datetime | None) -> datetime | None:
    offset = value.utcoffset() if value is not None else None
    return value if value is None or offset is None else value.replace(tzinfo=None) - offset
