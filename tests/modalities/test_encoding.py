"""The mean of the target by level: rows do not see their own."""

from __future__ import annotations

import json

import numpy as np

from tunesmith.modalities.encoding import Encoding, can_encode


def test_a_level_is_its_mean_shrunk_by_how_few_rows_it_has() -> None:
    codes = np.repeat([0, 1, 2], [200, 200, 2])[:, None]
    truth = np.concatenate([np.arange(200) % 4 == 0, np.arange(200) % 4 != 0, [True, True]])
    encoding, _ = Encoding.fit(codes, [3], truth.astype(np.int64), seed=0)
    low, high, rare = encoding.transform(np.array([[0], [1], [2]]))[:, 0]
    assert abs(low - 0.25) < 0.02
    assert abs(high - 0.75) < 0.02
    assert 0.5 < rare <= 1.0


def test_a_level_of_one_row_tells_nothing_of_its_target() -> None:
    rows = 400
    truth = np.random.default_rng(0).integers(0, 2, rows)
    encoding, crossed = Encoding.fit(np.arange(rows)[:, None], [rows], truth, seed=0)
    assert abs(float(np.corrcoef(crossed[:, 0], truth)[0, 1])) < 0.1
    assert np.ptp(crossed) < 0.05, "each row is the mean of the others"
    assert encoding.transform(np.array([[0]])).shape == (1, 1)


def test_many_classes_have_a_share_each_and_numbers_a_mean() -> None:
    dice = np.random.default_rng(0)
    codes = dice.integers(0, 5, (300, 2))
    encoding, crossed = Encoding.fit(codes, [5, 6], dice.integers(0, 3, 300), seed=0)
    assert encoding.outputs == 3
    assert crossed.shape == (300, 6)
    numbers, _ = Encoding.fit(codes, [5, 6], codes[:, 0] * 10.0, seed=0)
    assert np.allclose(numbers.transform(np.array([[3, 5]]))[0, 0], 30.0, atol=0.5)


def test_it_is_remembered_as_json() -> None:
    codes = np.arange(60)[:, None] % 4
    encoding, _ = Encoding.fit(codes, [4], (codes[:, 0] > 1).astype(np.int64), seed=0)
    again = Encoding.restore(json.loads(json.dumps(encoding.state())))
    assert np.array_equal(again.transform(codes), encoding.transform(codes))


def test_a_target_that_cannot_be_folded_is_told() -> None:
    assert can_encode(np.array([0, 1] * 5))
    assert not can_encode(np.array([0, 1, 2, 3]))
    assert not can_encode(np.zeros(20, dtype=np.int64))
    assert can_encode(np.arange(10.0))
