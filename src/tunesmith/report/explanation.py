"""Explanations of rows together, and how they are shown: as a data frame, words, HTML, pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.explaining import GRID, Piece
from tunesmith.core.explanations import Faithfulness, RowExplanation, Sanity
from tunesmith.core.printable import inert
from tunesmith.report import explanation_html, explanation_plot, explanation_text

if TYPE_CHECKING:
    import pandas as pd

FINE = 32
"""Points of a rectangle in a row and in a column, by which areas are counted."""
PUNCTUATION = ".,;:!?\"'()[]{}…“”‘’«»-–—"


@dataclass(frozen=True)
class Explanation:
    """Why some rows were answered as they were; `faithfulness` of the method over all of them, and
    `sanity`, whether the credits of the first hang on what was learned; where that is None,
    `unchecked` says why."""

    rows: tuple[RowExplanation, ...]
    faithfulness: Faithfulness
    sanity: Sanity | None = None
    unchecked: str = ""

    def checked(self) -> str:
        """In words, what the check by redrawn weights found, or why there was none."""
        if self.sanity is not None:
            return self.sanity.told()
        return f"not checked by redrawn weights: {self.unchecked}" if self.unchecked else ""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> RowExplanation:
        return self.rows[place]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A line for each piece: `row`, `answer`, `output` (the class explained), `value` (its
        number), `method`, `missed` (what the row's credits lack of what they should sum to; empty
        where that is nothing), `column`, `piece`, `credit`, and where it lies: `start` and `end` of
        words in characters, `left` to `bottom` of parts of a picture in shares of it (of a
        superpixel those of the rectangle around it; its shape is in the JSON)."""
        import pandas as pd

        lines = [
            {
                "row": one.row,
                "answer": one.answer,
                "output": one.output,
                "value": one.value,
                "method": one.method,
                "missed": one.missed,
                "column": piece.column,
                "piece": piece.text,
                "credit": float(credit),
                **_placed(piece),
            }
            for one in self.rows
            for piece, credit in zip(one.pieces, one.credits, strict=True)
        ]
        return pd.DataFrame(lines)

    def columns(self) -> pd.DataFrame:
        """A line for each row, a column for each input: the sum of the credits of its pieces, in
        one scale for words, pictures and numbers."""
        import pandas as pd

        return pd.DataFrame([one.by_column() for one in self.rows]).fillna(0.0)

    def words(self, least_rows: int = 2) -> pd.DataFrame:
        """The words that count most over all rows, a line for each in a column for an `output`:
        in how many `rows` it stands, its mean `credit` there, and the `total` of its credits, by
        which they are in order. Words are compared in small letters, without punctuation around."""
        import pandas as pd

        found: dict[tuple[str, str, str], list[float]] = {}
        for one in self.rows:
            inside: dict[tuple[str, str, str], float] = {}
            for piece, credit in zip(one.pieces, one.credits, strict=True):
                word = piece.text.strip(PUNCTUATION).casefold()
                if piece.kind == "text" and piece.place and word:
                    key = (piece.column, word, one.output)
                    inside[key] = inside.get(key, 0.0) + float(credit)
            for key, total in inside.items():
                found.setdefault(key, []).append(total)
        lines = [
            {
                **dict(zip(("column", "word", "output"), key, strict=True)),
                "rows": len(credits),
                "credit": sum(credits) / len(credits),
                "total": sum(credits),
            }
            for key, credits in found.items()
            if len(credits) >= least_rows
        ]
        heads = ["column", "word", "output", "rows", "credit", "total"]
        table = pd.DataFrame(lines, columns=heads)
        return table.sort_values("total", key=abs, ascending=False, ignore_index=True)

    def rectangles(self, column: str) -> NDArray[np.float64]:
        """Where in the pictures of a column the reasons lie: the mean credit of each of 7 by 7
        rectangles over all rows that have a picture, shape (7, 7). A part of a picture gives each
        of them the share of its credit that it has of its area.

        Raises:
            ConfigError: No explained row has a picture in that column.
        """
        grids = []
        for one in self.rows:
            own = [(p, c) for p, c in zip(one.pieces, one.credits, strict=True) if p.place]
            held = [(p, c) for p, c in own if p.column == column and p.kind == "image"]
            if held:
                grids.append(_on_grid(held))
        if not grids:
            raise ConfigError(f"No explained row has a picture in a column {column!r}.")
        return np.asarray(np.mean(grids, axis=0))

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "rows": [_plain(one) for one in self.rows],
            "faithfulness": _facts(self.faithfulness),
            "sanity": None if self.sanity is None else vars(self.sanity),
            "unchecked": self.unchecked,
        }

    def html(self) -> str:
        """As a piece of a page: light and dark, with a table behind, no script."""
        return explanation_html.html(self.rows, self.faithfulness, self.checked())

    def __str__(self) -> str:
        return explanation_text.text(self.rows, self.faithfulness, self.checked())

    def _repr_html_(self) -> str:
        return self.html()

    def plot(self, file: str | Path | None = None, *, row: int = 0) -> Any:
        """One row as a matplotlib figure: bars of cells and words, and the picture with its credit;
        a PNG or SVG file where one is named."""
        return explanation_plot.plot(self.rows[row], None if file is None else Path(file))

    def save(self, file: str | Path) -> Path:
        """Write it: HTML, JSON and CSV of all rows, PNG and SVG of the first, by the ending.

        Raises:
            ConfigError: The ending is none of these, or the file cannot be written.
        """
        place = Path(file)
        ways: dict[str, Callable[[], str]] = {
            ".html": lambda: explanation_html.page(self.html()),
            ".json": lambda: json.dumps(self.to_json(), ensure_ascii=False, indent=1),
            ".csv": self._csv,
        }
        ending = place.suffix.lower()
        if ending in explanation_plot.FORMATS:
            self.plot(place)
            return place
        if ending not in ways:
            known = ", ".join((*ways, *explanation_plot.FORMATS))
            raise ConfigError(f"{place} must end in one of {known}.")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(ways[ending](), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{place} cannot be written: {error.strerror}.") from error
        return place

    def _csv(self) -> str:
        frame = self.frame.copy()
        for name in ("answer", "output", "column", "piece"):
            frame[name] = [inert(str(cell)) for cell in frame[name]]
        return str(frame.to_csv(index=False, lineterminator="\n"))


def _on_grid(held: Sequence[tuple[Piece, float]]) -> NDArray[np.float64]:
    """The credit of the pieces of a picture on 7 by 7 rectangles."""
    spread = np.zeros((GRID * FINE, GRID * FINE))
    for piece, credit in held:
        mask = piece.mask(*spread.shape)
        spread[mask] = credit / max(1, mask.sum())
    return np.asarray(spread.reshape(GRID, FINE, GRID, FINE).sum(axis=(1, 3)))


def _placed(piece: Piece) -> dict[str, float]:
    names = ("start", "end") if piece.kind == "text" else ("left", "top", "right", "bottom")
    return dict(zip(names, piece.place, strict=True)) if piece.place else {}


def _facts(found: Faithfulness) -> Mapping[str, Any]:
    return {**vars(found), "is_better": found.is_better}


def _plain(one: RowExplanation) -> dict[str, Any]:
    return {
        "row": one.row,
        "answer": one.answer,
        "output": one.output,
        "value": one.value,
        "base": one.base,
        "method": one.method,
        "is_additive": one.is_additive,
        "change": one.change,
        "missed": one.missed,
        "by_column": one.by_column(),
        "pieces": [
            {
                "column": piece.column,
                "kind": piece.kind,
                "text": piece.text,
                "place": [float(number) for number in piece.place],
                "outline": piece.path(1, 1, digits=4) if piece.outline else "",
                "credit": float(credit),
            }
            for piece, credit in zip(one.pieces, one.credits, strict=True)
        ],
        "gain": one.gain,
        "faithfulness": _facts(one.faithfulness),
        "tried": dict(one.tried),
        "seconds": one.seconds,
        "evaluations": one.evaluations,
    }
