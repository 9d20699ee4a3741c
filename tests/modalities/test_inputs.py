import json

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.core.records import Column, Dataset
from tunesmith.modalities import modalities
from tunesmith.modalities.inputs import DENSE, Inputs

KINDS = {
    "title": "text",
    "body": "text",
    "stars": "number",
    "shop": "category",
    "day": "date",
    "id": "identifier",
}


@pytest.fixture
def data():
    cells = {
        "title": np.array(["Good", None, ""], dtype=object),
        "body": np.array(["I like it", "Hm", None], dtype=object),
        "stars": np.array([5.0, np.nan, 1.0]),
        "shop": np.array(["north", "south", None], dtype=object),
        "day": np.array(["2020-01-01", "NaT", "2020-01-03"], "datetime64[s]"),
        "id": np.array(["1", "2", "3"], dtype=object),
    }
    columns = tuple(Column(name, kind, "given") for name, kind in KINDS.items())
    return Dataset("shop.csv", columns, cells, np.array([2, 3, 4]))


def test_the_shelf_has_a_modality_for_every_dense_kind():
    assert set(DENSE) <= set(modalities)


def test_dense_columns_stand_side_by_side_in_the_order_given(data):
    inputs = Inputs.fit(data, ("shop", "title", "stars"))
    alone = [Inputs.fit(data, (name,)).dense(data) for name in ("shop", "stars")]
    assert (inputs.dense(data) == np.concatenate(alone, axis=1)).all()
    assert inputs.dense(data).dtype == np.float32


def test_rows_without_dense_columns_have_width_zero(data):
    assert Inputs.fit(data, ("title", "id")).dense(data).shape == (3, 0)


def test_one_text_column_stands_alone_and_several_after_their_names(data):
    assert Inputs.fit(data, ("body", "stars")).texts(data) == ["I like it", "Hm", ""]
    assert Inputs.fit(data, ("title", "body")).texts(data) == [
        "title: Good\nbody: I like it",
        "body: Hm",
        "",
    ]


def test_every_row_has_a_text_even_without_text_columns(data):
    assert Inputs.fit(data, ("stars",)).texts(data) == ["", "", ""]


def test_inputs_come_back_from_json_and_see_new_rows_the_same(data):
    inputs = Inputs.fit(data.take(np.array([0, 1])), tuple(KINDS))
    back = Inputs.restore(json.loads(json.dumps(inputs.state(), allow_nan=False)))
    assert back == inputs
    assert (back.dense(data) == inputs.dense(data)).all()
    assert back.texts(data) == inputs.texts(data)


def test_missing_columns_are_all_named_with_what_is_there(data):
    inputs = Inputs.fit(data, ("title", "stars", "shop"))
    fewer = data.with_columns(["title", "day"])
    with pytest.raises(DataError) as caught:
        inputs.check(fewer)
    message = str(caught.value)
    assert "lacks 2 of the columns" in message
    assert "'stars', 'shop'" in message
    assert "It has: 'title', 'day'" in message
    inputs.check(data)
