"""The rows that are not learned from are read first: a model is worth nothing without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem, Rows
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.shards import active
from tunesmith.nn.tally import FROZEN
from tunesmith.zoo.backbones import Backbone, cuts, features_within, known_rows


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


def read_train(
    problem: Problem,
    base: Backbone,
    inputs: Inputs,
    length: int,
    readout: str,
    watch: Watch,
    seed: int,
    *,
    valid_too: bool = False,
) -> tuple[Rows, NDArray[np.float32]]:
    """Which training rows there was time to read, and their vectors, once the valid rows are read
    (by the same read-out, where `valid_too`); what the test rows take is left.

    Raises:
        BudgetError: The valid rows alone would take more than half of the time left.
    """
    keep, looked = cuts(base, watch.depths), inputs.contents(problem.part("valid"))
    each = read_all(base, looked, length, watch, seed, keep, readout if valid_too else "last")
    after = each and each * unknown(base, inputs.contents(problem.part("test")), length)
    return features_within(
        base,
        inputs.contents(problem.part("train")),
        max_length=length,
        clock=watch.clock.until(after) if after else watch.clock,
        seed=seed,
        readout=readout,
        keep=keep,
    )


def unknown(base: Backbone, contents: list[str], length: int) -> int:
    """How many contents have no features stored."""
    return len(contents) - len(known_rows(base, contents, length))
