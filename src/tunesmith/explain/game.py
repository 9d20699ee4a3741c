"""One row and one number of its answer, as a game of the row's pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.explaining import Cut, Game, Heats, Piece
from tunesmith.core.heats import mixed
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Column, Dataset
from tunesmith.explain.canvas import Canvas
from tunesmith.explain.pieces import picture_of, pieces_of, text_of
from tunesmith.nn.shards import using

ROWS_AT_ONCE = 2_048
"""Rows that the model is asked at a time."""
BESIDE_CONTENTS = 6
"""Typical rows beside texts and pictures, which a model reads anew for each."""


class Answering(Protocol):
    """A model as far as it is asked here."""

    @property
    def inputs(self) -> tuple[Column, ...]: ...
    @property
    def members(self) -> tuple[tuple[Fitted, float], ...]: ...
    def predict(self, data: Dataset) -> Prediction: ...


class RowGame(Game):
    """A game over what a model answers. What a coalition was answered is remembered, so that
    several explainers and the test of each see it once; `asked` counts those that were not."""

    def __init__(
        self,
        model: Answering,
        row: Dataset,
        background: Dataset,
        output: int,
        cut: Cut = "grid",
    ) -> None:
        self.row = row.with_columns([column.name for column in model.inputs])
        self.output, self.cut = output, cut
        shown = [column.name for column in model.inputs if column.kind == "image"]
        cells = {name: self.row.values(name)[0] for name in shown}
        pictures = {name: picture_of(cell) for name, cell in cells.items() if cell is not None}
        self.pieces = pieces_of(self.row, model.inputs, pictures, cut)
        self._asked = 0
        self._thinned: dict[int, RowGame] = {}
        self._model = model
        self._known: dict[bytes, float] = {}
        self._by_column = {
            column.name: [n for n, piece in enumerate(self.pieces) if piece.column == column.name]
            for column in model.inputs
        }
        self._cut = {name for name, at in self._by_column.items() if self.pieces[at[0]].place}
        self._whole = [name for name in self._by_column if name not in self._cut]
        self._canvases = {
            name: Canvas.of(picture, [self.pieces[n] for n in self._by_column[name]])
            for name, picture in pictures.items()
        }
        most = BESIDE_CONTENTS if self._cut else len(background)
        self.background = _some(background, most)

    @property
    def model(self) -> Answering:
        return self._model

    def thinned(self, typical: int) -> RowGame:
        if len(self.background) <= typical or not self._whole:
            return self
        if typical not in self._thinned:
            fewer = _some(self.background, typical)
            self._thinned[typical] = RowGame(self._model, self.row, fewer, self.output, self.cut)
        return self._thinned[typical]

    @property
    def asked(self) -> int:
        """Coalitions that the model was asked."""
        return self._asked + sum(game.asked for game in self._thinned.values())

    def answer(self) -> float:
        """The explained number of the row as it is."""
        return float(self.values(np.ones((1, len(self.pieces)), dtype=bool))[0])

    def numbers(self, rows: Dataset) -> NDArray[np.float64]:
        """The explained number of any rows, shape (rows,). No store keeps anything of them."""
        with using(None):
            array = np.asarray(self._model.predict(rows).array(), dtype=np.float64)
        return array if array.ndim == 1 else array[:, self.output]

    def values(self, present: NDArray[np.bool_]) -> NDArray[np.float64]:
        keys = [np.packbits(coalition).tobytes() for coalition in present]
        new = [n for n, key in enumerate(keys) if key not in self._known]
        first = {keys[n]: n for n in reversed(new)}
        wanted = sorted(first.values())
        self._asked += len(wanted)
        found = self._means([present[n] for n in wanted])
        self._known |= {keys[n]: value for n, value in zip(wanted, found, strict=True)}
        return np.array([self._known[key] for key in keys])

    def _means(self, coalitions: Sequence[NDArray[np.bool_]]) -> list[float]:
        """What each coalition is answered, in the mean over what stands for what is not there."""
        counts = [len(self.background) if self._lacks_cells(one) else 1 for one in coalitions]
        found: list[float] = []
        start = 0
        while start < len(coalitions):
            stop, rows = start, 0
            while stop < len(coalitions) and (stop == start or rows + counts[stop] <= ROWS_AT_ONCE):
                rows += counts[stop]
                stop += 1
            asked = self._rows(coalitions[start:stop], counts[start:stop])
            ends = np.cumsum(counts[start:stop])
            parts = np.split(self.numbers(asked), ends[:-1])
            found += [float(part.mean()) for part in parts]
            start = stop
        return found

    def _lacks_cells(self, coalition: NDArray[np.bool_]) -> bool:
        return any(not coalition[self._by_column[name][0]] for name in self._whole)

    def _rows(self, coalitions: Sequence[NDArray[np.bool_]], counts: Sequence[int]) -> Dataset:
        """A row for each coalition, or as many as the background has."""
        cells: dict[str, NDArray[Any]] = {}
        for name, at in self._by_column.items():
            own = self.row.values(name)
            parts = []
            for coalition, count in zip(coalitions, counts, strict=True):
                if name in self._cut:
                    cell = np.empty(count, dtype=object)
                    cell[:] = self._cell(name, [self.pieces[n] for n in at], coalition[at])
                    parts.append(cell)
                elif coalition[at[0]]:
                    parts.append(np.repeat(own, count))
                else:
                    parts.append(self.background.values(name)[:count])
            cells[name] = np.concatenate(parts)
        lines = np.arange(1, sum(counts) + 1, dtype=np.int64)
        return Dataset("a row and its pieces", self.row.columns, cells, lines)

    def _cell(self, name: str, pieces: Sequence[Piece], present: NDArray[np.bool_]) -> str | None:
        own: str | None = self.row.values(name)[0]
        if present.all() or own is None:
            return own
        if name in self._canvases:
            return self._canvases[name].cell(present)
        return text_of(own, pieces, present)

    def heats(self, method: str, clock: Clock) -> Heats | None:
        """The members' heats, each by its weight; None where no member has any."""
        return member_heats(self._model.members, self, method, clock)

    def heat_methods(self) -> frozenset[str]:
        return frozenset().union(*(fitted.heat_methods() for fitted, _ in self._model.members))

    def heat_packages(self, method: str) -> frozenset[str]:
        members = (fitted for fitted, _ in self._model.members)
        return frozenset().union(*(fitted.heat_packages(method) for fitted in members))


def _some(rows: Dataset, most: int) -> Dataset:
    """At most so many of some rows, at even steps."""
    every = np.linspace(0, len(rows) - 1, min(most, len(rows))).round()
    return rows.take(np.unique(every.astype(np.int64)))


def member_heats(
    members: Sequence[tuple[Fitted, float]], game: Game, method: str, clock: Clock
) -> Heats | None:
    """The heats of some members for a game's row and output, each by its weight and in its share
    of the time; None where none has any."""
    left = sum(method in fitted.heat_methods() for fitted, _ in members)
    found = []
    for fitted, _ in members:
        found.append(fitted.heats(game.row, game.output, method, clock.share(left)))
        left -= method in fitted.heat_methods()
    return mixed(found, [weight for _, weight in members])
