"""What the explanation of a row comes to, as a value, and how far it is true of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.explaining import HEATS, Piece

GRADIENTS = HEATS[0]
UNKNOWN = (
    "by how much the answer of what was looked into differs from that to nothing is not known, nor "
    "what credits miss of it"
)
MUCH_MISSED, LITTLE = 0.05, 1e-3
"""Share of the change, and what is less than any share counts."""


@dataclass(frozen=True)
class Faithfulness:
    """How much sooner the answer falls as pieces go, and rises as they come, in the order of an
    explanation than in a random one: half the area between the curves, in units of the explained
    number, with its 95 % interval over so many `rows`. Of one row the interval is that of single
    random orders."""

    gain: float
    low: float
    high: float
    rows: int

    @property
    def is_better(self) -> bool:
        """Whether it is better than a random order beyond the interval."""
        return self.low > 0

    def told(self) -> str:
        """In words."""
        span = f"{self.gain:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"
        if self.is_better:
            return f"better than a random order: {span}"
        if self.rows == 1:
            return f"not to be told from a random order by this row alone: {span}"
        return f"no better than a random order on this model: {span}"


@dataclass(frozen=True)
class Sanity:
    """The rank correlation of credit by a model with that by the same model whose learned weights
    are redrawn, in the mean over draws; NaN where all pieces get the same. Where the credit
    `is_independent` of what was learned, it shows the input or the checkpoint, and explains no
    answer of this model."""

    correlation: float
    is_independent: bool

    def told(self) -> str:
        """In words."""
        said = f"rank correlation {self.correlation:.2f}"
        if self.is_independent:
            return (
                f"a model with redrawn weights gives the same credit ({said}): it explains nothing"
            )
        return f"a model with redrawn weights gives other credit ({said})"


@dataclass(frozen=True)
class RowExplanation:
    """Why one row was answered as it was.

    `value` is the explained number and `output` its class or label, empty of a number; `answer` is
    what `predict` gives. `credits` has shape (pieces,); where the method is additive, `base` and
    credits sum to `value`; where `change` is told, they sum to that but for what is `missed`.
    `tried` tells of each method that was looked at its gain over a random order, or why it was left
    out.
    """

    row: int
    answer: str
    output: str
    value: float
    base: float | None
    method: str
    is_additive: bool
    pieces: tuple[Piece, ...]
    credits: NDArray[np.float64]
    cells: Mapping[str, Any]
    """The row's cells by column, as the model reads them."""
    gain: float
    faithfulness: Faithfulness
    tried: Mapping[str, float | str]
    seconds: float
    evaluations: int
    change: float | None = None
    """By how much the members looked into answer the row otherwise than nothing at all."""

    @property
    def missed(self) -> float | None:
        """What credits lack of what they should sum to: of the change, or of what the value differs
        from the base; None of a method whose credits need not sum to anything.

        Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017, the axiom
        of completeness.
        """
        whole = self.change
        if self.is_additive and self.base is not None:
            whole = self.value - self.base
        return None if whole is None else whole - float(self.credits.sum())

    def completeness(self) -> str:
        """In words, what credits miss of the change; empty of a method that has none to miss."""
        if self.change is None or self.missed is None:
            return UNKNOWN if self.method == GRADIENTS else ""
        said = (
            f"credits sum to {self.credits.sum():+.4f}, of {self.change:+.4f} by which the answer "
            "of what was looked into differs from that to nothing"
        )
        share = abs(self.missed) / abs(self.change) if self.change else inf
        if share > MUCH_MISSED and abs(self.missed) > LITTLE:
            often = f"{share:.0%}" if share < 1 else "more than all"
            return f"{said}: {often} of it is missed, and credits are not to be taken by their size"
        return f"{said}: {abs(self.missed):.4f} is missed"

    def by_column(self) -> dict[str, float]:
        """The sum of the credits in each column, the largest first: what the words, the picture and
        the price each added."""
        found: dict[str, float] = {}
        for piece, credit in zip(self.pieces, self.credits, strict=True):
            found[piece.column] = found.get(piece.column, 0.0) + float(credit)
        return dict(sorted(found.items(), key=lambda item: -abs(item[1])))

    def top(self, count: int = 5) -> list[tuple[Piece, float]]:
        """The pieces with the largest credits, of either sign."""
        order = np.argsort(-np.abs(self.credits), kind="stable")[:count]
        return [(self.pieces[n], float(self.credits[n])) for n in order]
