"""The other formats and the objects in memory."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.records import Dataset
from tunesmith.data.read import read
from tunesmith.data.readers import readers
from tunesmith.data.readers._table import plain

ROWS = {
    "text": ["a fine long sentence", "another fine sentence", None, "one more of these"],
    "age": [1, 2, None, 4],
    "score": [0.5, 1.5, 2.5, None],
    "when": [datetime(2024, 1, 2), datetime(2024, 1, 3), None, datetime(2024, 1, 5, 6)],
    "label": ["yes", "no", "yes", "no"],
}


def check(data: Dataset) -> None:
    assert data.names == tuple(ROWS)
    assert [c.kind for c in data.columns] == ["text", "number", "number", "date", "category"]
    assert list(data.values("text")) == ROWS["text"]
    assert list(data.values("label")) == ROWS["label"]
    np.testing.assert_array_equal(data.values("age"), [1, 2, np.nan, 4])
    np.testing.assert_array_equal(data.values("score"), [0.5, 1.5, 2.5, np.nan])
    expected = np.array(ROWS["when"], dtype="datetime64[s]")
    np.testing.assert_array_equal(data.values("when"), expected)
    assert len(data.lines) == 4
    assert not data.bad


def as_records() -> list[dict[str, Any]]:
    return [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]


def test_six_readers_stand_on_the_shelf() -> None:
    assert list(readers) == ["csv", "excel", "folder", "frames", "jsonl", "parquet"]


def test_pandas() -> None:
    check(read(pd.DataFrame(ROWS, index=[9, 9, 3, 1])))


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    check(read(polars.DataFrame(ROWS)))
    check(read(polars.DataFrame(ROWS).lazy()))


def test_hugging_face_in_the_order_it_was_shuffled_to() -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict(ROWS)
    check(read(whole))
    assert list(read(whole.select([3, 0])).values("label")) == ["no", "yes"]
    with pytest.raises(DataError, match=r"one split.*It has: train"):
        read(datasets.DatasetDict(train=whole))


def test_hugging_face_labels_are_read_by_name() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    rows = {"text": ["x", "y", "z"], "label": [1, 0, -1]}
    data = read(datasets.Dataset.from_dict(rows, features=features), target="label")
    assert list(data.values("label")) == ["pos", "neg", None]


def test_lists_and_dicts() -> None:
    check(read(as_records()))
    check(read(ROWS))
    check(read(pa.table(ROWS)))


def test_a_key_that_a_row_lacks_is_a_missing_cell() -> None:
    data = read([{"a": "x"}, {"a": "y", "b": 2}, {"b": 3}])
    assert list(data.values("a")) == ["x", "y", None]
    np.testing.assert_array_equal(data.values("b"), [np.nan, 2, 3])


@pytest.mark.parametrize("compression", ["snappy", "brotli", "none"])
def test_parquet(tmp_path: Path, compression: str) -> None:
    name = "data.parquet.brotli" if compression == "brotli" else "data.parquet"
    pq.write_table(pa.table(ROWS), tmp_path / name, compression=compression)
    check(read(tmp_path / name))


def test_an_index_that_pandas_wrote_down_is_no_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}).iloc[[2, 0, 1]]
    table.to_parquet(tmp_path / "t.parquet")
    assert readers["parquet"].read(tmp_path / "t.parquet").names == ("a", "b")
    table.rename_axis("key").to_parquet(tmp_path / "named.parquet")
    assert set(readers["parquet"].read(tmp_path / "named.parquet").names) == {"a", "b", "key"}


def test_parquet_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(ROWS), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        read(path)


def test_parquet_with_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(DataError, match=r"'a' \(2 times\)"):
        read(path)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n\n".join(json.dumps(row, default=str) for row in as_records()))
    data = read(path)
    check(data)
    assert list(data.lines) == [1, 3, 5, 7]


def test_json_list_and_nested_values(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text('[{"a": ["é", 1], "b": true},\n {"a": {"x": null}, "b": false}]')
    data = read(path)
    assert list(data.values("a")) == ['["é", 1]', '{"x": null}']
    assert list(data.values("b")) == ["True", "False"]
    path.write_text('{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n')
    assert list(read(path).values("a")) == [1, 2]


def test_bad_json_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"a": 1}\n{"a": \n[1]\n{"a": 2}\n')
    with pytest.raises(DataError, match=r"2 of 4 rows.*line 2: got no JSON.*line 3: got a list"):
        read(path)
    data = read(path, bad_rows="skip")
    assert list(data.lines) == [1, 4]
    assert [bad.line for bad in data.bad] == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", "\n\n", "has no rows"),
        ("a.jsonl", "text,label\nx,y\n", "line 1 holds no JSON"),
        ("a.json", "[1, 2", "is not JSON"),
        ("a.json", "[]", "has no rows"),
        ("a.xlsx", "text,label\n", "not a whole Excel workbook"),
        ("a.parquet", "text,label\n", "not a whole Parquet file"),
    ],
)
def test_content_that_is_not_what_its_ending_says(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        read(tmp_path / name)


def test_excel_sheets(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "book.xlsx"
    other = pd.DataFrame({"x": ["p", "q"]})
    with pd.ExcelWriter(path) as book:
        pd.DataFrame(ROWS).to_excel(book, sheet_name="First", index=False)
        other.to_excel(book, sheet_name="Other one", index=False)
    check(read(path))
    assert list(read(path).lines) == [2, 3, 4, 5]
    assert list(read(f"{path}#Other one").values("x")) == ["p", "q"]
    with pytest.raises(DataError, match=r"no sheet 'Othr one'.*'Other one'"):
        read(f"{path}#Othr one")


def test_excel_faults_are_missing_cells_and_noted(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [["a", "b"], [1, "x"], [None, None], ["#DIV/0!", "y"], [3, "z", "beyond"]]:
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    with pytest.raises(DataError, match="line 5: got 3 cells, expected 2 cells"):
        read(tmp_path / "book.xlsx")
    data = read(tmp_path / "book.xlsx", bad_rows="skip")
    assert list(data.lines) == [2, 4]
    assert [(bad.line, bad.column, bad.got) for bad in data.bad] == [
        (4, "a", "#DIV/0!"),
        (5, "", "3 cells"),
    ]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ([], "list of rows is empty"),
        ([{"a": 1}, 2], "Row 2 of the list is a int"),
        ({"a": [1, 2], "b": [1]}, "differ in length: 'a' 2, 'b' 1"),
        ({"a": "text"}, "a str|has str under 'a'"),
        ({}, "no columns"),
        ({"a": []}, "0 rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"'a' \(2 times\)"),
        (pd.DataFrame({"a": []}), "0 rows"),
        (42, "A int cannot be read"),
        (None, "A NoneType cannot be read"),
    ],
)
def test_objects_that_are_no_tables(source: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(source)


def test_cells_of_many_types_become_plain() -> None:
    import decimal

    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "decimal": [decimal.Decimal("1.50"), decimal.Decimal(2), None],
            "category": pd.Categorical(["x", "y", None]),
            "bool": [True, False, True],
            "zone": pd.to_datetime(["2024-01-01T02:00+02:00", "2024-01-02T02:00+02:00", None]),
        }
    )
    data = read(frame)
    np.testing.assert_array_equal(data.values("whole"), [1, np.nan, 3])
    np.testing.assert_array_equal(data.values("decimal"), [1.5, 2, np.nan])
    assert list(data.values("category")) == ["x", "y", None]
    assert list(data.values("bool")) == ["True", "False", "True"]
    assert str(data.values("zone")[0]) == "2024-01-01T00:00:00"


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_a_moment_of_numpy_is_a_moment_whatever_its_unit(unit: str) -> None:
    assert plain(np.datetime64("2024-01-05", unit)) == datetime(2024, 1, 5)
    assert plain(np.datetime64("NaT", unit)) is None


def test_a_frame_has_one_zero() -> None:
    zeros = read(pd.DataFrame({"x": [-0.0, 0.0, 1.0]})).values("x")
    assert not np.signbit(zeros).any()
