"""All input columns as trees want them: numbers as they are, categories as codes or as the mean of
the target, dates in parts, texts as a few numbers.

A missing number stays NaN, for which each split has a way of its own, and a missing category is a
level: no mark beside them says more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset
from tunesmith.modalities._lacking import refuse_lacking
from tunesmith.modalities.encoding import Encoding, can_encode
from tunesmith.modalities.topics import MOST_TOPICS, Topics

MISSING, OTHER, FIRST = 0, 1, 2
"""Codes of a missing category, of those that are rare or new, and of the commonest."""
MOST_LEVELS = 1_000
RARE_SHARE, FEWEST_RARE, MOST_RARE = 1 / 500, 2, 10
"""A level is rare with fewer rows than this share of all, at least two and no more than ten."""
MOST_ENCODED_CLASSES = 20
"""With more, a category would become too many columns: it stays a code."""
MOST_ALL_TOPICS = 64
EXACT = float(2**24)
"""Beyond it single precision has no whole numbers: such columns are counted from their middle."""
LARGEST = 1e38
DATE_PARTS = ("year", "month", "day", "weekday", "hour", "days")


@dataclass(frozen=True)
class Columns:
    """The input columns and what is remembered of each."""

    columns: tuple[Column, ...]
    states: Mapping[str, Mapping[str, Any]]
    topics: Mapping[str, Topics] = field(default_factory=dict)
    encoding: Encoding | None = None

    @staticmethod
    def fit(
        data: Dataset,
        names: tuple[str, ...],
        truth: NDArray[Any],
        *,
        classes: int,
        most_codes: int,
        seed: int,
    ) -> tuple[Columns, NDArray[np.float32]]:
        """Learn from training rows with class codes or numbers as their target. Categories of more
        than `most_codes` levels are encoded by the target. Also the training rows themselves, shape
        (rows, width), in which a row's encoding does not know its own target."""
        columns = tuple(data.column(name) for name in names)
        texts = [column.name for column in columns if column.kind == "text"]
        may_encode = can_encode(truth) and classes <= MOST_ENCODED_CLASSES
        states: dict[str, Mapping[str, Any]] = {}
        for column in columns:
            values = data.values(column.name)
            if column.kind == "number":
                states[column.name] = _number(values)
            elif column.kind == "date":
                states[column.name] = _date(values)
            elif column.kind == "category":
                levels = _levels(values)
                is_encoded = may_encode and len(levels) > most_codes
                states[column.name] = {"levels": levels, "encoded": is_encoded}
        each = max(4, min(MOST_TOPICS, MOST_ALL_TOPICS // max(1, len(texts))))
        topics = {name: Topics.fit(_texts(data, name), seed, each) for name in texts}
        plain = Columns(columns, states, topics)
        codes, levels_of = plain.codes(data), plain._levels_encoded()
        if not levels_of:
            return plain, plain.matrix(data)
        encoding, crossed = Encoding.fit(codes, levels_of, truth, seed)
        found = Columns(columns, states, topics, encoding)
        return found, found._joined(data, crossed)

    def check(self, data: Dataset) -> None:
        """Refuse data that lacks an input column.

        Raises:
            DataError: Names every column that is missing and those that are there.
        """
        refuse_lacking(data, self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """What each feature is, in the order of the matrix."""
        found: list[str] = []
        for column in self.columns:
            found += self._features(column)
        for name in self._encoded():
            outputs = self.encoding.outputs if self.encoding else 0
            found += [f"{name}: target {i}" if outputs > 1 else name for i in range(outputs)]
        return tuple(found)

    @property
    def owners(self) -> tuple[str, ...]:
        """The column that each feature is made of, in the order of the matrix."""
        outputs = self.encoding.outputs if self.encoding else 0
        plain = [c.name for c in self.columns for _ in self._features(c)]
        return (*plain, *(name for name in self._encoded() for _ in range(outputs)))

    @property
    def categories(self) -> tuple[int, ...]:
        """The places of the features that are codes."""
        found, place = [], 0
        for column in self.columns:
            if self._is_code(column):
                found.append(place)
            place += len(self._features(column))
        return tuple(found)

    def matrix(self, data: Dataset) -> NDArray[np.float32]:
        """Rows as features, shape (rows, width)."""
        self.check(data)
        encoded = None if self.encoding is None else self.encoding.transform(self.codes(data))
        return self._joined(data, encoded)

    def codes(self, data: Dataset) -> NDArray[np.int64]:
        """The codes of the categories that are encoded by the target, shape (rows, columns)."""
        found = [_codes(data.values(name), self.states[name]) for name in self._encoded()]
        return np.stack(found, axis=1) if found else np.empty((len(data), 0), dtype=np.int64)

    def _joined(self, data: Dataset, encoded: NDArray[np.float32] | None) -> NDArray[np.float32]:
        parts = [np.empty((len(data), 0), dtype=np.float32)]
        for column in self.columns:
            if column.kind == "text":
                parts.append(self.topics[column.name].transform(_texts(data, column.name)))
            elif self._features(column):
                parts.append(self._plain(column, data.values(column.name)))
        return np.concatenate(parts if encoded is None else [*parts, encoded], axis=1)

    def _plain(self, column: Column, values: NDArray[Any]) -> NDArray[np.float32]:
        state = self.states[column.name]
        if column.kind == "number":
            shifted = np.clip(values - state["shift"], -LARGEST, LARGEST)
            return np.asarray(shifted, dtype=np.float32)[:, None]
        if column.kind == "date":
            parts = _date_parts(values, state["first"])
            return np.stack([parts[part] for part in state["parts"]], axis=1).astype(np.float32)
        return _codes(values, state).astype(np.float32)[:, None]

    def _features(self, column: Column) -> list[str]:
        if column.kind == "text":
            width = self.topics[column.name].width
            return [
                *(f"{column.name}: topic {i}" for i in range(width - 1)),
                f"{column.name}: words",
            ]
        if column.kind == "date":
            return [f"{column.name}: {part}" for part in self.states[column.name]["parts"]]
        if column.kind == "category":
            return [column.name] if self._is_code(column) else []
        return [column.name]

    def _is_code(self, column: Column) -> bool:
        return column.kind == "category" and not self.states[column.name]["encoded"]

    def _encoded(self) -> list[str]:
        return [c.name for c in self.columns if c.kind == "category" and not self._is_code(c)]

    def _levels_encoded(self) -> list[int]:
        return [FIRST + len(self.states[name]["levels"]) for name in self._encoded()]

    def state(self) -> dict[str, Any]:
        """All but the arrays, as JSON."""
        return {
            "columns": [{"name": c.name, "kind": c.kind, "reason": c.reason} for c in self.columns],
            "states": {name: dict(state) for name, state in self.states.items()},
            "vocabularies": {name: topics.vocabulary for name, topics in self.topics.items()},
            "encoding": None if self.encoding is None else self.encoding.state(),
        }

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays, for a safetensors file; none where there is no text."""
        found: dict[str, NDArray[Any]] = {}
        for place, topics in enumerate(self.topics.values()):
            found[f"topics.{place}.idf"] = np.ascontiguousarray(topics.idf, dtype=np.float64)
            found[f"topics.{place}.directions"] = np.ascontiguousarray(topics.directions)
        return found

    @staticmethod
    def restore(state: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Columns:
        """What `state` and `tensors` gave."""
        topics = {
            name: Topics(
                tuple(words), tensors[f"topics.{place}.idf"], tensors[f"topics.{place}.directions"]
            )
            for place, (name, words) in enumerate(state["vocabularies"].items())
        }
        encoding = state["encoding"]
        return Columns(
            tuple(Column(**column) for column in state["columns"]),
            state["states"],
            topics,
            None if encoding is None else Encoding.restore(encoding),
        )


def _number(values: NDArray[Any]) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    is_far = len(known) > 0 and float(np.abs(known).max()) > EXACT
    return {"shift": float(np.median(known)) if is_far else 0.0}


def _levels(values: NDArray[Any]) -> list[str]:
    """The levels that are not rare, the commonest first."""
    counts = Counter(value for value in values if value is not None)
    fewest = min(MOST_RARE, max(FEWEST_RARE, int(RARE_SHARE * len(values))))
    common = [level for level, count in counts.items() if count >= fewest]
    return sorted(common, key=lambda level: (-counts[level], level))[:MOST_LEVELS]


def _codes(values: NDArray[Any], state: Mapping[str, Any]) -> NDArray[np.int64]:
    places = {level: place for place, level in enumerate(state["levels"], start=FIRST)}
    places[None] = MISSING
    return np.array([places.get(value, OTHER) for value in values], dtype=np.int64)


def _date(values: NDArray[Any]) -> dict[str, Any]:
    """The first day, and the parts that vary."""
    known = values[~np.isnat(values)]
    first = int(known.min().astype("datetime64[D]").astype(np.int64)) if len(known) else 0
    parts = _date_parts(known, first)
    varied = [part for part in DATE_PARTS if len(known) and float(np.ptp(parts[part])) > 0]
    return {"first": first, "parts": varied or ["days"]}


def _date_parts(values: NDArray[Any], first: int) -> dict[str, NDArray[np.float64]]:
    """Year, month (1 to 12), day of the month, weekday (0 is Monday), hour, and days since the
    first day, which is counted from 1970; each NaN where there is no date."""
    gone = np.isnat(values)
    seconds = np.where(gone, np.datetime64(0, "s"), values).astype("datetime64[s]")
    days, months = seconds.astype("datetime64[D]"), seconds.astype("datetime64[M]")
    since = seconds.astype(np.int64) / 86_400.0
    parts = {
        "year": months.astype("datetime64[Y]").astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (days.astype(np.int64) + 3) % 7,
        "hour": np.floor(since % 1 * 24),
        "days": since - first,
    }
    return {name: np.where(gone, np.nan, part) for name, part in parts.items()}


def _texts(data: Dataset, name: str) -> list[str]:
    return [value or "" for value in data.values(name)]
