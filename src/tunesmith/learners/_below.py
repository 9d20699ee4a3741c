"""What lies below the cut of a fine-tuning: read from the activation store, or run again and again.

The frozen blocks of a network answer a row the same in every epoch, trial and run. Whether their
answers are stored is decided here, with the reason, by what storing costs and what it spares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.nn.batches import Content, Rows
from tunesmith.nn.shards import StoreError, active

if TYPE_CHECKING:
    from tunesmith.nn.activations import Trunk

NECK = "neck"
"""In place of a pool, where more than that reads the last layer."""
POOLED = {"mean": "last", "max": "max", "first": "first", "final": "final"}
"""The read-out that is what a pool makes of the last layer."""
WRITE_BYTES_A_SECOND = 2e8
"""A slow disk; a quick one writes five times that."""
USUAL_PASSES = 2
"""Trials on one cut are seldom alone: so often, at least, its rows are gone through again."""


@dataclass(frozen=True)
class Below:
    """The frozen part under a cut: `cut` blocks of a trunk, or all of them and a pool."""

    trunk: Trunk
    cut: int
    pool: str

    @property
    def readout(self) -> str:
        """The pooled vectors that are all a head needs, where only a head trains; else empty."""
        whole = self.cut == len(self.trunk.encoder.blocks)
        return POOLED.get(self.pool, "") if whole else ""

    def known(self, ids: Sequence[Content]) -> NDArray[np.bool_]:
        """Which rows are stored, shape (rows,)."""
        from tunesmith.nn import activations

        return activations.known(self.trunk, ids, None if self.readout else self.cut)

    def rows(
        self, ids: Sequence[Content], dense: NDArray[np.float32], clock: Clock | None = None
    ) -> Rows:
        """Rows with what the store holds of them, computed and stored first where it does not.

        Raises:
            StoreError: There is no store, or no room in it.
            BudgetError: The clock was over before all were computed; what was is kept.
        """
        from tunesmith.nn import activations

        pad = getattr(self.trunk.encoder, "pad_id", 0)
        if self.readout:
            vectors = activations.features(self.trunk, ids, self.readout)
            return Rows(ids, dense, pad, pooled=vectors)
        stored = activations.states(self.trunk, ids, self.cut, _stopping(clock, len(ids)))
        return Rows(ids, dense, pad, states=stored)


def _stopping(clock: Clock | None, count: int) -> Callable[[int], None] | None:
    if clock is None or not clock.has_deadline():
        return None

    def stop(done: int) -> None:
        if clock.is_over():
            raise BudgetError(f"the frozen blocks had read {done:,} of {count:,} rows by then")

    return stop


def choose(
    below: Below,
    ids: Sequence[Content],
    *,
    epochs: float,
    forward_seconds: float,
    what: str = "training rows",
) -> tuple[bool, str]:
    """Whether to train from the store, and why. `ids` are the training rows, or `what` else is read
    in their place; `epochs` how often each is read, `forward_seconds` what one costs to run through
    the whole trunk (0 where not known)."""
    from tunesmith.nn import activations

    store = active()
    if not below.cut:
        return False, "every block trains, so nothing below is frozen"
    if store is None:
        return False, "no store is in use"
    new = np.flatnonzero(~below.known(ids)).tolist()
    if not len(new):
        return True, f"all {len(ids):,} {what} are stored"
    if below.readout:
        return True, f"only a head trains: it reads one pooled vector of {len(ids):,} {what}"
    size, room = (
        activations.state_bytes(below.trunk, [ids[i] for i in new], below.cut),
        store.room_bytes(),
    )
    if size > room:
        why = store.trouble or f"there is room for {room / 1e9:.2f} GB"
        return False, f"storing {len(new):,} rows takes {size / 1e9:.2f} GB; {why}"
    if epochs <= 1:
        return False, "one epoch only: no row would be read twice"
    spared = forward_seconds * below.cut / len(below.trunk.encoder.blocks) * len(new)
    spared *= max(epochs - 1, USUAL_PASSES)
    cost = size / WRITE_BYTES_A_SECOND
    if forward_seconds and cost > spared:
        return False, f"writing takes about {cost:.1f} s and spares {spared:.1f} s"
    return True, (
        f"{len(ids) - len(new):,} of {len(ids):,} {what} are stored; the others take "
        f"{size / 1e6:.0f} MB and are read again in every epoch and trial"
    )


__all__ = ["Below", "StoreError", "choose"]
