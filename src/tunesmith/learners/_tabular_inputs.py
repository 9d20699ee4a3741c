"""The columns of a table as a network for tables wants them: scaled numbers and category codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset
from tunesmith.core.space import from_dict, to_dict
from tunesmith.learners.linear import LinearConfig, Terms
from tunesmith.modalities._lacking import refuse_lacking

READ = ("number", "category", "date", "text")
MOST_LEVELS = 1000
FEW_LEVELS = 20
"""From so many levels on, one that stands in a single row counts as one never seen: the code of
those is thereby trained."""
REFERENCES = 256
SMOOTH = 3.0
FARTHEST = 1e-5
TEXT_WIDTH = 32
TEXT_TERMS = 20_000
GAP, NO_GAP = 1, 0
SAMPLE_ROWS = 100_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Topics:
    """Latent semantic analysis of the text columns: TF-IDF, then its strongest directions.

    `directions` has shape (terms, width). Source: Deerwester et al., "Indexing by Latent Semantic
    Analysis", JASIS 1990.
    """

    terms: Terms
    directions: NDArray[np.float32]

    @staticmethod
    def fit(texts: list[str], seed: int) -> Topics:
        """Learn terms and directions; no direction where no text holds a word."""
        from sklearn.utils.extmath import randomized_svd

        terms = Terms.fit(texts, LinearConfig())
        if len(terms.vocabulary) > TEXT_TERMS:
            often = np.sort(np.argsort(terms.idf, kind="stable")[:TEXT_TERMS])
            words = tuple(terms.vocabulary[place] for place in often)
            terms = Terms(terms.config, words, terms.idf[often])
        width = min(TEXT_WIDTH, len(terms.vocabulary), len(texts))
        if not width:
            return Topics(terms, np.empty((0, 0), dtype=np.float32))
        _, _, rows = randomized_svd(terms.transform(texts), width, random_state=seed)
        return Topics(terms, np.ascontiguousarray(rows.T, dtype=np.float32))

    def numbers(self, texts: list[str]) -> NDArray[np.float32]:
        """Shape (rows, width)."""
        if not self.directions.size:
            return np.empty((len(texts), 0), dtype=np.float32)
        return np.asarray(self.terms.transform(texts) @ self.directions, dtype=np.float32)


@dataclass(frozen=True)
class TabularInputs:
    """What is remembered of the input columns.

    `scales` has a state for each number, by the name of its column and part; `levels` the known
    levels of each category column; `timed` the date columns that hold more than days. All of it is
    JSON, but for the tensors of `topics`.
    """

    columns: tuple[Column, ...]
    scales: Mapping[str, Mapping[str, Any]]
    levels: Mapping[str, tuple[str, ...]]
    timed: tuple[str, ...] = ()
    topics: Topics | None = None

    @staticmethod
    def fit(data: Dataset, names: tuple[str, ...], scaling: str, seed: int) -> TabularInputs:
        """Learn from training rows. Numbers that do not vary are left out; `scaling` is "robust"
        or "quantile", see `_robust` and `_quantile`."""
        columns = tuple(c for c in map(data.column, names) if c.kind in READ)
        levels = {c.name: _levels(data.values(c.name)) for c in columns if c.kind == "category"}
        timed = tuple(
            c.name for c in columns if c.kind == "date" and (_hours(data.values(c.name)) % 24).any()
        )
        blank = TabularInputs(columns, {}, levels, timed)
        topics = Topics.fit(blank._texts(data), seed) if blank.text_names else None
        blank = TabularInputs(columns, {}, levels, timed, topics)
        state = _robust if scaling == "robust" else _quantile
        scales = {}
        for name, values in blank._numbers(data).items():
            known = values[np.isfinite(values)]
            if len(known) and known.min() < known.max():
                scales[name] = {**state(known), "gaps": len(known) < len(values)}
        return TabularInputs(columns, scales, levels, timed, topics)

    @property
    def text_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind == "text")

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each column of `codes` has."""
        dates = [c.name for c in self.columns if c.kind == "date"]
        gaps = [2 for state in self.scales.values() if state["gaps"]]
        return (*(len(known) + 2 for known in self.levels.values()), *[8, 13] * len(dates), *gaps)

    def check(self, data: Dataset) -> None:
        """Refuse data that lacks an input column.

        Raises:
            DataError: Names every column that is missing and those that are there.
        """
        refuse_lacking(data, self.columns)

    def arrays(self, data: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scaled numbers, shape (rows, numbers), a gap being 0; and codes, shape (rows, codes):
        of categories, weekdays, months, and of whether a number is missing."""
        self.check(data)
        raw = self._numbers(data)
        scaled, gaps = [], []
        for name, state in self.scales.items():
            gone = ~np.isfinite(raw[name])
            safe = np.where(gone, state["center"], raw[name])
            scaled.append(np.where(gone, 0.0, _scaled(safe, state)))
            if state["gaps"]:
                gaps.append(np.where(gone, GAP, NO_GAP))
        codes = [self._codes(name, data.values(name)) for name in self.levels]
        codes += [*self._calendars(data), *gaps]
        return (
            _side_by_side(scaled, len(data), np.float32),
            _side_by_side(codes, len(data), np.int64),
        )

    def owners(self) -> tuple[list[str], list[str]]:
        """The column of each of the numbers and of each of the codes of `arrays`; empty of topics
        of texts."""
        parts: dict[str, str] = {}
        for column in self.columns:
            if column.kind == "number":
                parts[column.name] = column.name
            elif column.kind == "date":
                parts |= {f"{column.name}: {part}": column.name for part in ("day", "hour")}
        numbers = [parts.get(name, "") for name in self.scales]
        dates = [column.name for column in self.columns if column.kind == "date"]
        gaps = [
            name for name, one in zip(numbers, self.scales.values(), strict=True) if one["gaps"]
        ]
        return numbers, [*self.levels, *(name for name in dates for _ in range(2)), *gaps]

    def raw(self, data: Dataset) -> NDArray[np.float64]:
        """Numbers as they are, NaN where missing, and codes beside them, shape (rows, columns)."""
        self.check(data)
        found = self._numbers(data)
        numbers = [np.where(np.isfinite(found[name]), found[name], np.nan) for name in self.scales]
        codes = [self._codes(name, data.values(name)) for name in self.levels]
        return _side_by_side([*numbers, *codes, *self._calendars(data)], len(data), np.float64)

    def _calendars(self, data: Dataset) -> list[NDArray[np.int64]]:
        dates = [column.name for column in self.columns if column.kind == "date"]
        return [codes for name in dates for codes in _calendar(data.values(name))]

    def _codes(self, name: str, values: NDArray[Any]) -> NDArray[np.int64]:
        """Codes by level; one more for levels not known, and one for a missing cell."""
        known = self.levels[name]
        places: dict[Any, int] = {level: place for place, level in enumerate(known)}
        places[None] = len(known) + 1
        return np.array([places.get(value, len(known)) for value in values], dtype=np.int64)

    def _numbers(self, data: Dataset) -> dict[str, Floats]:
        """Every number before scaling, NaN where missing: of number columns, days and hours of
        dates, topics of texts."""
        found: dict[str, Floats] = {}
        for column in self.columns:
            values = data.values(column.name) if column.kind != "text" else None
            if column.kind == "number":
                found[column.name] = np.asarray(values, dtype=np.float64)
            elif column.kind == "date":
                hours = _hours(np.asarray(values))
                found[f"{column.name}: day"] = np.floor(hours / 24)
                if column.name in self.timed:
                    found[f"{column.name}: hour"] = hours % 24
        if self.topics is not None:
            topics = self.topics.numbers(self._texts(data)).astype(np.float64)
            found |= {f"topic {number}": topics[:, number] for number in range(topics.shape[1])}
        return found

    def _texts(self, data: Dataset) -> list[str]:
        columns = [data.values(name) for name in self.text_names]
        return ["\n".join(cell for cell in row if cell) for row in zip(*columns, strict=True)]

    def state(self) -> dict[str, Any]:
        """Everything as JSON, but for `tensors`."""
        terms = self.topics.terms if self.topics else None
        return {
            "columns": [{"name": c.name, "kind": c.kind, "reason": c.reason} for c in self.columns],
            "scales": {name: dict(state) for name, state in self.scales.items()},
            "levels": {name: list(known) for name, known in self.levels.items()},
            "timed": list(self.timed),
            "terms": terms and {"config": to_dict(terms.config), "words": list(terms.vocabulary)},
        }

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What of the texts is remembered as numbers."""
        if self.topics is None:
            return {}
        idf = np.ascontiguousarray(self.topics.terms.idf, dtype=np.float64)
        return {"inputs.directions": self.topics.directions, "inputs.idf": idf}

    @staticmethod
    def restore(state: Mapping[str, Any], tensors: Mapping[str, Any]) -> TabularInputs:
        """What `state` and `tensors` gave."""
        topics = None
        if saved := state["terms"]:
            words = tuple(saved["words"])
            terms = Terms(from_dict(LinearConfig, saved["config"]), words, tensors["inputs.idf"])
            topics = Topics(terms, tensors["inputs.directions"])
        return TabularInputs(
            tuple(Column(**column) for column in state["columns"]),
            state["scales"],
            {name: tuple(known) for name, known in state["levels"].items()},
            tuple(state["timed"]),
            topics,
        )


def _side_by_side(columns: list[NDArray[Any]], rows: int, kind: Any) -> NDArray[Any]:
    empty = np.empty((rows, 0), dtype=kind)
    return np.ascontiguousarray(np.column_stack([empty, *columns]), dtype=kind)


def _levels(values: NDArray[Any]) -> tuple[str, ...]:
    counts = Counter(value for value in values if value is not None)
    often = [level for level in counts if counts[level] > 1 or len(counts) < FEW_LEVELS]
    often.sort(key=lambda level: (-counts[level], level))
    return tuple(sorted(often[:MOST_LEVELS]))


def _hours(values: NDArray[Any]) -> Floats:
    """Hours since 1970, NaN where there is no date."""
    seconds = values.astype("datetime64[s]")
    hours = seconds.astype(np.int64) / 3600.0
    return np.where(np.isnat(seconds), np.nan, hours)


def _calendar(values: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Codes of the weekday (7 where there is none) and of the month (12 where there is none)."""
    gone = np.isnat(values)
    days = np.where(gone, np.datetime64(0, "D"), values).astype("datetime64[D]")
    weekday = (days.astype(np.int64) + 3) % 7
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    return [np.where(gone, 7, weekday), np.where(gone, 12, month)]


def _robust(known: Floats) -> dict[str, Any]:
    """The middle and the range of the middle half (or of all, where that is none).

    Source: Holzmüller et al., "Better by Default", NeurIPS 2024, section 3.
    """
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = high - low if high > low else (known.max() - known.min()) / 2
    return {"center": float(middle), "spread": float(spread)}


def _quantile(known: Floats) -> dict[str, Any]:
    """Quantiles at equal steps: a number becomes that of a normal distribution at its rank."""
    if len(known) > SAMPLE_ROWS:
        known = np.sort(known)[:: -(-len(known) // SAMPLE_ROWS)]
    steps = np.linspace(0, 1, min(REFERENCES, max(2, len(known))))
    references = [float(value) for value in np.quantile(known, steps)]
    return {"center": float(np.median(known)), "references": references}


def _scaled(values: Floats, state: Mapping[str, Any]) -> Floats:
    if "spread" in state:
        away = (values - state["center"]) / state["spread"]
        return np.asarray(away / np.sqrt(1 + np.square(away / SMOOTH)))
    from scipy.special import ndtri

    references = np.asarray(state["references"])
    steps = np.linspace(0, 1, len(references))
    # the middle of the ranks that a value which stands many times has
    rank = np.interp(values, references, steps) - np.interp(
        -values, -references[::-1], -steps[::-1]
    )
    return np.asarray(ndtri(np.clip(rank / 2, FARTHEST, 1 - FARTHEST)))
