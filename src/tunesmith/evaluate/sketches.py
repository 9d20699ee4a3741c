"""What a property of rows looked like, in little space and without any text of a row: quantiles of
numbers and dates, counts of levels and of words."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.evaluate.properties import gone, words_of

FEWEST = 5
"""Rows that must have a level or a word for its name to be kept: rarer ones may name a person."""
MOST_LEVELS = 50
MOST_HASHES = 500
MOST_WORDS = 200
HASH_BYTES = 4
DIGITS = 6
Numbers = NDArray[np.float64]


def hashed(level: str) -> str:
    """A level that is too rare to be named, so that it is known again."""
    return hashlib.sha256(level.encode("utf-8", "surrogatepass")).hexdigest()[: 2 * HASH_BYTES]


@dataclass(frozen=True)
class NumberSketch:
    """Distinct numbers in order and how many rows have each; or numbers at equal steps of the
    sorted rows, each standing for as many. `rows` have a number, `missing` have none. Dates are
    seconds since 1970."""

    rows: int
    missing: int
    values: Numbers
    counts: Numbers
    is_exact: bool

    @staticmethod
    def of(values: NDArray[Any], points: int) -> NumberSketch:
        missing = gone(values)
        known = values[~missing]
        if known.dtype.kind == "M":
            known = known.astype("datetime64[s]").astype(np.int64)
        known = np.sort(known.astype(np.float64))
        distinct, counts = np.unique(known, return_counts=True)
        if len(distinct) <= points // 2:
            each = counts.astype(np.float64)
            return NumberSketch(len(known), int(missing.sum()), distinct, each, True)
        steps = np.quantile(known, (np.arange(points) + 0.5) / points, method="inverted_cdf")
        # The ends are kept too: they say what is outside of all that was seen.
        steps[0], steps[-1] = known[0], known[-1]
        shares = np.full(points, len(known) / points)
        return NumberSketch(len(known), int(missing.sum()), steps, shares, False)

    def at(self, values: Numbers) -> Numbers:
        """The share of rows that are at most so large, for each value."""
        below = np.concatenate([[0.0], np.cumsum(self.counts)])
        places = np.searchsorted(self.values, values, side="right")
        return np.asarray(below[places] / max(below[-1], 1.0))

    @property
    def room(self) -> float:
        """By how much `at` may be off."""
        return 0.0 if self.is_exact else 0.5 / len(self.values)

    def told(self) -> dict[str, Any]:
        found = {"rows": self.rows, "missing": self.missing, "values": _short(self.values)}
        return (
            {**found, "counts": [int(count) for count in self.counts]} if self.is_exact else found
        )

    @staticmethod
    def restore(told: Mapping[str, Any]) -> NumberSketch:
        values = np.array(told["values"], dtype=np.float64)
        rows, is_exact = int(told["rows"]), "counts" in told
        each = rows / len(values) if len(values) else 0.0
        counts = np.array(told["counts"]) * 1.0 if is_exact else np.full(len(values), each)
        if len(counts) != len(values):
            raise ValueError(f"{len(counts)} counts of {len(values)} values")
        return NumberSketch(rows, int(told["missing"]), values, counts, is_exact)


def _short(values: Numbers) -> list[float]:
    """Numbers with six digits; those of a whole number stay whole."""
    found = [
        float(value) if value == round(value) else float(f"{value:.{DIGITS}g}") for value in values
    ]
    return [
        int(value) if value == round(value) and abs(value) < 2**53 else value for value in found
    ]


@dataclass(frozen=True)
class LevelSketch:
    """Levels by count, the commonest first, those of at least five rows; `other` rows have a rarer
    one, whose hashes are kept where they are not too many (`is_whole`)."""

    rows: int
    missing: int
    levels: Mapping[str, int]
    other: int
    hashes: frozenset[str]
    is_whole: bool

    @staticmethod
    def of(values: NDArray[Any], hashes: int = MOST_HASHES) -> LevelSketch:
        counts = Counter(str(value) for value in values if value is not None)
        common = sorted(counts, key=lambda level: (-counts[level], level))
        named = [level for level in common if counts[level] >= FEWEST][:MOST_LEVELS]
        rest = [level for level in common if level not in set(named)]
        kept = rest if len(rest) <= hashes else []
        rows, other = counts.total(), sum(counts[level] for level in rest)
        return LevelSketch(
            rows,
            len(values) - rows,
            {level: counts[level] for level in named},
            other,
            frozenset(map(hashed, kept)),
            len(kept) == len(rest),
        )

    def is_new(self, level: str) -> bool:
        """Whether no row had this level; False where that is not known."""
        return self.is_whole and level not in self.levels and hashed(level) not in self.hashes

    def told(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "missing": self.missing,
            "levels": dict(self.levels),
            "other": self.other,
            "hashes": sorted(self.hashes),
            "whole": self.is_whole,
        }

    @staticmethod
    def restore(told: Mapping[str, Any]) -> LevelSketch:
        levels = {str(level): int(count) for level, count in told["levels"].items()}
        return LevelSketch(
            int(told["rows"]),
            int(told["missing"]),
            levels,
            int(told["other"]),
            frozenset(map(str, told["hashes"])),
            bool(told["whole"]),
        )


@dataclass(frozen=True)
class WordSketch:
    """In how many of the texts each of the commonest words is; any other is in at most `most_other`
    of them."""

    rows: int
    missing: int
    words: Mapping[str, int]
    most_other: int

    @staticmethod
    def of(values: NDArray[Any]) -> WordSketch:
        there = values[~gone(values)]
        counts = document_counts(there)
        common = sorted(counts, key=lambda word: (-counts[word], word))
        kept = {word: counts[word] for word in common[:MOST_WORDS] if counts[word] >= FEWEST}
        others = [counts[word] for word in common[len(kept) : len(kept) + 1]]
        return WordSketch(len(there), len(values) - len(there), kept, *(others or [0]))

    def told(self) -> dict[str, Any]:
        told = {"rows": self.rows, "missing": self.missing, "words": dict(self.words)}
        return {**told, "most_other": self.most_other}

    @staticmethod
    def restore(told: Mapping[str, Any]) -> WordSketch:
        words = {str(word): int(count) for word, count in told["words"].items()}
        most_other = int(told["most_other"])
        return WordSketch(int(told["rows"]), int(told["missing"]), words, most_other)


def document_counts(texts: NDArray[Any]) -> Counter[str]:
    """In how many texts each word is."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(set(words_of(text or "")))
    return found


Sketch = NumberSketch | LevelSketch | WordSketch
FORMS: Mapping[str, Any] = {
    "number": NumberSketch,
    "date": NumberSketch,
    "level": LevelSketch,
    "words": WordSketch,
}


def coded(values: NDArray[Any], sketch: Sketch) -> Numbers:
    """Values as numbers that a tree can split, shape (rows,): of numbers their rank in [0, 1000]
    among what was seen, of levels their place by count; NaN where missing.

    Raises:
        ValueError: Texts have no code of their own.
    """
    missing = gone(values)
    found = np.full(len(values), np.nan)
    if isinstance(sketch, NumberSketch):
        known = values[~missing]
        if known.dtype.kind == "M":
            known = known.astype("datetime64[s]").astype(np.int64)
        found[~missing] = np.round(1000 * sketch.at(known.astype(np.float64)))
        return found
    if isinstance(sketch, LevelSketch):
        places = {level: place for place, level in enumerate(sketch.levels)}
        found[~missing] = [places.get(str(value), len(places)) for value in values[~missing]]
        return found
    raise ValueError("texts have no code of their own")


def word_bits(values: NDArray[Any], words: Sequence[str]) -> Numbers:
    """Whether each text has each of some words, shape (rows, words)."""
    found = np.zeros((len(values), len(words)))
    places = {word: place for place, word in enumerate(words)}
    for row, text in enumerate(values):
        for word in set(words_of(text or "")) & places.keys():
            found[row, places[word]] = 1
    return found
