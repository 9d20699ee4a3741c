"""The trees of XGBoost's JSON as nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.trees import LEAF
from tunesmith.learners._nodes import NO_SET, Nodes, joined


def xgboost_nodes(raw: bytes, outputs: int) -> Nodes:
    """Of a whole model; each tree stands for one of the outputs."""
    model = json.loads(raw)["learner"]["gradient_booster"]["model"]
    pairs = zip(model["trees"], model["tree_info"], strict=True)
    return joined([_tree(tree, output, outputs) for tree, output in pairs])


def _tree(told: Mapping[str, Any], output: int, outputs: int) -> Nodes:
    left, right, feature = (
        np.array(told[name], dtype=np.int64)
        for name in ("left_children", "right_children", "split_indices")
    )
    conditions = np.array(told["split_conditions"], dtype=np.float32).astype(np.float64)
    is_leaf = left == LEAF
    values = np.zeros((int(is_leaf.sum()), outputs))
    values[:, output] = conditions[is_leaf]
    level_set = np.full(len(left), NO_SET)
    level_set[np.array(told["categories_nodes"], dtype=np.int64)] = np.arange(
        len(told["categories_nodes"])
    )
    return Nodes(
        roots=np.zeros(1, dtype=np.int64),
        left=left,
        right=np.where(is_leaf, np.cumsum(is_leaf) - 1, right),
        feature=np.where(is_leaf, 0, feature),
        threshold=conditions,
        missing_left=np.array(told["default_left"], dtype=bool),
        values=values,
        level_set=level_set,
        levels=_levels(told),
        is_strict=True,
    )


def _levels(told: Mapping[str, Any]) -> NDArray[np.bool_]:
    """What is in a set goes right. One mark more than any set has: codes beyond are in none."""
    starts, sizes = told["categories_segments"], told["categories_sizes"]
    width = max(told["categories"], default=0) + 2
    levels = np.ones((len(starts), width), dtype=bool)
    for place, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        levels[place, told["categories"][start : start + size]] = False
    return levels
