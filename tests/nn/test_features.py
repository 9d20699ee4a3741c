"""Frozen features are computed once, and forgotten when they take too much room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.nn.features import FeatureMemo, Key


def test_known_rows_are_not_computed_again() -> None:
    memo, asked = FeatureMemo(), []

    def compute(new: Sequence[Key]) -> NDArray[np.float32]:
        asked.extend(new)
        return np.array([[float(text)] for _, text in new], dtype=np.float32)

    memo.get([("m", "1"), ("m", "2"), ("m", "1")], compute)
    found = memo.get([("m", "3"), ("m", "1"), ("other", "1")], compute)
    assert found[:, 0].tolist() == [3, 1, 1]
    assert asked == [("m", "1"), ("m", "2"), ("m", "3"), ("other", "1")]


def test_a_request_over_the_limit_is_answered_whole() -> None:
    memo = FeatureMemo(most_bytes=10)

    def compute(new: Sequence[Key]) -> NDArray[np.float32]:
        return np.array([[float(text)] for _, text in new], dtype=np.float32)

    memo.get([("m", "1"), ("m", "2")], compute)
    found = memo.get([("m", "1"), ("m", "3"), ("m", "4"), ("m", "2")], compute)
    assert found[:, 0].tolist() == [1, 3, 4, 2]
    assert memo.missing([("m", "1"), ("m", "3")]) == [("m", "1")]
