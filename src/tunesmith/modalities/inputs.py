"""All input columns of a problem together: one text and one row of numbers for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset
from tunesmith.modalities._lacking import refuse_lacking
from tunesmith.modalities._shelf import modalities

DENSE = ("number", "category", "date")
EMPTY: Mapping[str, str] = {"number": "float64", "date": "datetime64[s]"}
"""The types of cells that are no objects."""


@dataclass(frozen=True)
class Inputs:
    """The input columns and what each modality remembers of them."""

    columns: tuple[Column, ...]
    states: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def fit(data: Dataset, names: tuple[str, ...]) -> Inputs:
        """Learn from training rows."""
        columns = tuple(data.column(name) for name in names)
        states = {
            column.name: modalities[column.kind].fit(data.values(column.name))
            for column in columns
            if column.kind in DENSE
        }
        return Inputs(columns, states)

    @property
    def text_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind == "text")

    def check(self, data: Dataset) -> None:
        """Refuse data that lacks an input column.

        Raises:
            DataError: Names every column that is missing and those that are there.
        """
        refuse_lacking(data, self.columns)

    def dense(self, data: Dataset) -> NDArray[np.float32]:
        """Numbers, categories and dates side by side, shape (rows, width); width may be 0."""
        parts = [
            modalities[column.kind].transform(data.values(column.name), self.states[column.name])
            for column in self.columns
            if column.kind in DENSE
        ]
        empty = np.empty((len(data), 0), dtype=np.float32)
        return np.concatenate([empty, *parts], axis=1)

    @property
    def image_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind == "image")

    def contents(self, data: Dataset) -> list[str]:
        """What an encoder reads of each row: the place of its picture, where a column is of those,
        else its text; empty where it has none."""
        if not self.image_names:
            return self.texts(data)
        return [value or "" for value in data.values(self.image_names[0])]

    def texts(self, data: Dataset) -> list[str]:
        """One text a row: the text columns in order, each after its name if there are several."""
        names = self.text_names
        if len(names) == 1:
            return [value or "" for value in data.values(names[0])]
        if not names:
            return [""] * len(data)
        columns = [data.values(name) for name in names]
        return [
            "\n".join(f"{name}: {cell}" for name, cell in zip(names, row, strict=True) if cell)
            for row in zip(*columns, strict=True)
        ]

    def places(self, data: Dataset) -> dict[str, int]:
        """Where in the text of the first row the cell of each column begins, by name; those that
        are empty left out."""
        names, found, at = self.text_names, {}, 0
        for name in names:
            cell = data.values(name)[0]
            if cell:
                at += len(f"{name}: ") if len(names) > 1 else 0
                found[name] = at
                at += len(f"{cell}\n")
        return found

    def slices(self) -> dict[str, slice]:
        """Which of the numbers of `dense` are of which column."""
        found, at = {}, 0
        for column in self.columns:
            if column.kind in DENSE:
                nothing = np.empty(0, dtype=EMPTY.get(column.kind, "object"))
                width = (
                    modalities[column.kind].transform(nothing, self.states[column.name]).shape[1]
                )
                found[column.name] = slice(at, at + width)
                at += width
        return found

    def state(self) -> dict[str, Any]:
        """Everything as JSON."""
        columns = [{"name": c.name, "kind": c.kind, "reason": c.reason} for c in self.columns]
        return {"columns": columns, "states": {k: dict(v) for k, v in self.states.items()}}

    @staticmethod
    def restore(state: Mapping[str, Any]) -> Inputs:
        """What `state` gave."""
        return Inputs(tuple(Column(**column) for column in state["columns"]), state["states"])


def distinct(contents: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Each content once, and where among them that of each row is, shape (rows,)."""
    known = {content: place for place, content in enumerate(dict.fromkeys(contents))}
    return list(known), np.array([known[content] for content in contents], dtype=np.int64)
