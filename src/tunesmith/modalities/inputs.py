"""All input columns of a problem together: one text and one row of numbers for each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Column, Dataset
from tunesmith.modalities._lacking import refuse_lacking
from tunesmith.modalities._shelf import modalities

DENSE = ("number", "category", "date")


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

    def state(self) -> dict[str, Any]:
        """Everything as JSON."""
        columns = [{"name": c.name, "kind": c.kind, "reason": c.reason} for c in self.columns]
        return {"columns": columns, "states": {k: dict(v) for k, v in self.states.items()}}

    @staticmethod
    def restore(state: Mapping[str, Any]) -> Inputs:
        """What `state` gave."""
        return Inputs(tuple(Column(**column) for column in state["columns"]), state["states"])
