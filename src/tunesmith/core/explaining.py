"""Credit for one answer: who may get it, what is handed back, and what an explainer must be able to
do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.records import Dataset, Kind

HEATS = ("integrated-gradients", "grad-cam", "attention-rollout")
"""The ways in which the inside of a network gives credit; the first is a linear model's too."""
Cut = Literal["superpixels", "grid"]
"""How a picture is cut into pieces: along its own edges, or into rectangles of one size."""
GRID = 7
"""Rectangles of a picture in a row and in a column; about as many superpixels as there are such."""
Ring = tuple[tuple[float, float], ...]
"""Corners in order, (x, y) in shares of a picture's width and height; sides go along x and y by
turns."""


@dataclass(frozen=True)
class Piece:
    """What may get credit: a word or a run of words of a text, a superpixel or rectangle of a
    picture, the cell of any other column.

    `text` is the word or the cell as text, empty for a picture. `place` is where it lies in its
    cell: (start, end) in characters of a text; (left, top, right, bottom) in shares of a picture's
    width and height; empty for a whole cell. `outline` is the shape of a superpixel, whose `place`
    is the rectangle around it: its borders, inside on the right, those of holes among them; empty
    for a rectangle.
    """

    column: str
    kind: Kind
    text: str = ""
    place: tuple[float, ...] = ()
    outline: tuple[Ring, ...] = field(default=(), repr=False)

    def rings(self) -> tuple[Ring, ...]:
        """The borders of a piece of a picture; of a rectangle its four corners."""
        if self.outline:
            return self.outline
        left, top, right, bottom = self.place
        return (((left, top), (right, top), (right, bottom), (left, bottom)),)

    def path(self, width: float, height: float, digits: int = 1) -> str:
        """The borders as an SVG path over a picture drawn at that size."""
        rings = (
            "L".join(f"{x * width:.{digits}f} {y * height:.{digits}f}" for x, y in ring)
            for ring in self.rings()
        )
        return "".join(f"M{ring}Z" for ring in rings)

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """Which pixels of a picture it covers, shape (height, width): of all pieces together every
        pixel once."""
        turns = np.zeros((height, width + 1), dtype=bool)
        for ring in self.rings():
            for (x, start), (other, end) in pairwise((*ring, ring[0])):
                if x == other:
                    low, high = sorted((round(start * height), round(end * height)))
                    turns[low:high, round(x * width)] ^= True
        return np.asarray(np.logical_xor.accumulate(turns, axis=1)[:, :width])


@dataclass(frozen=True)
class Heat:
    """What the inside of a model gives credit to, for one cell: of a text a credit for each of
    its `spans` of characters, shapes (tokens,) and (tokens, 2); of a picture shape (height, width),
    over the whole of it; of any other cell one number, shape ()."""

    credits: NDArray[np.float64]
    spans: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Heats(Mapping[str, Heat]):
    """The heats of a row's cells, by column. `change` is by how much what was looked into answers
    the row otherwise than nothing at all, to which the credits of an exact method would sum; None
    of other methods, and where it is not known."""

    cells: Mapping[str, Heat]
    change: float | None = None

    def __getitem__(self, name: str) -> Heat:
        return self.cells[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)


class Game(ABC):
    """One answer of a model for one row, seen as a game of its pieces: what would be answered if
    only some of them were there. A piece that is not there is a word left out, a part of a
    picture in the colours around it, or a cell with the values that other rows have, averaged over
    these.
    """

    row: Dataset
    """The row itself."""
    background: Dataset
    """Typical cells for what is not there."""
    pieces: tuple[Piece, ...]
    cut: Cut = "grid"
    """How pictures are cut."""
    output: int
    """Which of the answer's numbers is explained: the code of a class or label; 0 of a number."""

    @abstractmethod
    def values(self, present: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The explained number for each coalition: (coalitions, pieces) → (coalitions,)."""

    def thinned(self, typical: int) -> Game:
        """The same game with at most so many typical rows, which costs less."""
        return self

    @abstractmethod
    def heats(self, method: str, clock: Clock) -> Heats | None:
        """Credit by the inside of the model's members, by column, in units of the explained number
        where the method is additive; None where none of them can tell. `method` is one of
        `HEATS`."""

    def heat_methods(self) -> frozenset[str]:
        """Which of `HEATS` the members of the model can give."""
        return frozenset()

    def heat_packages(self, method: str) -> frozenset[str]:
        """The optional packages without which some member cannot be looked into by a method."""
        return frozenset()

    @property
    @abstractmethod
    def model(self) -> Any:
        """The model that answers, for an explainer that looks inside of it (trees)."""


@dataclass(frozen=True)
class Credits:
    """What an explainer says of a game: a credit for each piece, shape (pieces,), positive where it
    raised the explained number. `base` is that number with no piece there; where the method is
    additive, base and credits sum to the answer. `change` is as that of `Heats`."""

    credits: NDArray[np.float64]
    base: float | None = None
    change: float | None = None


class Explainer(ABC):
    """A way to give credit to the pieces of a row for one answer."""

    is_additive: bool = False
    """Whether base and credits sum to the answer."""
    extra: str = ""
    """The optional package it needs for any answer: a name that `find_spec` knows; empty where
    none."""

    def packages(self, game: Game) -> frozenset[str]:
        """The optional packages it needs for this answer."""
        return frozenset({self.extra} - {""})

    @abstractmethod
    def suits(self, game: Game) -> str:
        """Empty where it can explain this answer; otherwise the reason it cannot."""

    @abstractmethod
    def evaluations(self, game: Game) -> int:
        """How many coalitions it wants to see, or what its work comes to in that measure."""

    @abstractmethod
    def least(self, game: Game) -> int:
        """With how few it can do."""

    @abstractmethod
    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        """Give credit, by at most about so many evaluations.

        Raises:
            BudgetError: It cannot be done in the clock's time.
        """
