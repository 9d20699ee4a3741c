"""What the rows of a fit looked like, in less than 200 KB of JSON: a sketch of every property of
its input columns, and some rows as codes. It holds no text and no picture, and names no level or
word that fewer than five rows have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset
from tunesmith.core.seeds import generator
from tunesmith.evaluate.feature_sample import FeatureSample
from tunesmith.evaluate.properties import VALUE, Property, properties
from tunesmith.evaluate.sketches import (
    FORMS,
    MOST_HASHES,
    LevelSketch,
    NumberSketch,
    Sketch,
    WordSketch,
    coded,
    word_bits,
)

FORMAT = 1
MOST_BYTES = 200_000
MOST_ROWS, MOST_TEXTS, MOST_PICTURES = 20_000, 1_000, 300
"""Rows that are looked at: of tables, of those with texts, pictures that are opened."""
MOST_PROPERTIES = 400
POINTS, FEWEST_POINTS = 200, 20
SAMPLED, FEWEST_SAMPLED = 400, 60
CELLS = 24_000
"""Codes of sampled rows, and about as many points of sketches as half of them."""
WORDS = 30
"""Of each text column whether a sampled row has them."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Sketched:
    """One property with its sketch; `form` says which, as in `sketches.FORMS`."""

    column: str
    about: str
    form: str
    sketch: Sketch

    @property
    def name(self) -> str:
        return self.column if self.about == VALUE else f"{self.column}: {self.about}"


@dataclass(frozen=True)
class Profile:
    """Of so many rows: their properties, the sketch of their labels (None where there is none to
    keep), `sample`, some of them as codes, shape (sampled, codes), and `features`, some as the
    model's own encoder sees them (None where it has none)."""

    rows: int
    each: tuple[Sketched, ...]
    target: Sketched | None
    sample: Numbers
    features: FeatureSample | None = None

    @staticmethod
    def of(
        data: Dataset, columns: Sequence[Column], labels: Property | None, *, seed: int = 0
    ) -> Profile:
        """Of the rows of a fit, or of some drawn by the seed where there are many; of the labels,
        all of them."""
        is_read = any(column.kind in ("text", "image") for column in columns)
        most = MOST_TEXTS if is_read else MOST_ROWS
        order = generator(seed, "profile").permutation(len(data))
        rows = data.take(np.sort(order[:most]))
        found = seen(rows, columns, seed)[:MOST_PROPERTIES]
        points = int(np.clip(CELLS // (2 * max(1, len(found))), FEWEST_POINTS, POINTS))
        hashes = min(MOST_HASHES, CELLS // (4 * max(1, len(found))))
        each = tuple(_sketched(one, columns, points, hashes) for one in found)
        target = None if labels is None else _sketched(labels, (), POINTS, hashes)
        count = int(np.clip(CELLS // max(1, len(each)), FEWEST_SAMPLED, SAMPLED))
        chosen = generator(seed, "sampled").permutation(len(rows))[:count]
        part = [Property(one.column, one.about, one.values[chosen]) for one in found]
        return Profile(len(data), each, target, codes(each, part))

    def told(self) -> dict[str, Any]:
        """All of it as JSON; NaN is null."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "properties": [_told(one) for one in self.each],
            "target": None if self.target is None else _told(self.target),
            "sample": [
                [None if np.isnan(code) else int(code) for code in row] for row in self.sample
            ],
            "features": None if self.features is None else self.features.told(),
        }

    def written(self) -> bytes:
        """As the bytes of a file; without sampled rows, then without the properties that come last,
        where it would be too large."""
        told = self.told()
        content = _bytes(told)
        if len(content) > MOST_BYTES:
            told = {**told, "sample": []}
            content = _bytes(told)
        while len(content) > MOST_BYTES and told["properties"]:
            told = {**told, "properties": told["properties"][: len(told["properties"]) * 3 // 4]}
            content = _bytes(told)
        return content

    @staticmethod
    def restore(told: Mapping[str, Any]) -> Profile:
        """What `told` gave.

        Raises:
            ValueError: It is not of that form.
        """
        try:
            if told["format"] != FORMAT:
                raise ValueError(f"format {told['format']!r}")
            each = tuple(map(_restored, told["properties"]))
            rows = [
                [np.nan if code is None else float(code) for code in row] for row in told["sample"]
            ]
            sample = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
            target = None if told["target"] is None else _restored(told["target"])
            features = told.get("features")
            kept = None if features is None else FeatureSample.restore(features)
            return Profile(int(told["rows"]), each, target, sample, kept)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def seen(data: Dataset, columns: Sequence[Column], seed: int) -> tuple[Property, ...]:
    """What is known of rows, as a profile keeps it and new rows are compared with it."""
    return properties(data, columns, seed=seed, pictures=MOST_PICTURES)


def codes(each: Sequence[Sketched], found: Sequence[Property]) -> Numbers:
    """Rows as codes, shape (rows, codes): a rank, a place, or a bit for each of some words.

    Args:
        found: The same properties, in the same order.
    """
    parts: list[Numbers] = []
    for sketched, one in zip(each, found, strict=True):
        if isinstance(sketched.sketch, WordSketch):
            parts.append(word_bits(one.values, tuple(sketched.sketch.words)[:WORDS]))
        else:
            parts.append(coded(one.values, sketched.sketch)[:, None])
    rows = len(found[0].values) if found else 0
    return np.concatenate([np.empty((rows, 0)), *parts], axis=1)


def _sketched(one: Property, columns: Sequence[Column], points: int, hashes: int) -> Sketched:
    kind = next((column.kind for column in columns if column.name == one.column), "category")
    if one.values.dtype.kind == "M":
        return Sketched(one.column, one.about, "date", NumberSketch.of(one.values, points))
    if one.is_number:
        return Sketched(one.column, one.about, "number", NumberSketch.of(one.values, points))
    if kind == "text" and one.about == VALUE:
        return Sketched(one.column, one.about, "words", WordSketch.of(one.values))
    return Sketched(one.column, one.about, "level", LevelSketch.of(one.values, hashes))


def _told(one: Sketched) -> dict[str, Any]:
    return {"column": one.column, "about": one.about, "form": one.form, **one.sketch.told()}


def _restored(told: Mapping[str, Any]) -> Sketched:
    form = str(told["form"])
    return Sketched(str(told["column"]), str(told["about"]), form, FORMS[form].restore(told))


def _bytes(told: Mapping[str, Any]) -> bytes:
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")
