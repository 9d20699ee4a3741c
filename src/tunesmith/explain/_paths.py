"""Shapley values of grown trees: what each column of a row is worth against each of some others.

Of a pair (the row, one other) every leaf is looked at that can be reached with some columns as in
the row and the rest as in the other. It counts for those coalitions that hold every column which on
its path must be as in the row, and none which must be as in the other; its part of the Shapley
values follows from how many there are of each. The package shap has the same method, but not for
splits by a set of levels (LightGBM, XGBoost), for CatBoost, or for columns of which several
features are made. Tests compare the two where both can. Up to 64 others walk through the trees
together, as the bits of a number.

Source: Lundberg et al., "From local explanations to global understanding with explainable AI for
trees", Nature Machine Intelligence 2020, interventional TreeSHAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.trees import LEAF, Grove

WORD = 64
AT_ONCE = 20_000
"""Leaves that are summed over at a time."""

Bits = NDArray[np.uint64]


@dataclass(frozen=True)
class Reached:
    """Places in trees: the node; as bits the others that are `there`, shape (places,); as bits the
    columns that must be as in the row (`own`) and as in the other, shape (places, words)."""

    node: NDArray[np.int64]
    there: Bits
    own: Bits
    foreign: Bits

    def take(self, some: NDArray[np.int64]) -> Reached:
        return Reached(self.node[some], self.there[some], self.own[some], self.foreign[some])


def pair_credits(grove: Grove) -> NDArray[np.float64]:
    """What each column adds to the margins of the last row of a grove, against each of the rows
    before it: shape (rows - 1, players, outputs); over players it sums to the difference of their
    margins."""
    others = len(grove.margins) - 1
    starts = range(0, others, WORD)
    of_two = is_share(grove)
    values = np.asarray(grove.values[:, 1:] if of_two else grove.values, dtype=np.float32)
    parts = [_of_some(grove, values, np.arange(i, min(i + WORD, others))) for i in starts]
    found = np.concatenate(parts)
    return np.concatenate([-found, found], axis=2) if of_two else found


def is_share(grove: Grove) -> bool:
    """Whether its values are shares of two classes, which sum to 1."""
    return grove.values.shape[1] == 2 and not grove.has_odds


def _of_some(
    grove: Grove, values: NDArray[np.float32], others: NDArray[np.int64]
) -> NDArray[np.float64]:
    found = np.zeros((len(others), len(grove.players), values.shape[1]))
    none = np.zeros((len(grove.roots), -(-len(grove.players) // WORD)), dtype=np.uint64)
    everyone = np.full(len(grove.roots), 2 ** len(others) - 1, dtype=np.uint64)
    ahead = Reached(grove.roots, everyone, none, none)
    while len(ahead.node):
        is_leaf = grove.left[ahead.node] == LEAF
        ends = np.flatnonzero(is_leaf)
        for start in range(0, len(ends), AT_ONCE):
            some = ahead.take(ends[start : start + AT_ONCE])
            _add(found, some, values[grove.right[some.node]])
        if is_leaf.all():
            break
        ahead = _step(grove, ahead.take(np.flatnonzero(~is_leaf)), others)
    return found


def _step(grove: Grove, at: Reached, others: NDArray[np.int64]) -> Reached:
    """One question further. Who answers as the row does goes with it. Who does not parts: to where
    the row goes, for coalitions that hold the column, and to the other side, for those that do not;
    unless it was settled above which of them these are."""
    nodes, which = _each_once(at.node, len(grove.left))
    asked = grove.asks(nodes)
    with_row = _packed(asked[others] == asked[-1])[which]
    goes_left = asked[-1][which]
    column = _bit(grove.player[at.node], at.own.shape)
    is_own = (at.own & column).any(axis=1)
    is_settled = is_own | (at.foreign & column).any(axis=1)
    left, right = grove.left[at.node], grove.right[at.node]
    near, far = np.where(goes_left, left, right), np.where(goes_left, right, left)
    part = at.there & ~with_row
    nobody = np.uint64(0)
    return _there(
        Reached(near, np.where(is_own, at.there, at.there & with_row), at.own, at.foreign),
        Reached(near, np.where(is_settled, nobody, part), at.own | column, at.foreign),
        Reached(far, np.where(is_own, nobody, part), at.own, at.foreign | column),
    )


def _each_once(nodes: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The nodes, of so many, that occur, and which of them each is."""
    place = np.zeros(count, dtype=np.int64)
    place[nodes] = 1
    found = np.flatnonzero(place)
    place[found] = np.arange(len(found))
    return found, place[nodes]


def _there(*parts: Reached) -> Reached:
    """Those places where anybody is."""
    kept = [part.take(np.flatnonzero(part.there)) for part in parts]
    return Reached(
        *(np.concatenate([getattr(part, name) for part in kept]) for name in vars(parts[0]))
    )


def _bit(player: NDArray[np.int64], shape: tuple[int, ...]) -> Bits:
    found = np.zeros(shape, dtype=np.uint64)
    place = np.arange(len(player))
    found[place, player // WORD] = np.uint64(1) << (player % WORD).astype(np.uint64)
    return found


def _packed(marks: NDArray[np.bool_]) -> Bits:
    """(up to 64, n) → (n,), the first as the lowest bit."""
    octets = np.packbits(marks, axis=0, bitorder="little").T
    whole = np.zeros((len(octets), WORD // 8), dtype=np.uint8)
    whole[:, : octets.shape[1]] = octets
    return whole.view("<u8")[:, 0].astype(np.uint64)


def _marks(words: Bits, count: int) -> NDArray[np.float32]:
    """(n, words) → (n, count) of 0 and 1."""
    octets = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=count, bitorder="little").astype(np.float32)


def _add(found: NDArray[np.float64], at: Reached, values: NDArray[np.float32]) -> None:
    """Add what leaves of these values bring: (others, players, outputs)."""
    own, foreign = (_marks(words, found.shape[1]) for words in (at.own, at.foreign))
    for_row, against = _weights(own.sum(axis=1), foreign.sum(axis=1))
    own *= for_row[:, None]
    foreign *= against[:, None]
    own -= foreign
    there = _marks(at.there[:, None], len(found))
    if values.shape[1] == 1:
        there *= values
        found[:, :, 0] += there.T @ own
        return
    for output in range(values.shape[1]):  # a tree may be of one output alone
        some = np.flatnonzero(values[:, output])
        found[:, :, output] += (there[some] * values[some, output, None]).T @ own[some]


def _weights(
    own: NDArray[np.float32], foreign: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of all orders of the columns on a path, the share in which a given one of `own` comes last
    of these and before all `foreign`; and in which a given one of `foreign` comes first of these,
    after all `own`."""
    from scipy.special import beta

    u, v = (np.arange(int(counts.max(initial=0)) + 1.0) for counts in (own, foreign))
    last = np.where(u[:, None] > 0, beta(np.maximum(u[:, None], 1), v + 1), 0)
    first = np.where(v > 0, beta(u[:, None] + 1, np.maximum(v, 1)), 0)
    at = own.astype(np.int64), foreign.astype(np.int64)
    return last[at].astype(np.float32), first[at].astype(np.float32)
