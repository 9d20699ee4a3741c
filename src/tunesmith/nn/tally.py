"""How often frozen parts of networks were run in this process: what the activation store spares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Rows that frozen parts of networks were run over, and rows times blocks."""

    rows: int = 0
    block_rows: int = 0

    def add(self, rows: int, blocks: int) -> None:
        self.rows += rows
        self.block_rows += rows * blocks


FROZEN = Tally()
