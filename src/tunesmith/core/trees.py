"""Grown trees as an explainer sees them, whichever library grew them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAF = -1

Asks = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Of some nodes, whether each row goes left there: (nodes,) → (rows, nodes)."""


@dataclass(frozen=True)
class Grove:
    """The trees of one model, and some rows on their way through them.

    Node `n` asks about the columns `players[player[n]]` (one, or several where a split is of them
    together), and its children are `left[n]` and `right[n]`; of a leaf `left` is `LEAF` and `right`
    its place in `values`, shape (leaves, outputs). Each row's leaves, summed over all trees, are
    its `margins` but for a constant; shape (rows, outputs). Where `has_odds` these are log odds of
    the second class, or a logit for each class; otherwise they are the answer. `only` is the one
    number of the answer that is meant, where the model answers with one for each label.
    """

    players: tuple[tuple[str, ...], ...]
    roots: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    player: NDArray[np.int64]
    values: NDArray[np.float64]
    asks: Asks
    margins: NDArray[np.float64]
    has_odds: bool = False
    only: int | None = None
