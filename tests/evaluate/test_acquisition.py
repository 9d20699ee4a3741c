"""Rows to label are unsure ones, and unlike one another."""

from __future__ import annotations

import numpy as np

from tunesmith.evaluate.acquisition import pool, spread_out


def test_every_heap_is_asked_before_any_is_asked_twice() -> None:
    dice = np.random.default_rng(0)
    centers = 10 * np.eye(6)
    heap = np.repeat(np.arange(6), 30)
    points = centers[heap] + 0.1 * dice.normal(size=(180, 6))
    chosen = spread_out(points, np.full(180, 0.5), 6)
    assert set(heap[chosen]) == set(range(6))


def test_the_least_sure_row_comes_first_and_sure_ones_last() -> None:
    points = np.arange(10.0)[:, None]
    unsure = np.array([0.0, 0.9, 0, 0, 0.8, 0, 0, 0, 0, 0.7])
    assert spread_out(points, unsure, 3).tolist() == [1, 9, 4]


def test_equal_rows_are_chosen_once_while_others_are_left() -> None:
    points = np.repeat(np.arange(4.0), 5)[:, None]
    chosen = spread_out(points, None, 6)
    assert len(set(points[chosen[:4], 0])) == 4
    assert len(set(chosen.tolist())) == 6


def test_only_the_least_sure_are_looked_at() -> None:
    unsure = np.linspace(0, 1, 5_000)
    near = pool(unsure, 5_000, 30)
    assert len(near) == 300
    assert near.min() == 4_700
    assert len(pool(None, 50, 30)) == 50
