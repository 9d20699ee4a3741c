"""Dates as text: which format a column is written in, and reading it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

ISO = "ISO 8601"
DAYS = (
    "%Y/%m/%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%a, %d %b %Y",
    "%Y-%m",
    "%Y%m%d",
    "%Y",
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z")
FORMATS = (ISO, "%a %b %d %H:%M:%S %Y", *(day + time for day in DAYS for time in TIMES))
SAMPLE = 40
SETTLED_ON = 2_000
SHORTEST, LONGEST = 4, 40


def parse_date(word: str, form: str) -> datetime | None:
    """The moment a word stands for in a format, None where it is not written so."""
    try:
        if form == ISO:
            return None if word.isdigit() else datetime.fromisoformat(word)
        return datetime.strptime(word, form)
    except (ValueError, OverflowError):
        return None


def parse_dates(words: Sequence[str], form: str) -> dict[str, datetime | None]:
    """The moment of each word; without a format, of none."""
    return {word: parse_date(word, form) if form else None for word in words}


def best_format(words: Sequence[str]) -> str:
    """The format that reads most of the words, of those that read most of a sample of them.

    A single word may tell the day from the month, so formats close to each other on the sample are
    settled on up to about two thousand words; where that leaves a tie, the month comes first.
    Empty where no format reads half the sample.
    """
    sample = words[:: max(1, len(words) // SAMPLE)]
    if not sample or sum(map(_is_like_a_date, sample)) < len(sample) / 2:
        return ""
    reads = {form: _count(sample, form) for form in FORMATS}
    most = max(reads.values())
    if most < len(sample) / 2:
        return ""
    # A format that misreads a few of the sample may still be the one that reads most overall.
    near = [form for form in FORMATS if reads[form] >= most / 3]
    more = words[:: max(1, len(words) // SETTLED_ON)]
    return max(near, key=lambda form: _count(more, form)) if len(near) > 1 else near[0]


def _is_like_a_date(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and any(letter.isdigit() for letter in word)


def _count(words: Sequence[str], form: str) -> int:
    return sum(parse_date(word, form) is not None for word in words)
