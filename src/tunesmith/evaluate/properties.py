"""What can be said of every row: its cells, and the length, language and look of its texts and
pictures. Slices of errors are cut along these, and drift is looked for in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset, Rows
from tunesmith.core.seeds import generator
from tunesmith.data.languages import UNKNOWN, languages_of
from tunesmith.data.picture_facts import FACTS, picture_facts

VALUE = "value"
"""What a property is about that is the cell itself."""
LANGUAGE = "language"
KIND = "kind"
MOST_PICTURES = 2_000
"""That are opened; of the others nothing is known."""
THREADS = 4
QUESTION, EXCLAMATION = re.compile(r"[?？؟]"), re.compile(r"[!！]")
DIGIT = re.compile(r"\d")
WORD = re.compile(r"(?u)\b\w\w+\b|[぀-ヿ㐀-鿿가-힯]")
"""A word; of scripts that leave no spaces a syllable."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Property:
    """One thing that is known of each row: of which column, what about it, and its values, shape
    (rows,): float64 with NaN, datetime64[s] with NaT, or texts with None."""

    column: str
    about: str
    values: NDArray[Any]

    @property
    def name(self) -> str:
        """As a person calls it: the column, and what of it is meant."""
        return self.column if self.about == VALUE else f"{self.column}: {self.about}"

    @property
    def is_number(self) -> bool:
        return self.values.dtype.kind == "f"

    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value, shape (rows,)."""
        return gone(self.values)


def gone(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells are missing, shape (rows,)."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(np.isnat(values))
    return np.array([value is None for value in values], dtype=bool)


def properties(
    data: Dataset, columns: Sequence[Column], *, seed: int = 0, pictures: int = MOST_PICTURES
) -> tuple[Property, ...]:
    """All that is known of the rows by these columns; of at most so many pictures, drawn by the
    seed."""
    found: list[Property] = []
    for column in columns:
        values = data.values(column.name)
        if column.kind == "text":
            found += _of_texts(column.name, values)
        elif column.kind == "image":
            found += _of_pictures(column.name, values, _drawn(len(data), pictures, seed))
        elif column.kind == "date":
            found += _of_dates(column.name, values)
        else:
            found.append(Property(column.name, VALUE, values))
    return tuple(found)


def _drawn(rows: int, most: int, seed: int) -> Rows:
    if rows <= most:
        return np.arange(rows)
    return np.sort(generator(seed, "pictures").permutation(rows)[:most])


def _capitals(text: str) -> float:
    letters = sum(map(str.isalpha, text))
    return sum(map(str.isupper, text)) / letters if letters else float("nan")


MEASURES: Mapping[str, Callable[[str], float]] = {
    "words": lambda text: float(len(text.split())),
    "letters": lambda text: float(len(text)),
    "digits": lambda text: float(len(DIGIT.findall(text))),
    "question marks": lambda text: float(len(QUESTION.findall(text))),
    "exclamation marks": lambda text: float(len(EXCLAMATION.findall(text))),
    "share of capitals": _capitals,
}
"""What is measured of a text."""


def _of_texts(name: str, values: NDArray[Any]) -> Iterator[Property]:
    for about, measure in MEASURES.items():
        told = [float("nan") if text is None else measure(text) for text in values]
        yield Property(name, about, np.array(told, dtype=np.float64))
    there = [row for row, text in enumerate(values) if text is not None]
    codes = languages_of([values[row] for row in there])
    if len(Counter(code for code in codes if code != UNKNOWN)) > 1:
        found = np.full(len(values), None, dtype=object)
        found[there] = [None if code == UNKNOWN else code for code in codes]
        yield Property(name, LANGUAGE, found)
    yield Property(name, VALUE, values)


def _of_dates(name: str, values: NDArray[Any]) -> Iterator[Property]:
    yield Property(name, VALUE, values)
    missing = gone(values)
    days, months = values.astype("datetime64[D]"), values.astype("datetime64[M]")
    weekday = np.full(len(values), None, dtype=object)
    weekday[~missing] = np.array(WEEKDAYS)[(days[~missing].astype(np.int64) + 3) % 7]
    yield Property(name, "weekday", weekday)
    hours = (values - days).astype("timedelta64[s]").astype(np.int64) // 3600
    for about, numbers in (("month", months.astype(np.int64) % 12 + 1), ("hour", hours)):
        if len(np.unique(numbers[~missing])) > 1:
            yield Property(name, about, np.where(missing, np.nan, numbers).astype(np.float64))


def _of_pictures(name: str, cells: NDArray[Any], rows: Rows) -> Iterator[Property]:
    missing = np.array([None if cell is None else "there" for cell in cells], dtype=object)
    yield Property(name, VALUE, missing)
    with ThreadPoolExecutor(THREADS, "pictures") as pool:
        told = list(pool.map(picture_facts, cells[rows]))
    for about in FACTS:
        is_kind = about == KIND
        empty: Any = None if is_kind else np.nan
        found = np.full(len(cells), empty, dtype=object if is_kind else np.float64)
        found[rows] = [empty if facts is None else getattr(facts, about) for facts in told]
        yield Property(name, about, found)


def mentions(
    texts: NDArray[Any], fewest: int, most: int, *, pairs: bool = True
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Words, and pairs of words that follow one another, that at least `fewest` texts and not
    nearly all of them have, the commonest `most`; and which text has which, shape (rows, words)."""
    from sklearn.feature_extraction.text import CountVectorizer

    none = (), np.zeros((len(texts), 0), dtype=bool)
    if fewest * 2 > len(texts):
        return none
    counter = CountVectorizer(
        analyzer=_terms if pairs else words_of, binary=True, min_df=fewest, dtype=np.int32
    )
    try:
        counts = counter.fit_transform([text or "" for text in texts])
    except ValueError:  # scikit-learn's word for no term that is so common
        return none
    rows = np.asarray(counts.sum(axis=0)).ravel()
    kept = np.flatnonzero(rows <= len(texts) - fewest)
    kept = np.sort(kept[np.argsort(-rows[kept], kind="stable")][:most])
    names = counter.get_feature_names_out()[kept]
    return tuple(map(str, names)), counts[:, kept].astype(bool).toarray()


def words_of(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def _terms(text: str) -> list[str]:
    words = words_of(text)
    return words + [f"{one} {after}" for one, after in pairwise(words)]
