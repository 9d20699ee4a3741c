"""Folds: every row valid once in each draw, classes in their shares, what belongs together kept."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.folds import (
    COUNT,
    MOST_ROWS,
    ends_training,
    folds,
    forward,
    repeats,
    usual,
)

ROWS = np.arange(100, 400)
CODES = np.repeat([0, 1, 2], [200, 80, 20])


@pytest.mark.parametrize("times", [1, 3])
def test_every_row_is_valid_once_in_each_draw(times: int) -> None:
    found = folds(ROWS, strata=CODES, count=5, times=times, seed=0)
    assert len(found) == 5 * times
    valid = np.concatenate([one for _, one in found])
    assert (np.bincount(valid, minlength=400)[100:] == times).all()
    for train, held in found:
        assert not set(train) & set(held)
        assert len(train) + len(held) == len(ROWS)


def test_each_fold_has_the_classes_in_their_shares() -> None:
    for _, held in folds(ROWS, strata=CODES, count=5, seed=1):
        assert np.bincount(CODES[held - 100]).tolist() == [40, 16, 4]


def test_draws_differ_and_the_same_seed_gives_the_same() -> None:
    one, same, other = (folds(ROWS, strata=CODES, count=4, times=2, seed=s) for s in (0, 0, 1))
    assert all((a[1] == b[1]).all() for a, b in zip(one, same, strict=True))
    assert any((a[1] != b[1]).any() for a, b in zip(one, other, strict=True))
    assert any((a[1] != b[1]).any() for a, b in zip(one[:4], one[4:], strict=True))


def test_rows_of_a_group_stay_together_and_groups_that_share_a_row_too() -> None:
    group = np.arange(300) // 3
    other = np.arange(300)
    other[[0, 299]] = 0  # joins the first group and the last
    found = folds(ROWS, strata=CODES, groups=[group, other], count=5, seed=0)
    for _, held in found:
        places = held - 100
        assert all((np.isin(places, np.flatnonzero(group == g))).sum() == 3 for g in group[places])
        assert (0 in places) == (299 in places)
    sizes = [len(held) for _, held in found]
    assert sum(sizes) == 300
    assert max(sizes) <= 1.2 * min(sizes)


def test_there_are_no_more_folds_than_groups() -> None:
    found = folds(ROWS, strata=None, groups=[np.arange(300) % 2], count=5, seed=0)
    assert len(found) == 2


def test_one_large_group_and_many_small_ones_fill_the_folds() -> None:
    group = np.where(np.arange(300) < 100, 0, np.arange(300))
    found = folds(ROWS, strata=CODES, groups=[group], count=5, seed=0)
    assert sorted(len(held) for _, held in found) == [50, 50, 50, 50, 100]


def test_few_rows_are_divided_more_often_and_many_not_at_all() -> None:
    assert [repeats(n) for n in (100, 800, 4000)] == [3, 2, 1]
    assert [usual(n) for n in (100, MOST_ROWS, MOST_ROWS + 1)] == [COUNT, COUNT, 0]
    assert usual(MOST_ROWS + 1, 900) == COUNT  # of one class there are few
    assert not usual(MOST_ROWS + 1, 2000)
    assert not usual(1_000_000, 900)


def test_what_ends_training_is_a_tenth_in_the_shares_of_the_classes() -> None:
    train, last = ends_training(ROWS, strata=CODES, count=10, seed=0)
    assert not set(train) & set(last)
    assert sorted([*train, *last]) == ROWS.tolist()
    assert len(last) == 30
    assert np.bincount(CODES[last - 100]).tolist() == [20, 8, 2]


def test_what_ends_training_is_whole_groups() -> None:
    groups = np.random.default_rng(0).integers(0, 40, 300)
    train, last = ends_training(ROWS, strata=CODES, groups=groups, count=10, seed=0)
    assert not set(groups[train - 100]) & set(groups[last - 100])
    assert 20 <= len(last) <= 45


def test_what_ends_training_is_the_latest() -> None:
    times = np.random.default_rng(0).permutation(300).astype(float)
    times[:5] = np.nan
    bands = (np.nan_to_num(times) // 30).astype(np.int64)  # of numbers that rise with time
    train, last = ends_training(ROWS, strata=bands, times=times, count=10, seed=0)
    assert len(last) == 30
    assert np.nanmax(times[train - 100]) < times[last - 100].min()
    assert set(range(100, 105)) <= set(train)


@pytest.mark.parametrize("by", ["groups", "times"])
def test_no_class_is_kept_from_what_is_learned(by: str) -> None:
    codes = np.where(np.arange(300) < 280, 0, 1)  # the last rows, and a group, are all of a class
    train, last = ends_training(
        ROWS,
        strata=codes,
        classes=codes,
        groups=codes if by == "groups" else None,
        times=np.arange(300.0) if by == "times" else None,
        count=10,
        seed=0,
    )
    assert set(codes[train - 100]) == {0, 1}
    assert len(last) == 30


def test_one_group_alone_is_divided_all_the_same() -> None:
    train, last = ends_training(
        ROWS, strata=CODES, groups=np.zeros(300, dtype=np.int64), count=10, seed=0
    )
    assert len(last) == 30
    assert len(train) == 270


def test_folds_by_time_go_forward_and_never_divide_a_moment() -> None:
    times = np.array([3.0, 1, 1, 2, 2, np.nan, 4, 4, 5, 6, 6])
    found = forward(times, count=3)
    assert len(found) == 3
    for before, held in found:
        assert 5 in before
        assert np.nanmax(times[before]) < times[held].min()
    tested = np.concatenate([held for _, held in found])
    assert sorted(tested) == [*np.flatnonzero(times >= times[found[0][1]].min())]
    with pytest.raises(DataError, match="2 different times"):
        forward(np.array([1.0, 1, 1, 2, 2]), count=3)
