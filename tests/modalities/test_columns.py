"""Columns as trees want them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.records import Column, Dataset
from tunesmith.modalities.columns import MISSING, OTHER, Columns


def dataset(**cells: tuple[str, list[Any] | np.ndarray[Any, Any]]) -> Dataset:
    columns, typed = [], {}
    for name, (kind, values) in cells.items():
        forms = {"number": np.float64, "date": "datetime64[s]"}
        columns.append(Column(name, kind, "a test"))  # type: ignore[arg-type]
        typed[name] = np.array(values, dtype=forms.get(kind, object))
    rows = len(next(iter(typed.values())))
    return Dataset("a test", tuple(columns), typed, np.arange(rows))


def fit(data: Dataset, **more: Any) -> tuple[Columns, np.ndarray[Any, Any]]:
    truth = more.pop("truth", np.arange(len(data)) % 2)
    settings = {"classes": 2, "most_codes": 1000, "seed": 0, **more}
    return Columns.fit(data, data.names, truth, **settings)


def test_numbers_stay_as_they_are_and_missing_ones_missing() -> None:
    data = dataset(age=("number", [1.5, np.nan, -3e6]))
    columns, found = fit(data)
    assert np.isnan(found[1, 0])
    assert found[[0, 2], 0].tolist() == [1.5, -3e6]
    assert columns.categories == ()
    assert np.isfinite(fit(dataset(size=("number", [1.0, -1e300, 1e300])))[1]).all()


def test_neighbouring_large_numbers_do_not_fall_together() -> None:
    stamps = 1.7e9 + np.arange(20.0)
    _, found = fit(dataset(stamp=("number", stamps)))
    assert len(np.unique(found)) == 20


def test_rare_new_and_missing_levels_are_levels() -> None:
    shops: list[Any] = ["a"] * 10 + ["b"] * 5 + ["rare", None]
    columns, found = fit(dataset(shop=("category", shops)))
    assert columns.categories == (0,)
    assert found[-2:, 0].tolist() == [OTHER, MISSING]
    assert len(np.unique(found)) == 4
    assert columns.matrix(dataset(shop=("category", ["never seen"])))[0, 0] == OTHER


def test_dates_become_those_parts_that_vary() -> None:
    days = np.array(["2024-02-29T00:00:00", "2024-03-04T00:00:00", "NaT"], dtype="datetime64[s]")
    columns, found = fit(dataset(when=("date", days)))
    assert columns.names == tuple(f"when: {p}" for p in ("month", "day", "weekday", "days"))
    assert found[0].tolist() == [2, 29, 3, 0]
    assert found[1].tolist() == [3, 4, 0, 4]
    assert np.isnan(found[2]).all()


def test_an_identifier_taken_for_a_category_does_not_leak() -> None:
    rows = 400
    truth = np.random.default_rng(0).integers(0, 2, rows)
    data = dataset(
        code=("category", [f"c{row}" for row in range(rows)]),
        pair=("category", [f"p{row // 2}" for row in range(rows)]),
    )
    columns, found = fit(data, truth=truth, most_codes=0)
    assert set(columns.names) == {"code", "pair"}
    for place in range(2):
        spread = found[:, place].std()
        related = abs(float(np.corrcoef(found[:, place], truth)[0, 1])) if spread > 1e-9 else 0.0
        assert related < 0.15


def test_many_levels_are_encoded_where_few_stay_codes() -> None:
    dice = np.random.default_rng(0)
    few, many = dice.integers(0, 3, 600), dice.integers(0, 40, 600)
    data = dataset(
        few=("category", [f"f{code}" for code in few]),
        many=("category", [f"m{code}" for code in many]),
    )
    columns, found = fit(data, truth=(many < 20).astype(np.int64), most_codes=10)
    assert columns.names == ("few", "many")
    assert columns.categories == (0,)
    assert np.array_equal(found[:, 1] > 0.5, many < 20)


def test_all_is_remembered_as_json_and_arrays() -> None:
    dice = np.random.default_rng(0)
    data = dataset(
        age=("number", dice.normal(size=60)),
        shop=("category", [f"s{code}" for code in dice.integers(0, 6, 60)]),
        when=("date", np.datetime64("2024-01-01", "s") + dice.integers(0, 9e7, 60)),
        said=("text", ["good soft coat", "poor torn shirt", "warm soft dress"] * 20),
    )
    columns, _ = fit(data, most_codes=2)
    again = Columns.restore(json.loads(json.dumps(columns.state())), columns.tensors())
    assert np.array_equal(again.matrix(data), columns.matrix(data))
    assert again.names == columns.names
    assert len(columns.names) == columns.matrix(data).shape[1]


def test_a_missing_column_is_named() -> None:
    data = dataset(age=("number", [1.0, 2.0]), size=("number", [1.0, 2.0]))
    columns, _ = fit(data)
    with pytest.raises(DataError, match="'size'"):
        columns.matrix(data.with_columns(["age"]))
