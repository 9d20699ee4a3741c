"""Several groves walked through as one: those of ten folds are small, and each step of a walk
through one takes longer to call than to compute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.trees import LEAF, Grove
from tunesmith.explain._paths import is_share, pair_credits

MOST_NODES = 200_000
"""Up to which it is quicker: of more, steps take longer to compute, and each leaf holds a number
for every grove."""


def pair_credits_of(groves: Sequence[Grove]) -> list[NDArray[np.float64]]:
    """As `pair_credits` of each, with the same rows in all."""
    if len(groves) == 1:
        return [pair_credits(groves[0])]
    players = tuple(dict.fromkeys(name for grove in groves for name in grove.players))
    places = [np.array([players.index(name) for name in grove.players]) for grove in groves]
    outputs = _starts(1 if is_share(grove) else grove.values.shape[1] for grove in groves)
    found = pair_credits(_joined(groves, players, places, outputs))
    each = []
    for number, grove in enumerate(groves):
        own = found[:, places[number], outputs[number] : outputs[number + 1]]
        each.append(np.concatenate([-own, own], axis=2) if is_share(grove) else own)
    return each


def _joined(
    groves: Sequence[Grove],
    players: tuple[tuple[str, ...], ...],
    places: Sequence[NDArray[np.int64]],
    outputs: Sequence[int],
) -> Grove:
    """One grove whose margins are those of all, one behind the other. Nobody asks for its
    values as odds."""
    nodes = _starts(len(grove.left) for grove in groves)
    leaves = _starts(len(grove.values) for grove in groves)
    values = np.zeros((leaves[-1], outputs[-1]))
    left, right = [], []
    for number, grove in enumerate(groves):
        own = slice(leaves[number], leaves[number + 1])
        start, stop = outputs[number], outputs[number + 1]
        values[own, start:stop] = grove.values[:, -(stop - start) :]
        is_leaf = grove.left == LEAF
        left.append(np.where(is_leaf, LEAF, grove.left + nodes[number]))
        right.append(grove.right + np.where(is_leaf, leaves[number], nodes[number]))

    def asks(wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Nodes come in rising order."""
        ends = np.searchsorted(wanted, nodes)
        parts = [
            grove.asks(wanted[ends[n] : ends[n + 1]] - nodes[n])
            for n, grove in enumerate(groves)
            if ends[n] < ends[n + 1]
        ]
        return np.concatenate(parts, axis=1)

    return Grove(
        players=players,
        roots=np.concatenate([g.roots + at for g, at in zip(groves, nodes, strict=False)]),
        left=np.concatenate(left),
        right=np.concatenate(right),
        player=np.concatenate([at[g.player] for g, at in zip(groves, places, strict=True)]),
        values=values,
        asks=asks,
        margins=np.concatenate([grove.margins for grove in groves], axis=1),
        has_odds=True,
    )


def _starts(counts: Iterable[int]) -> list[int]:
    """Where each of some parts begins, and the last one ends."""
    return [0, *accumulate(counts)]
