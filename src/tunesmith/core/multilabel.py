"""Several labels a row: how they stand in a source, in a cell, and as a matrix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelForm:
    """How the labels of a row stand in the source, and how answers are written: with a `delimiter`
    between them, as 0 and 1 in `columns` that are named as the labels are, or as a list where both
    are empty."""

    delimiter: str = ""
    columns: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"delimiter": self.delimiter, "columns": list(self.columns)}

    @staticmethod
    def restore(told: dict[str, Any] | None) -> LabelForm | None:
        """What `plain` gave; None of a target of one answer a row."""
        return None if told is None else LabelForm(told["delimiter"], tuple(told["columns"]))

    def __str__(self) -> str:
        if self.columns:
            return f"0 and 1 in {len(self.columns)} columns"
        return f"with {self.delimiter!r} between them" if self.delimiter else "as lists"


def packed(labels: Iterable[str]) -> str:
    """Labels as one cell: a JSON list, each once, in alphabetical order."""
    return json.dumps(sorted(set(labels)), ensure_ascii=False)


def unpacked(cell: str) -> tuple[str, ...]:
    """The labels that `packed` has put into a cell."""
    return tuple(json.loads(cell))


def matrix(cells: NDArray[Any], labels: Sequence[str]) -> NDArray[np.int64]:
    """Packed cells as zeros and ones, shape (rows, labels); a missing cell, and labels that are not
    among these, count nothing."""
    places = {label: place for place, label in enumerate(labels)}
    found = np.zeros((len(cells), len(labels)), dtype=np.int64)
    known: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        if cell not in known:
            known[cell] = [places[one] for one in unpacked(cell) if one in places]
        found[row, known[cell]] = 1
    return found
