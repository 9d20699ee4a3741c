"""The rows that a model takes to be most like another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset
from tunesmith.explain.game import Answering
from tunesmith.explain.whole.distance import Distance


@dataclass(frozen=True)
class Near:
    """For each row asked about the places of the nearest rows and how far they are, both of shape
    (rows, k), the nearest first; and in which space."""

    places: NDArray[np.int64]
    distances: NDArray[np.float64]
    space: str


def nearest(model: Answering, rows: Dataset, among: Dataset, k: int = 5) -> Near:
    """By the cosine between the features that the model's strongest network has for them, or, where
    it has none, by the cells of the table, as `Distance` says: both from 0, in which rows are the
    same, upwards."""
    k = min(k, len(among))
    fitted = max(model.members, key=lambda member: member[1])[0]
    own = fitted.seen(rows)
    if own is None:
        distance = Distance.of(among, [c for c in model.inputs if c.kind not in ("text", "image")])
        apart = [distance.apart(among, rows.take(np.array([n]))) for n in range(len(rows))]
        return _first(np.stack([one.mean(axis=1) for one in apart]), k, "cells")
    theirs = fitted.seen(among)
    assert theirs is not None
    return _first(np.maximum(0.0, 1 - _unit(own) @ _unit(theirs).T), k, "features")


def _first(apart: NDArray[np.float64], k: int, space: str) -> Near:
    places = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return Near(places, np.take_along_axis(apart, places, axis=1), space)


def _unit(features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    found = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(lengths, 1e-12))
