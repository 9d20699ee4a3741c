"""The nodes of grown trees, as arrays, and what rows answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.trees import LEAF, Asks, Grove

NO_SET = -1


@dataclass(frozen=True)
class Nodes:
    """All trees of a model in one row of nodes, laid out as in a `Grove`.

    A row goes left where its `feature` is at most the `threshold` (below it, where `is_strict`),
    where the feature is missing and the node's `missing_left` says so, or, where a node has a
    `level_set`, if `levels[level_set, code]`.
    """

    roots: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    values: NDArray[np.float64]
    level_set: NDArray[np.int64]
    levels: NDArray[np.bool_]
    is_strict: bool = False

    def asks(self, features: NDArray[np.float32]) -> Asks:
        """What rows of features, shape (rows, width), answer to nodes."""

        def answered(nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
            seen, bound = features[:, self.feature[nodes]], self.threshold[nodes]
            left = seen < bound if self.is_strict else seen <= bound
            left = np.where(np.isnan(seen), self.missing_left[nodes], left)
            of_sets = np.flatnonzero(self.level_set[nodes] != NO_SET)
            if len(of_sets):
                codes = np.clip(np.nan_to_num(seen[:, of_sets]), 0, self.levels.shape[1] - 1)
                left[:, of_sets] = self.levels[self.level_set[nodes[of_sets]], codes.astype(int)]
            return np.asarray(left, dtype=bool)

        return answered

    def grove(
        self, features: NDArray[np.float32], owners: Sequence[str], margins: NDArray[np.float64]
    ) -> Grove:
        """With rows of features, each made of the column that owns it."""
        names = list(dict.fromkeys(owners))
        place = np.array([names.index(name) for name in owners], dtype=np.int64)
        return Grove(
            players=tuple((name,) for name in names),
            roots=self.roots,
            left=self.left,
            right=self.right,
            player=np.where(self.left == LEAF, 0, place[self.feature]),
            values=self.values,
            asks=self.asks(features),
            margins=margins,
        )


def joined(trees: Sequence[Nodes]) -> Nodes:
    """Several trees as one row of nodes."""
    sizes = np.cumsum([0, *(len(tree.left) for tree in trees)])[:-1]
    leaves = np.cumsum([0, *(len(tree.values) for tree in trees)])[:-1]
    sets = np.cumsum([0, *(len(tree.levels) for tree in trees)])[:-1]
    parts = zip(trees, sizes, leaves, sets, strict=True)
    moved = [_moved(tree, int(node), int(leaf), int(one)) for tree, node, leaf, one in parts]
    most = max(tree.levels.shape[1] for tree in trees)
    wide = [replace(one, levels=_widened(one.levels, most)) for one in moved]
    arrays = [vars(one) for one in wide]
    names = [name for name in arrays[0] if name != "is_strict"]
    together: dict[str, Any] = {n: np.concatenate([one[n] for one in arrays]) for n in names}
    return Nodes(**together, is_strict=trees[0].is_strict)


def _widened(levels: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """More codes, all answered as the last one is."""
    return np.pad(levels, ((0, 0), (0, width - levels.shape[1])), mode="edge")


def _moved(tree: Nodes, nodes: int, leaves: int, sets: int) -> Nodes:
    is_leaf = tree.left == LEAF
    return replace(
        tree,
        roots=tree.roots + nodes,
        left=np.where(is_leaf, LEAF, tree.left + nodes),
        right=tree.right + np.where(is_leaf, leaves, nodes),
        level_set=np.where(tree.level_set == NO_SET, NO_SET, tree.level_set + sets),
    )


def bits(words: Sequence[int], width: int) -> NDArray[np.bool_]:
    """Numbers of 32 bits as marks, the lowest bit first, cut or filled up to a width."""
    found = np.unpackbits(np.array(words, dtype="<u4").view(np.uint8), bitorder="little")
    kept = np.zeros(width, dtype=bool)
    kept[: min(width, len(found))] = found[:width]
    return kept
