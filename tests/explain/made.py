"""Games that tests know everything of."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Game, Heats, Piece
from tunesmith.core.records import Dataset


class Made(Game):
    """A game given by a function of its coalitions."""

    def __init__(
        self,
        of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        pieces: int,
        columns: int = 1,
        kind: Any = "number",
        told: Heats | None = None,
    ) -> None:
        empty = Dataset("made", (), {}, np.ones(1, dtype=np.int64))
        self.row, self.background, self.output = empty, empty, 0
        self.pieces = tuple(
            Piece(f"c{n * columns // pieces}", kind, f"p{n}") for n in range(pieces)
        )
        self.asked = 0
        self._of, self._told = of, told

    @property
    def model(self) -> Any:
        return SimpleNamespace(members=())

    def values(self, present: NDArray[np.bool_]) -> NDArray[np.float64]:
        self.asked += len(present)
        return np.asarray(self._of(present.astype(float)), dtype=np.float64)

    def heats(self, method: str, clock: Clock) -> Heats | None:
        return self._told
