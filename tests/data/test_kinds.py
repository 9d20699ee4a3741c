"""Kinds: what is concluded of a column, why, and what becomes of its cells."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.records import Column
from tunesmith.data.cells import Cells, number, same
from tunesmith.data.kinds import infer, labels
from tunesmith.data.read import read
from tunesmith.data.readers import readers
from tunesmith.data.readers._table import objects

RNG = np.random.default_rng(0)
MANY = 40


def cycle(*values: Any) -> list[Any]:
    return list(itertools.islice(itertools.cycle(values), MANY))


UUIDS = [str(uuid.UUID(int=n * 7919)) for n in range(MANY)]
SENTENCES = [f"this is review {n} of the thing" for n in range(MANY)]
DISTINCT_WORDS = [
    a + b for a, b in itertools.product("klmnprst", ("anna", "otto", "iris", "emil", "uwe"))
]


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("x", ["a"] * MANY, "constant"),
        ("x", [""] * MANY, "constant"),
        ("x", [None] * MANY, "constant"),
        ("x", ["NA", "?"] * 20, "constant"),
        ("x", cycle("yes", ""), "category"),
        ("x", cycle("red", "green", "blue"), "category"),
        ("x", cycle(True, False), "category"),
        ("x", cycle(True, None, False), "category"),
        ("x", cycle("1", "2", "3"), "number"),
        ("x", cycle(1.5, 2, None), "number"),
        ("x", cycle("1e3", " -2 ", "+.5"), "number"),
        ("x", [str(n) for n in RNG.normal(size=MANY)], "number"),
        ("x", RNG.permutation(100_000)[:MANY].tolist(), "number"),
        ("salary_paid", RNG.permutation(100_000)[:MANY].tolist(), "number"),
        ("id", RNG.permutation(100_000)[:MANY].tolist(), "identifier"),
        ("userId", RNG.permutation(100_000)[:MANY].tolist(), "identifier"),
        (
            "customer_id",
            [f"{a}{b}x" for a, b in itertools.product("abcdefgh", "klmno")],
            "identifier",
        ),
        ("x", list(range(100, 100 + MANY)), "identifier"),
        ("x", [str(n) for n in range(0, 5 * MANY, 5)], "identifier"),
        ("x", UUIDS, "identifier"),
        ("x", [f"AB-{n:04d}" for n in range(MANY)], "identifier"),
        ("x", list(range(10)), "number"),
        ("x", ["2024-01-02", "2024-01-03T10:00:00Z"] * 20, "date"),
        ("x", [f"2024-{m:02d}-{d:02d}" for m in range(1, 9) for d in range(1, 6)], "date"),
        ("x", cycle("03/25/2024", "04/01/2024"), "date"),
        ("x", cycle("25 Mar 2024", "1 Apr 2024"), "date"),
        ("x", cycle("2024-01-02 10:00", ""), "date"),
        ("x", cycle(datetime(2024, 1, 2), datetime(2024, 1, 3)), "date"),
        ("x", cycle("20240131", "20240201"), "number"),
        ("x", cycle("2019", "2020", "2021"), "number"),
        ("x", [f"images/{n}.jpg" for n in range(MANY)], "image"),
        ("x", cycle("a.PNG", "b.webp", "c.tiff"), "image"),
        ("x", SENTENCES, "text"),
        ("x", cycle("a good film", "a bad film"), "text"),
        ("x", ["とても良い映画でした", "ひどい時間の無駄だった"] * 20, "text"),
        ("name", DISTINCT_WORDS, "text"),
        ("SequenceName", [f"{word.upper()}_ECOLI" for word in DISTINCT_WORDS], "identifier"),
        ("x", cycle("Married-civ-spouse", "Never-married"), "category"),
        ("x", cycle("3", "x", "y", "4"), "category"),
    ],
)
def test_kind_of(name: str, cells: list[Any], kind: str) -> None:
    column = infer(readers["frames"].read({name: cells})).column(name)
    assert column.kind == kind, column.reason
    assert any(letter.isdigit() for letter in column.reason)


def test_long_category_names_repeated_often_are_no_text() -> None:
    names = ["Craft and repair work", "Some college education", "Other kinds of service"]
    assert read({"job": names * 200}).column("job").kind == "category"


def test_missing_words_are_missing_but_not_in_text() -> None:
    words = ["", "NA", "N/A", "NaN", "nan", "null", "None", "NULL", "?", "-", " NA "]
    n = len(words)
    data = read(
        {"n": words + ["1", "2"] * n, "c": words + ["a", "b"] * n, "t": words + SENTENCES[: 2 * n]}
    )
    assert np.isnan(data.values("n")[:n]).all()
    assert list(data.values("c")[:n]) == [None] * n
    assert data.column("t").kind == "text"
    assert list(data.values("t")[:n]) == [None, *words[1:]]
    assert not data.bad


def test_a_few_cells_that_are_no_numbers_are_missing_and_noted() -> None:
    data = read({"n": [str(n % 7) for n in range(97)] + ["many", "3", "few"]})
    assert data.column("n").kind == "number"
    assert "98 %" in data.column("n").reason
    assert [(b.line, b.column, b.got, b.expected) for b in data.bad] == [
        (98, "n", "many", "a number"),
        (100, "n", "few", "a number"),
    ]
    assert np.isnan(data.values("n")[[97, 99]]).all()


@pytest.mark.parametrize("word", ["inf", "-inf", "Infinity", "1e999", float("inf"), float("-inf")])
def test_infinite_numbers_are_refused_by_line(word: Any) -> None:
    for kinds in (None, {"n": "number"}):
        with pytest.raises(DataError, match=r"column 'n' holds 1 infinite.*line 3"):
            read({"n": [1, 2, word, *range(30, 0, -2)]}, kinds=kinds)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="infinite"):
        read({"n": [1, 2, word]}, target="n")


def test_a_date_that_is_none_is_missing_and_noted() -> None:
    data = read({"d": [f"{d}.03.2024" for d in range(1, 31)] + ["soon"]})
    assert data.column("d").kind == "date"
    assert np.isnat(data.values("d")[30])
    assert (data.bad[0].line, data.bad[0].got, data.bad[0].expected) == (31, "soon", "a date")


def test_day_and_month_are_told_apart_by_all_cells_and_kept_for_new_rows() -> None:
    trained = read({"d": ["03/04/2024"] * 300 + ["25/12/2023"] + ["05/06/2024"] * 300})
    assert str(trained.values("d")[0]) == "2024-04-03T00:00:00"
    new = read({"d": ["07/08/2024"]}, like=trained.columns)
    assert str(new.values("d")[0]) == "2024-08-07T00:00:00"
    assert new.columns == trained.columns


def test_the_user_overrides_a_kind_and_the_text_is_that_of_the_source() -> None:
    data = read(
        {"a": ["1", "01", "2.0"], "b": [1.0, 2.0, None]}, kinds={"a": "category", "b": "text"}
    )
    assert list(data.values("a")) == ["1", "01", "2"]
    assert list(data.values("b")) == ["1", "2", None]
    assert data.column("a").reason == "set by the user"
    dates = read({"d": [2019, 2020, 2021]}, kinds={"d": "date"})
    assert str(dates.values("d")[0]) == "2019-01-01T00:00:00"


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ({"colour": "text"}, "'colour'.*Did you mean 'color'"),
        ({"color": "categroy"}, "'categroy'.*Did you mean 'category'"),
        ({"color": "number"}, "none of its 4 cells is a number.*'red'"),
        ({"color": "date"}, "none of its 4 cells is a date"),
    ],
)
def test_an_override_that_cannot_be(kinds: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read({"color": ["red", "blue"] * 2}, kinds=kinds)


def test_kinds_of_training_are_imposed_on_new_rows() -> None:
    like = [
        Column("n", "number", "then"),
        Column("c", "category", "then"),
        Column("t", "text", "then"),
    ]
    data = read(
        {"n": ["5", "x", "inf"], "c": [1, 2, 3], "t": ["", "b", "c"], "new": [1, 1, 2]}, like=like
    )
    np.testing.assert_array_equal(data.values("n"), [5, np.nan, np.nan])
    assert [(b.line, b.got) for b in data.bad] == [(2, "x"), (3, "inf")]
    assert list(data.values("c")) == ["1", "2", "3"]
    assert list(data.values("t")) == [None, "b", "c"]
    assert data.names == ("n", "c", "t")


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["a"] * 3, "category", ["a"] * 3),
        (UUIDS, "category", UUIDS),
        (["yes", " no ", ""], "category", ["yes", "no", None]),
        (["?", "-", "NA"], "category", ["?", "-", None]),
        ([True, False, None], "category", ["True", "False", None]),
        (["", "", ""], "category", [None] * 3),
        (SENTENCES, "category", SENTENCES),
        ([3, 3, 3], "number", [3.0] * 3),
        (["0", "1", "1"], "number", [0.0, 1.0, 1.0]),
        (list(range(MANY)), "number", list(range(MANY))),
    ],
)
def test_the_target_keeps_its_labels(cells: list[Any], kind: str, values: list[Any]) -> None:
    data = read({"y": cells, "x": list(range(len(cells)))}, target="y")
    assert data.column("y").kind == kind
    assert list(data.values("y")) == values


def test_a_mixed_target_says_so() -> None:
    data = read({"y": ["1", "2"] * 20 + ["yes"] * 59 + [1.0]}, target="y")
    assert data.column("y").kind == "category"
    assert data.column("y").reason == (
        "mixed: 41 of 100 cells are numbers, 59 are not (first other: 'yes' at line 41)"
    )
    assert data.values("y")[-1] == "1"


def test_a_column_of_training_may_not_be_absent() -> None:
    like = [Column("n", "number", "then"), Column("gone", "number", "then")]
    for source in ({"n": [1, 2], "more": ["a", "b"]}, read({"n": [1, 2], "more": ["a", "b"]})):
        with pytest.raises(DataError, match=r"lacks 'gone', which.*trained on.*'n', 'more'"):
            read(source, like=like)
        with pytest.raises(DataError, match=r"lacks 'gone', which.*is scored by"):
            read(source, like=like, target="gone")


@pytest.mark.parametrize(
    "words",
    [
        ["1", " 2.5", "", "NA", "-.5", "+3", "1e3", "0x1"] * 5,
        ["1", "NAN", "nan", "2", "٣", "4 ", "5", "6"] * 5,
        ["1_0", "2", "3", "4"] * 10,
        ["1", None, "x", "2"] * 10,
        [" ", "", "1", "2"] * 10,
    ],
)
def test_numbers_of_a_column_are_those_of_its_words_one_by_one(words: list[str | None]) -> None:
    cells = Cells("x", objects(words), np.arange(len(words)))
    alone = [Cells("x", objects([word]), np.arange(1)) for word in words]
    np.testing.assert_array_equal(cells.numbers, [one.numbers[0] for one in alone])
    np.testing.assert_array_equal(cells.numbers, [number(word) for word in cells.words])
    assert cells.words == [one.words[0] for one in alone]
    assert cells.present == sum(one.present for one in alone)
    assert cells.counts == sum((one.counts for one in alone), Counter())


def test_a_column_of_numbers_alone_is_seen_as_with_one_cell_more_that_is_missing() -> None:
    dice = np.random.default_rng(0)
    for words in (
        [f" {value:.2f}" for value in dice.normal(size=200)],
        [str(value) for value in dice.integers(0, 5, 200)],
        [str(value) for value in range(200)],
        [str(2**53 + value) for value in range(200)],
        ["1_0", "2"] * 100,
        ["7"] * 200,
    ):
        rows = np.arange(201)
        whole = Cells("x", objects(words), rows[:200])
        holed = Cells("x", objects([*words, ""]), rows)
        np.testing.assert_array_equal(whole.numbers, holed.numbers[:200])
        assert (whole.present, whole.distinct) == (holed.present, holed.distinct)
        assert (whole.types, whole.counts) == (holed.types, holed.counts)


def test_labels_of_numbers_are_their_text() -> None:
    assert list(labels(np.array([1.0, 0.5, np.nan, -3.0]))) == ["1", "0.5", None, "-3"]
    assert list(labels(np.array(["a", None], dtype=object))) == ["a", None]


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("1.0", "1"),
        ("-3.00", "-3"),
        ("1.5", "1.5"),
        ("01", "01"),
        ("01.0", "01.0"),
        ("TRUE", "True"),
        ("false", "False"),
        ("truest", "truest"),
        ("1e400.", "1e400."),
    ],
)
def test_what_means_the_same_has_one_spelling(word: str, wanted: str) -> None:
    assert same(word) == wanted


@pytest.mark.parametrize("whole", [True, False])
def test_numbers_of_a_frame_are_seen_as_the_same_cells_one_by_one(whole: bool) -> None:
    dice = np.random.default_rng(0)
    numbers = dice.integers(0, 9, 300).astype(float) if whole else dice.normal(size=300)
    numbers[::7] = np.nan
    columns = {"n": numbers, "same": np.full(300, 4.0), "id": np.arange(300)}
    quick = read(pd.DataFrame(columns), target="n")
    slow = read({name: list(map(float, values)) for name, values in columns.items()}, target="n")
    assert quick.columns == slow.columns
    for name in columns:
        np.testing.assert_array_equal(quick.values(name), slow.values(name))


def test_whole_numbers_that_no_float_can_hold_stay_exact() -> None:
    ids = [2**53 + i for i in range(30)]
    data = read(pd.DataFrame({"n": ids}), kinds={"n": "text"})
    assert list(data.values("n")) == [str(one) for one in ids]
