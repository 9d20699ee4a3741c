"""Conditions that rows may meet, named in words, made of what is known of the rows alone: no error
has a say in them, so that half of the rows can find what the other half proves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.printable import printable
from tunesmith.evaluate.properties import KIND, LANGUAGE, VALUE, Property, gone, mentions

BINS = 10
"""Equally full ranges of a number; up to `WIDEST` of them that lie side by side are a condition."""
WIDEST = 3
FEW_VALUES = 8
"""Different numbers up to which each is a condition of its own."""
MOST_LEVELS = 40
MOST_WORDS = 3_000
MOST_SHOWN = 40
"""Letters of a level or a word that a name shows."""
TEXTS, PICTURES, MENTION = "texts", "pictures", "mention"
LENGTHS = ("words", "letters")
SIZES = ("width", "height")


@dataclass(frozen=True)
class Condition:
    """What rows are asked: whose (`subject`: a column, texts, pictures), and which of them
    (`clause`). `family` is the same for conditions that say the same sort of thing of a column:
    two of a family are never joined."""

    subject: str
    clause: str
    column: str
    family: str

    @property
    def words(self) -> str:
        return f"{self.subject} {self.clause}"


def named(conditions: Iterable[Condition]) -> str:
    """Some conditions as one name: "texts of up to 11 words that mention 'size'"."""
    by_subject: dict[str, list[str]] = {}
    for one in sorted(conditions, key=lambda one: (one.subject, _order(one), one.clause)):
        by_subject.setdefault(one.subject, []).append(one.clause)
    told: list[str] = []
    for subject, clauses in by_subject.items():
        that = [one.removeprefix("that ") for one in clauses if one.startswith("that ")]
        plain = " ".join(one for one in clauses if not one.startswith("that "))
        end = f"that {' and '.join(that)}" if that else ""
        told.append(" ".join(part for part in (subject, plain, end) if part))
    return " and ".join(told)


def _order(one: Condition) -> int:
    return {"of": 0, "in": 1}.get(one.clause.partition(" ")[0], 2)


@dataclass(frozen=True)
class Conditions:
    """All conditions, and which row meets which, shape (rows, conditions)."""

    each: tuple[Condition, ...]
    masks: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.each)

    def take(self, places: NDArray[np.int64]) -> Conditions:
        return Conditions(tuple(self.each[place] for place in places), self.masks[:, places])


Found = tuple[Condition, NDArray[np.bool_]]


def conditions(found: Sequence[Property], rows: int, fewest: int) -> Conditions:
    """Every condition that at least `fewest` of the rows meet, and at least as many do not."""
    texts = {one.column for one in found if one.about == "words"}
    pictures = {one.column for one in found if one.about == "brightness"}
    each: list[Condition] = []
    masks: list[NDArray[np.bool_]] = []
    seen: set[bytes] = set()
    for one in found:
        subject = _subject(one.column, texts, pictures)
        for condition, mask in _of(one, subject, fewest, one.column in texts | pictures):
            count = int(mask.sum())
            known = np.packbits(mask).tobytes()
            if fewest <= count <= rows - fewest and known not in seen:
                seen.add(known)
                each.append(condition)
                masks.append(mask)
    empty = np.zeros((rows, 0), dtype=bool)
    return Conditions(tuple(each), np.stack(masks, axis=1) if masks else empty)


def _subject(column: str, texts: set[str], pictures: set[str]) -> str:
    for group, word in ((texts, TEXTS), (pictures, PICTURES)):
        if column in group:
            return word if len(group) == 1 else f"{word} in {_shown(column)}"
    return printable(column, MOST_SHOWN)


def _of(one: Property, subject: str, fewest: int, is_content: bool) -> Iterator[Found]:
    missing = one.missing()
    if one.about == VALUE:
        yield (
            Condition(subject, "that are missing" if is_content else "is missing", one.column, ""),
            (missing),
        )
    if one.values.dtype.kind == "M":
        yield from _of_dates(one, subject, missing)
    elif one.is_number:
        yield from _of_numbers(one, subject, missing)
    elif is_content and one.about == VALUE:
        yield from _of_words(one, subject, fewest)
    else:
        yield from _of_levels(one, subject)


def _of_levels(one: Property, subject: str) -> Iterator[Found]:
    known = [value for value in one.values if value is not None]
    levels, places = np.unique(np.array(known, dtype=str), return_inverse=True)
    counts = np.bincount(places, minlength=len(levels)) if len(levels) else np.empty(0)
    there = np.flatnonzero(~gone(one.values))
    for code in np.argsort(-counts, kind="stable")[:MOST_LEVELS]:
        mask = np.zeros(len(one.values), dtype=bool)
        mask[there[places == code]] = True
        level = str(levels[code])
        if one.about == LANGUAGE:
            clause = f"in the language {level!r}"
        elif one.about == KIND:
            clause = f"of kind {level}"
        elif one.about == VALUE:
            clause = f"is {_level(level)}"
        else:
            clause = f"is a {level}"
        yield Condition(subject, clause, one.column, one.about), mask


def _of_words(one: Property, subject: str, fewest: int) -> Iterator[Found]:
    if all(value in (None, "there") for value in one.values):
        return  # a column of pictures
    words, masks = mentions(one.values, fewest, MOST_WORDS)
    for word, mask in zip(words, masks.T, strict=True):
        yield (
            Condition(subject, f"that mention {_shown(word)}", one.column, f"{MENTION} {word}"),
            mask,
        )


def _of_numbers(one: Property, subject: str, missing: NDArray[np.bool_]) -> Iterator[Found]:
    values = one.values
    known = values[~missing]
    if not len(known):
        return
    family = {**dict.fromkeys(LENGTHS, "length"), **dict.fromkeys(SIZES, "size")}
    same = family.get(one.about, one.about)
    if one.about in ("digits", "question marks", "exclamation marks"):
        with_some = np.zeros(len(values), dtype=bool)
        with_some[~missing] = known > 0
        yield Condition(subject, f"that have {one.about}", one.column, same), with_some
        yield (
            Condition(subject, f"that have no {one.about}", one.column, same),
            ~with_some & ~missing,
        )
        return
    for low, high, mask in _ranges(values, known):
        clause = _clause(one.about, low, high, float(known.min()), float(known.max()))
        yield Condition(subject, clause, one.column, same), mask


def _of_dates(one: Property, subject: str, missing: NDArray[np.bool_]) -> Iterator[Found]:
    known = one.values[~missing]
    if not len(known):
        return
    seconds = np.where(missing, np.nan, one.values.astype("datetime64[s]").astype(np.float64))
    for low, high, mask in _ranges(seconds, seconds[~missing]):
        first, last = (
            str(np.datetime64(int(end), "s").astype("datetime64[D]")) for end in (low, high)
        )
        clause = f"from {first} to {last}" if first != last else f"is {first}"
        yield Condition(subject, clause, one.column, VALUE), mask


def _ranges(
    values: NDArray[np.float64], known: NDArray[np.float64]
) -> Iterator[tuple[float, float, NDArray[np.bool_]]]:
    """Ranges of a number: least and largest value that lie in it, and which rows do."""
    distinct = np.unique(known)
    if len(distinct) <= FEW_VALUES:
        ends = distinct
    else:
        shares = np.arange(1, BINS + 1) / BINS
        ends = np.unique(np.quantile(known, shares, method="inverted_cdf"))
    starts = [distinct[0], *(distinct[np.searchsorted(distinct, ends[:-1], side="right")])]
    for first in range(len(ends)):
        for last in range(first, min(len(ends), first + WIDEST)):
            if last - first + 1 < len(ends):
                low, high = float(starts[first]), float(ends[last])
                yield low, high, (values >= low) & (values <= high)


UNITS = {
    "width": " pixels wide",
    "height": " pixels high",
    "words": " words",
    "letters": " letters",
}


def _clause(about: str, low: float, high: float, least: float, largest: float) -> str:
    if about in ("month", "hour"):
        return f"in {about} {_range(low, high)}"
    if about == VALUE:
        return f"is {_number(low)}" if low == high else _range(low, high)
    if low <= least:
        told = f"up to {_number(high)}"
    elif high >= largest:
        told = f"{_number(low)} or more"
    else:
        told = _range(low, high)
    return f"of {told}{UNITS[about]}" if about in UNITS else f"of {about} {told}"


def _range(low: float, high: float) -> str:
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if value == round(value) and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.4g}"


def _level(level: str) -> str:
    """A level as it stands, or in quotes where it would not read as one word."""
    shown = printable(level, MOST_SHOWN)
    return shown if shown and " " not in shown else f"'{shown}'"


def _shown(word: str) -> str:
    return f"'{printable(word, MOST_SHOWN)}'"


def joined(masks: NDArray[np.bool_], places: Sequence[int]) -> NDArray[np.bool_]:
    """Which rows meet all of some conditions, shape (rows,)."""
    found = masks[:, places[0]]
    for place in places[1:]:
        found = found & masks[:, place]
    return np.asarray(found)


def may_join(each: Sequence[Condition]) -> NDArray[np.bool_]:
    """Which two conditions say different sorts of things, shape (conditions, conditions)."""
    keys: dict[Any, int] = {}
    codes = np.array([keys.setdefault((one.column, one.family), len(keys)) for one in each])
    return np.asarray(codes[:, None] != codes[None, :])
