"""What a fitted model takes, and what it gives: one fit of the linear learner, no network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts

ROWS = 400


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    dice = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "shop": dice.choice(["north", "south"], ROWS),
            "size": dice.choice([1.0, 2.0, 3.0], ROWS),
            "price": dice.normal(size=ROWS),
            "when": pd.date_range("2020-01-01", periods=ROWS).strftime("%d/%m/%Y"),
            "flag": dice.choice([True, False], ROWS),
        }
    )
    found["sold"] = (found.price + (found.shop == "north") + found.flag > 1).astype(int)
    return found


@pytest.fixture(scope="module")
def model(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    return ts.fit(table, "sold", trials=2, kinds={"size": "category"}, folder=folder)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    """A model with one text column."""
    texts = [f"{('lovely soft', 'awful cheap')[i % 2]} number {i}" for i in range(100)]
    rows = {"text": texts, "label": ["good", "bad"] * 50}
    folder = tmp_path_factory.mktemp("read") / "run"
    return ts.fit(rows, "label", trials=2, learners=["majority", "linear"], folder=folder)


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


CELLS: dict[str, list[Any]] = {
    "size": [1.0, "1.0", " 1 ", 1, np.float64(2), None, float("nan"), "NA", pd.NA],
    "price": [0.3, "0.3", "NA", "", np.nan, float("nan")],
    "when": ["03/04/2020", pd.Timestamp("2020-04-03"), None, pd.NaT],
    "flag": [True, "true", "TRUE", np.True_, None],
}


def test_a_row_is_answered_alike_as_a_dict_a_list_and_a_frame(model: ts.Predictor) -> None:
    for cells in product(*CELLS.values()):
        row = {"shop": "north", **dict(zip(CELLS, cells, strict=True))}
        alone, listed, framed = (
            model.predict_proba(data).to_numpy() for data in (row, [row], pd.DataFrame([row]))
        )
        assert np.array_equal(alone, listed), row
        assert np.array_equal(alone, framed), row


@pytest.mark.parametrize("column", CELLS)
def test_one_meaning_has_one_answer_however_it_is_written(
    model: ts.Predictor, table: pd.DataFrame, column: str
) -> None:
    row = table.iloc[0].to_dict()
    told = {"size": [1, 1.0, "1.0", " 1"], "price": [0.5, "0.5"], "flag": [True, "true", "TRUE"]}
    told["when"] = ["03/04/2020", "2020-04-03", pd.Timestamp("2020-04-03")]
    answers = {model.predict_proba({**row, column: c}).iloc[0, 0] for c in told[column]}
    assert len(answers) == 1


def test_whole_numbers_and_truths_come_back_as_such(
    model: ts.Predictor, table: pd.DataFrame, tmp_path: Path
) -> None:
    found = model.predict(table)
    assert found.dtype.kind == "i"
    assert (found == table.sold).mean() == model.evaluate(table)["accuracy"].value
    truths = table.assign(sold=table.sold == 1)
    other = ts.fit(truths, "sold", trials=2, folder=tmp_path / "run").predict(truths)
    assert (other == truths.sold).mean() > 0.8


@pytest.mark.parametrize("spelling", [str, lambda v: f"{v}.0", float, lambda v: f" {v} "])
def test_labels_are_known_in_any_spelling(
    model: ts.Predictor, table: pd.DataFrame, tmp_path: Path, spelling: Any
) -> None:
    file = tmp_path / "again.csv"
    table.assign(sold=[spelling(v) for v in table.sold]).to_csv(file, index=False)
    assert model.evaluate(file)["accuracy"] == model.evaluate(table)["accuracy"]


def test_codes_with_leading_zeros_are_labels_of_their_own(tmp_path: Path) -> None:
    rows = [{"x": i % 3, "code": ("01", "1", "02")[i % 3]} for i in range(90)]
    file = tmp_path / "codes.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    model = ts.fit(file, "code", trials=2, folder=tmp_path / "run")
    assert set(model.predict(file)) == {"01", "1", "02"}


def test_a_label_of_signs_is_a_label_when_scored_too(tmp_path: Path) -> None:
    rows = {"x": list(range(100)), "sign": ["+", "-"] * 50}
    model = ts.fit(rows, "sign", trials=2, kinds={"x": "number"}, folder=tmp_path / "run")
    assert model.evaluate(rows)["accuracy"].rows == 100


def test_most_cells_of_a_column_unreadable_is_an_error_a_few_a_warning(
    model: ts.Predictor, table: pd.DataFrame
) -> None:
    with pytest.raises(ts.DataError, match=r"400 cells of column 'price'.*'1,5' at line 1"):
        model.predict(table.assign(price="1,5"))
    one = table.price.astype(object)
    one[3] = "oops"
    with pytest.warns(ts.DataWarning, match=r"1 cell of column 'price'.*'oops' at line 4"):
        model.predict(table.assign(price=one))


def test_labels_that_are_not_known_are_told(model: ts.Predictor, table: pd.DataFrame) -> None:
    odd = table.sold.astype(object)
    odd[:7] = "perhaps"
    with pytest.warns(ts.DataWarning, match="7 rows with a label.*'perhaps'"):
        found = model.evaluate(table.assign(sold=odd))
    assert found["accuracy"].value <= 393 / 400
    assert found.confusion is not None
    assert found.confusion.to_numpy().sum() == 393


def test_a_column_that_is_not_asked_for_is_not_looked_at(
    model: ts.Predictor, table: pd.DataFrame
) -> None:
    assert np.array_equal(model.predict(table.assign(more=np.inf)), model.predict(table))


@pytest.mark.parametrize(
    "text",
    [
        "A lovely coat. It is soft",
        "Nice... but awful",
        "It costs 3.50",
        "lovely.Soft",
        "Really?",
        "see http: no",
        "one line\nand another. With a stop",
        "",
    ],
)
def test_a_sentence_is_a_text_to_answer(reader: ts.Predictor, text: str) -> None:
    assert reader.predict(text)[0] in ("good", "bad")


@pytest.mark.parametrize("name", ["gone.csv", "my table.parquet", "data/*.jsonl"])
def test_a_name_that_ends_as_a_table_does_is_a_file(reader: ts.Predictor, name: str) -> None:
    with pytest.raises(ts.DataError, match=r"no file|No file"):
        reader.predict(name)


def test_texts_come_in_any_list(reader: ts.Predictor) -> None:
    texts = ["lovely soft", "awful cheap", None]
    for given in (texts, tuple(texts), pd.Series(texts), np.array(texts, dtype=object)):
        assert list(reader.predict(given)[:2]) == ["good", "bad"]


def test_a_row_of_a_frame_is_a_row(model: ts.Predictor, table: pd.DataFrame) -> None:
    assert model.predict(table.iloc[5])[0] == model.predict(table)[5]


def test_an_own_metric_is_named_again_after_loading(table: pd.DataFrame, tmp_path: Path) -> None:
    def hits(truth: Any, found: Any) -> float:
        return float((truth == found).mean())

    model = ts.fit(table, "sold", trials=2, metric=hits, folder=tmp_path / "run")
    assert "hits" in model.evaluate(table)
    from tunesmith.metrics import metrics

    del metrics._plugins["hits"]
    with pytest.warns(ts.DataWarning, match="'hits'.*function of yours"):
        assert "hits" not in model.evaluate(table)
    assert model.evaluate(table, metrics=[hits])["hits"].value > 0.7
