import math

import numpy as np
import pytest

from tunesmith.core.errors import BudgetError, DataError
from tunesmith.core.records import Budget, Column, Dataset, Problem, Score


@pytest.fixture
def data():
    cells = {
        "review": np.array(["fine", "awful", None, "great"], dtype=object),
        "stars": np.array([4.0, 1.0, np.nan, 5.0]),
        "label": np.array(["pos", "neg", "neutral", "pos"], dtype=object),
    }
    kinds = {"review": "text", "stars": "number", "label": "category"}
    columns = tuple(Column(name, kind, "given") for name, kind in kinds.items())
    return Dataset("reviews.csv", columns, cells, np.array([2, 3, 4, 6]))


def problem_of(data, target, classes):
    parts = {"train": np.array([0, 1]), "valid": np.array([2]), "test": np.array([3])}
    return Problem(data, "task", target, ("review",), classes, "metric", parts, seed=0)


def test_taken_rows_keep_their_cells_and_lines_together(data):
    taken = data.take(np.array([3, 0]))
    assert taken.values("review").tolist() == ["great", "fine"]
    assert taken.values("stars").tolist() == [5.0, 4.0]
    assert taken.lines.tolist() == [6, 2]
    assert len(taken) == 2
    assert len(data) == 4


def test_taken_columns_come_in_the_order_given_and_no_other_stays(data):
    taken = data.with_columns(["stars", "review"])
    assert taken.names == ("stars", "review")
    assert set(taken.cells) == {"stars", "review"}
    assert len(taken) == 4


def test_columns_are_found_by_kind_in_the_order_of_the_source(data):
    assert data.of_kind("category", "text") == ("review", "label")


def test_a_column_that_is_not_there_is_answered_with_the_nearest(data):
    for ask in (data.column, data.values, lambda name: data.with_columns([name])):
        with pytest.raises(DataError, match=r"reviews\.csv has no column 'lable'.*mean 'label'"):
            ask("lable")


def test_labels_become_codes_and_an_unknown_label_is_minus_one(data):
    problem = problem_of(data, "label", ("neg", "pos"))
    assert problem.truth("train").tolist() == [1, 0]
    assert problem.truth("valid").tolist() == [-1]
    assert problem.truth("test").dtype == np.int64


def test_numbers_stay_numbers(data):
    truth = problem_of(data, "stars", ()).truth("train")
    assert truth.dtype == np.float64
    assert truth.tolist() == [4.0, 1.0]


def test_a_part_holds_its_own_rows(data):
    problem = problem_of(data, "label", ("neg", "pos"))
    assert problem.part("test").lines.tolist() == [6]
    assert problem.part("train").names == data.names


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), (" 1.5H ", 5400), ("1d", 86400), ("20", 20), (2.5, 2.5), (7, 7)],
)
def test_a_budget_is_read_in_its_unit(text, seconds):
    assert Budget.parse(text) == Budget(seconds=seconds)


def test_no_budget_is_no_limit_and_a_budget_is_itself():
    assert Budget.parse(None).seconds == math.inf
    mine = Budget(trials=3)
    assert Budget.parse(mine) is mine


@pytest.mark.parametrize("text", ["", "m", "ten", "10x", "-5", "0", 0, "inf", "nan", "1e999h"])
def test_what_is_not_a_length_of_time_is_refused_with_an_example(text):
    with pytest.raises(BudgetError, match="such as 90s, 10m or 2h"):
        Budget.parse(text)


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": math.nan}, {"trials": 0}])
def test_a_budget_of_nothing_is_refused(wrong):
    with pytest.raises(BudgetError):
        Budget(**wrong)


def test_a_score_is_its_value_and_shows_its_interval():
    score = Score("accuracy", 0.91234, 0.88, 0.94, rows=200)
    assert float(score) == 0.91234
    assert str(score) == "0.9123 [0.8800, 0.9400]"
