"""The symmetric trees of CatBoost as nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.trees import LEAF, Grove

Told = Mapping[str, Any]
Owners = tuple[int, ...]
"""Features that a split is of: several where categories are taken together."""


@dataclass(frozen=True)
class Symmetric:
    """Trees whose nodes of one level all ask the same. `tree` and `level` say where a node lies;
    `owners[owner[node]]` are the features, in CatBoost's order, that it asks about."""

    roots: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    owner: NDArray[np.int64]
    owners: tuple[Owners, ...]
    values: NDArray[np.float64]
    tree: NDArray[np.int64]
    level: NDArray[np.int64]

    @staticmethod
    def of(told: Told, outputs: int) -> Symmetric:
        """CatBoost's JSON. Bit `k` of a leaf's number is the answer to the split of level `k`."""
        known = _owners(told["features_info"])
        trees, owners = told["oblivious_trees"], dict[Owners, int]()
        roots, left, right, owner, tree, level, values = ([] for _ in range(7))
        nodes = leaves = 0
        for number, one in enumerate(trees):
            splits = one["splits"] or []
            depth = len(splits)
            inner, ends = 2**depth - 1, 2**depth
            of_level = [owners.setdefault(known[s["split_index"]], len(owners)) for s in splits]
            levels = np.repeat(np.arange(depth + 1), 2 ** np.arange(depth + 1))
            roots.append(nodes)
            left.append(np.r_[nodes + 1 + 2 * np.arange(inner), np.full(ends, LEAF)])
            right.append(np.r_[nodes + 2 + 2 * np.arange(inner), leaves + np.arange(ends)])
            owner.append(np.array([*of_level, 0])[levels])
            level.append(levels)
            tree.append(np.full(inner + ends, number))
            found = np.array(one["leaf_values"], dtype=np.float64).reshape(ends, outputs)
            values.append(found[_reversed(depth)])
            nodes, leaves = nodes + inner + ends, leaves + ends
        scale = float(told["scale_and_bias"][0])
        return Symmetric(
            roots=np.array(roots, dtype=np.int64),
            left=np.concatenate(left).astype(np.int64),
            right=np.concatenate(right).astype(np.int64),
            owner=np.concatenate(owner).astype(np.int64),
            owners=tuple(owners) or ((),),
            values=np.concatenate(values) * scale,
            tree=np.concatenate(tree),
            level=np.concatenate(level),
        )

    def grove(
        self, leaves: NDArray[np.int64], names: Sequence[str], margins: NDArray[np.float64]
    ) -> Grove:
        """With the leaves in which rows end, shape (rows, trees): as all nodes of a level ask the
        same, they tell what a row answers to every node."""

        def asks(nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
            return np.asarray(leaves[:, self.tree[nodes]] >> self.level[nodes] & 1 == 0)

        together = (tuple(dict.fromkeys(names[n] for n in owner)) for owner in self.owners)
        players = dict[tuple[str, ...], int]()
        of_owner = np.array([players.setdefault(one, len(players)) for one in together])
        return Grove(
            players=tuple(players),
            roots=self.roots,
            left=self.left,
            right=self.right,
            player=of_owner[self.owner],
            values=self.values,
            asks=asks,
            margins=margins,
        )


def _reversed(depth: int) -> NDArray[np.int64]:
    """The numbers of the leaves from left to right, where the root's split is the lowest bit."""
    places = np.arange(2**depth)
    found = np.zeros_like(places)
    for bit in range(depth):
        found |= (places >> bit & 1) << (depth - 1 - bit)
    return found


def _owners(info: Told) -> list[Owners]:
    """The features of each split that there may be, in the order in which CatBoost numbers them:
    borders of numbers, single levels, borders of statistics."""
    numbers, codes = info.get("float_features") or [], info.get("categorical_features") or []
    found: list[Owners] = []
    for one in numbers:
        found += [(one["flat_feature_index"],)] * len(one.get("borders") or ())
    for one in codes:
        found += [(one["flat_feature_index"],)] * len(one.get("values") or ())
    for one in info.get("ctrs") or []:
        flat = sorted({_flat(part, numbers, codes) for part in one["elements"]})
        found += [tuple(flat)] * len(one["borders"])
    return found


def _flat(part: Told, numbers: Sequence[Told], codes: Sequence[Told]) -> int:
    is_code = "cat_feature_index" in part
    own = part["cat_feature_index" if is_code else "float_feature_index"]
    among = codes if is_code else numbers
    return int(next(one for one in among if one["feature_index"] == own)["flat_feature_index"])
