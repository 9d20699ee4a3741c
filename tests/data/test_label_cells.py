"""When cells hold several labels, and when they only look so."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.multilabel import LabelForm, matrix, packed
from tunesmith.data.label_cells import as_list, forced, joined, labels_in, recognised, with_labels
from tunesmith.data.read import read
from tunesmith.data.readers._table import objects

DICE = np.random.default_rng(0)
NAMES = ("red", "round", "soft", "big", "old")
DRAWN = [[n for n in NAMES if DICE.random() < 0.4] or ["red"] for _ in range(80)]


@pytest.mark.parametrize("delimiter", [";", "|", ",", "; ", ", "])
def test_labels_that_are_put_together_anew_are_several(delimiter: str) -> None:
    form, reason = recognised(objects(delimiter.join(one) for one in DRAWN))
    assert form == LabelForm(delimiter.strip())
    assert "5 labels make up" in reason


@pytest.mark.parametrize("write", [str, lambda one: packed(one), lambda one: str([1, 2.5])])
def test_lists_are_several_labels(write: object) -> None:
    cells = objects(write(one) for one in DRAWN)  # type: ignore[operator]
    assert recognised(cells)[0] == LabelForm()


NAMES_WITH_COMMAS = {
    "shops": ["Books", "Home, Garden & Tools", "Music, Movies & Games", "Toys"],
    "towns": ["Albany, NY", "Buffalo, NY", "Los Angeles, CA", "San Diego, CA", "Washington, DC"],
    "people": ["Smith, John", "Doe, Jane", "Doe, John"],
    "grid": [f"{size}, {colour}" for size, colour in product("SML", ("red", "blue", "green"))],
    "kinds": ["Fruit, fresh", "Fruit, dried", "Fruit", "Meat, fresh", "Meat, dried", "Meat"],
    "sentences": [
        f"well, it was {a} and then it had to be {b}, no doubt" for a in "xy" for b in "pq"
    ],
    "one of many": ["yes"] * 99 + ["yes;no"],
}


@pytest.mark.parametrize("name", NAMES_WITH_COMMAS)
def test_a_comma_in_a_name_makes_no_labels_and_the_reason_is_told(name: str) -> None:
    form, why_not = recognised(objects(NAMES_WITH_COMMAS[name] * 20))
    assert form is None
    assert "between words" in why_not


def test_words_without_a_delimiter_say_nothing() -> None:
    assert recognised(objects(["yes", "no", None] * 10)) == (None, "")


def test_lists_beside_words_are_not_taken_for_lists() -> None:
    form, why_not = recognised(objects(['["a", "b"]', "a", "b"] * 10))
    assert form is None
    assert "others are not" in why_not


def test_what_is_forced_takes_the_commonest_delimiter_or_each_cell_as_one_label() -> None:
    assert forced(objects(["a, b", "b, a", "c;d"])) == LabelForm(",")
    assert forced(objects(["a", "b"])) == LabelForm()
    assert labels_in("a", LabelForm()) == ("a",)
    assert labels_in(" a ;; b;", LabelForm(";")) == ("a", "b")


@pytest.mark.parametrize(
    "cell", ["['a' 'b']", "[a]", '{"a": 1}', "[[1], [2]]", "[", "[__import__]"]
)
def test_what_is_no_list_of_words_is_no_list(cell: str) -> None:
    assert as_list(cell) is None


def test_cells_become_packed_lists_and_a_matrix() -> None:
    data = read({"x": [1.0, 2.0, 3.0, 4.0], "y": ["b;a", "a;a", None, "[]"]}, target="y")
    cells = with_labels(data, "y", LabelForm(";")).values("y")
    assert cells.tolist() == ['["a", "b"]', '["a"]', None, "[]"]
    assert matrix(cells, ("a", "b")).tolist() == [[1, 1], [1, 0], [0, 0], [0, 0]]


def test_columns_of_flags_become_one_of_labels_and_are_no_inputs() -> None:
    table = {"x": [1.5, 2.5, 3.5], "red": ["yes", "no", ""], "round": [True, False, True]}
    data, name = joined(read(table), ["red", "round"])
    assert name == "red,round"
    assert data.names == ("x", "red,round")
    assert data.values(name).tolist() == ['["red", "round"]', "[]", None]


def test_a_cell_that_is_no_flag_is_named() -> None:
    data = read({"x": [1.5, 2.5], "red": [0, 2], "round": [0, 1]})
    with pytest.raises(DataError, match=r"Line 2 .*'2'.*'red'"):
        joined(data, ["red", "round"])
