"""The trees of LightGBM's text format as nodes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.trees import LEAF
from tunesmith.learners._nodes import NO_SET, Nodes, bits, joined

CATEGORY, MISSING_LEFT, NAN = 1, 2, 8
"""Bits of a decision type: a set of levels, the way of what is missing, NaN counts as missing."""
WORD_BITS = 32


def lightgbm_nodes(text: str, outputs: int) -> Nodes:
    """Of a whole model; its trees stand by turns for each of the outputs."""
    trees = [part.split("\n\n", 1)[0] for part in text.split("\nTree=")[1:]]
    return joined([_tree(_fields(one), n % outputs, outputs) for n, one in enumerate(trees)])


def _fields(text: str) -> dict[str, list[str]]:
    pairs = (line.partition("=") for line in text.splitlines()[1:])
    return {name: value.split() for name, _, value in pairs}


def _tree(told: dict[str, list[str]], output: int, outputs: int) -> Nodes:
    """Inner nodes first, then leaves; a child below zero is a leaf, counted from -1."""
    leaf_values = np.array(told["leaf_value"], dtype=np.float64)
    leaves, inner = len(leaf_values), len(told.get("split_feature", []))
    kinds = _numbers(told, "decision_type", inner)
    threshold = np.array(told.get("threshold", []), dtype=np.float64)
    of_sets = (kinds & CATEGORY) != 0
    values = np.zeros((leaves, outputs))
    values[:, output] = leaf_values
    # what is no number, where a training had none, counts as zero
    missing = np.where((kinds & NAN) != 0, (kinds & MISSING_LEFT) != 0, threshold >= 0)
    level_set = np.where(of_sets, threshold, NO_SET).astype(np.int64)
    ends = np.zeros(leaves)
    return Nodes(
        roots=np.zeros(1, dtype=np.int64),
        left=np.concatenate([_children(told, "left_child", inner), np.full(leaves, LEAF)]),
        right=np.concatenate([_children(told, "right_child", inner), np.arange(leaves)]),
        feature=np.concatenate([_numbers(told, "split_feature", inner), ends.astype(np.int64)]),
        threshold=np.concatenate([threshold, ends]),
        missing_left=np.concatenate([missing & ~of_sets, ends.astype(bool)]),
        values=values,
        level_set=np.concatenate([level_set, np.full(leaves, NO_SET)]),
        levels=_levels(told),
    )


def _numbers(told: dict[str, list[str]], name: str, inner: int) -> NDArray[np.int64]:
    return np.array(told.get(name, [])[:inner], dtype=np.int64)


def _children(told: dict[str, list[str]], name: str, inner: int) -> NDArray[np.int64]:
    found = _numbers(told, name, inner)
    return np.where(found < 0, inner - found - 1, found)


def _levels(told: dict[str, list[str]]) -> NDArray[np.bool_]:
    bounds = [int(bound) for bound in told.get("cat_boundaries", [])]
    words = [int(word) for word in told.get("cat_threshold", [])]
    sets = [words[start:stop] for start, stop in pairwise(bounds)]
    # one mark more than any set has: codes beyond are in none
    width = WORD_BITS * max((len(one) for one in sets), default=0) + 1
    return np.array([bits(one, width) for one in sets], dtype=bool).reshape(len(sets), width)
