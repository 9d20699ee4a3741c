"""Splits: the parts are disjoint and whole, sized and mixed as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.data.split import held_out, split


def objects(cells: list[Any]) -> Any:
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def whole(parts: Any, rows: int) -> bool:
    every = np.concatenate([parts["train"], parts["valid"], parts["test"]])
    is_sorted = all((np.diff(part) > 0).all() for part in parts.values())
    return sorted(every.tolist()) == list(range(rows)) and is_sorted


SIZES = {1: 0, 2: 0, 3: 1, 4: 1, 10: 2, 1_999: 400, 2_000: 300, 11_000: 1_375}
SIZES |= {20_000: 2_000, 25_000: 2_500, 1_000_000: 2_500}


@pytest.mark.parametrize(("rows", "held"), SIZES.items())
def test_parts_have_their_sizes(rows: int, held: int) -> None:
    parts, reason = split(rows, strata=None, seed=0)
    assert held_out(rows) == held
    assert len(parts["valid"]) == len(parts["test"]) == held
    assert whole(parts, rows) if rows <= 2_000 else len(parts["train"]) == rows - 2 * held
    assert f"{rows - 2 * held:,} train" in reason
    assert all(part.dtype == np.int64 for part in parts.values())


def test_classes_stand_in_every_part_in_the_same_shares() -> None:
    strata = np.random.default_rng(0).choice(3, 1_500, p=[0.7, 0.2, 0.1])
    parts, reason = split(1_500, strata=strata, seed=0)
    assert whole(parts, 1_500)
    assert reason.startswith("stratified by target: 900 train, 300 valid and 300 test rows")
    for part in parts.values():
        shares = np.bincount(strata[part]) / len(part)
        assert shares == pytest.approx(np.bincount(strata) / 1_500, abs=0.01)


def test_classes_of_few_rows_train_first_and_then_select() -> None:
    strata = np.array([0] * 60 + [1] * 37 + [2] + [3] * 2)
    parts, reason = split(100, strata=strata, seed=3)
    where = {name: strata[rows].tolist() for name, rows in parts.items()}
    assert 2 in where["train"]
    assert where["train"].count(3) == where["valid"].count(3) == 1
    assert "1 class of a single row only in train" in reason
    assert len(parts["valid"]) == len(parts["test"]) == 20


def test_every_class_keeps_a_row_in_train() -> None:
    rng = np.random.default_rng(1)
    for seed in range(20):
        strata = np.repeat(np.arange(80), rng.integers(1, 9, 80))
        parts, _ = split(len(strata), strata=strata, seed=seed)
        assert whole(parts, len(strata))
        assert set(strata[parts["train"]]) == set(range(80))


def test_classes_of_only_one_row_each_leave_nothing_to_hold_out() -> None:
    parts, _ = split(10, strata=np.arange(10), seed=0)
    assert len(parts["train"]) == 10


def test_many_rare_classes_do_not_crowd_out_the_large_one() -> None:
    strata = np.concatenate([np.zeros(6_000), np.repeat(np.arange(1, 1_201), 3)]).astype(np.int64)
    parts, _ = split(len(strata), strata=strata, seed=0)
    assert (strata[parts["valid"]] == 0).mean() > 0.5


def test_the_seed_alone_decides() -> None:
    strata = np.arange(500) % 4
    one, same, other = (split(500, strata=strata, seed=seed)[0] for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert (one["valid"] != other["valid"]).any()


def test_groups_stay_whole_and_rows_without_one_stand_alone() -> None:
    rng = np.random.default_rng(0)
    names: list[Any] = [f"patient {n}" for n in rng.integers(0, 120, 900)]
    names[:300] = [None] * 300
    parts, reason = split(900, strata=None, groups=objects(names), seed=0)
    assert whole(parts, 900)
    held = {part: {names[i] for i in rows} - {None} for part, rows in parts.items()}
    assert not held["train"] & held["valid"]
    assert not held["train"] & held["test"]
    assert not held["valid"] & held["test"]
    assert all(any(names[i] is None for i in rows) for rows in parts.values())
    assert 160 <= len(parts["valid"]) <= 180
    assert "by group" in reason


def test_groups_of_any_size_fill_every_part() -> None:
    names = ["large"] * 90 + ["middle"] * 8 + ["small"] * 2
    for seed in range(10):
        parts, _ = split(100, strata=None, groups=objects(names), seed=seed)
        assert all(len(rows) for rows in parts.values())
        assert len(parts["train"]) == 90


def test_groups_prefer_a_division_where_train_holds_every_class() -> None:
    strata = np.repeat(np.arange(4), 50)
    names = [f"{label} {n}" for label in range(4) for n in range(2) for _ in range(25)]
    parts, _ = split(200, strata=strata, groups=objects(names), seed=0)
    assert set(strata[parts["train"]]) == {0, 1, 2, 3}


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 group.*at least 3"):
        split(4, strata=None, groups=objects(["a", "a", "b", "b"]), seed=0)


@pytest.mark.parametrize("is_date", [False, True])
def test_time_never_trains_on_the_future(is_date: bool) -> None:
    times: Any = np.random.default_rng(0).permutation(500).astype(np.float64)
    if is_date:
        times = times.astype("datetime64[s]")
        times[:100] = np.datetime64("NaT", "s")
    else:
        times[:100] = np.nan
    parts, reason = split(500, strata=None, times=times, seed=0)
    assert whole(parts, 500)
    assert set(range(100)) <= set(parts["train"].tolist())
    known = parts["train"][parts["train"] >= 100]
    assert times[known].max() < times[parts["valid"]].min()
    assert times[parts["valid"]].max() < times[parts["test"]].min()
    assert len(parts["test"]) == 80
    assert "100 rows without a time are in train" in reason


def test_too_few_times_are_refused() -> None:
    with pytest.raises(DataError, match="2 of 4 rows have a time"):
        split(4, strata=None, times=np.array([1.0, 2.0, np.nan, np.nan]), seed=0)


def test_given_parts_are_taken_in_any_spelling() -> None:
    given = objects(["Train", "VAL", "test", "dev", " validation ", "train", "valid"])
    parts, reason = split(7, strata=None, given=given, seed=0)
    assert {name: rows.tolist() for name, rows in parts.items()} == {
        "train": [0, 5],
        "valid": [1, 3, 4, 6],
        "test": [2],
    }
    assert reason.startswith("as given")
    assert "drawn" not in reason


def test_a_part_that_is_not_given_is_drawn_from_train() -> None:
    given = objects(["train"] * 80 + ["test"] * 20)
    strata = np.arange(100) % 2
    parts, reason = split(100, strata=strata, given=given, seed=0)
    assert parts["test"].tolist() == list(range(80, 100))
    assert len(parts["valid"]) == 16
    assert np.bincount(strata[parts["valid"]]).tolist() == [8, 8]
    assert "valid not given, so drawn from train" in reason


@pytest.mark.parametrize("cell", ["holdout", None, 3])
def test_an_unknown_part_is_named_with_its_row(cell: Any) -> None:
    with pytest.raises(DataError, match=rf"Row 2 .*{cell!r}.*train, valid"):
        split(3, strata=None, given=objects(["train", cell, "test"]), seed=0)


def test_given_parts_need_train() -> None:
    with pytest.raises(DataError, match="No row is given to 'train'"):
        split(2, strata=None, given=objects(["test", "valid"]), seed=0)


def test_two_ways_at_once_are_refused() -> None:
    cells, times = objects(["train"] * 4), np.arange(4.0)
    with pytest.raises(ConfigError, match="groups and times"):
        split(4, strata=None, groups=cells, times=times, seed=0)
    with pytest.raises(ConfigError, match="groups and given"):
        split(4, strata=None, groups=cells, given=cells, seed=0)
    with pytest.raises(ConfigError, match="times and given"):
        split(4, strata=None, times=times, given=cells, seed=0)


def test_a_length_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="5 rows got 4 strata"):
        split(5, strata=np.zeros(4, dtype=np.int64), seed=0)
