"""How often frozen parts of networks were run in this process: what the activation store spares."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.nn.shards import using


@dataclass
class Tally:
    """Rows that frozen parts of networks were run over, and rows times blocks; `checked_rows` are
    those of saved models that answered a few rows to be compared and timed. `stored_seconds` went
    into what the store now holds, and need not be spent again."""

    rows: int = 0
    block_rows: int = 0
    checked_rows: int = 0
    stored_seconds: float = 0.0
    _checking: bool = False

    def add(self, rows: int, blocks: int) -> None:
        if self._checking:
            self.checked_rows += rows
            return
        self.rows += rows
        self.block_rows += rows * blocks

    @contextlib.contextmanager
    def storing(self) -> Iterator[list[float]]:
        """What is computed in here is stored, all of it or the share that is appended."""
        began, share = time.perf_counter(), [1.0]
        try:
            yield share
        finally:
            self.stored_seconds += share[-1] * (time.perf_counter() - began)

    @contextlib.contextmanager
    def checking(self) -> Iterator[None]:
        """A saved model is to answer by itself in here: nothing comes from the store."""
        before, self._checking = self._checking, True
        try:
            with using(None):
                yield
        finally:
            self._checking = before


FROZEN = Tally()
