"""The rows that are not learned from are read first: a model is worth nothing without them."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.nn.shards import active
from tunesmith.nn.tally import FROZEN
from tunesmith.zoo.backbones import Backbone, features_within, known_rows


def read_all(
    base: Backbone,
    contents: list[str],
    length: int,
    watch: Watch,
    seed: int,
    keep: Sequence[int],
    readout: str = "last",
) -> float:
    """Bring the features of all the valid rows into memory; gives the seconds that one of them took
    which was not known, 0 where all were or there is no deadline.

    Raises:
        BudgetError: That alone would take more than half of the time left.
    """
    clock = watch.clock
    if clock.has_deadline():
        clock = clock.until(clock.left() / 2)
    new, began, stored = unknown(base, contents, length), clock.elapsed(), FROZEN.stored_seconds
    rows, _ = features_within(
        base, contents, max_length=length, clock=clock, seed=seed, readout=readout, keep=keep
    )
    seconds = FROZEN.stored_seconds - stored if active() else clock.elapsed() - began
    if len(rows) < len(contents):
        raise BudgetError(
            f"{base.card.name} read {len(rows)} of {len(contents)} validation rows in half the time"
        )
    return seconds / new if new and clock.has_deadline() else 0.0


def unknown(base: Backbone, contents: list[str], length: int) -> int:
    """How many contents have no features stored."""
    return len(contents) - len(known_rows(base, contents, length))
