"""What is to be learned from which rows: choices with reasons, and what stops a fit at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.records import Column, Dataset
from tunesmith.data.read import read
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import reviews


def with_label(data: Dataset, labels: list[str | None]) -> Dataset:
    cells = np.empty(len(labels), dtype=object)
    cells[:] = labels
    return replace(data, cells={**data.cells, "label": cells})


def test_every_choice_has_its_reason_and_every_labelled_row_its_part(data: Dataset) -> None:
    problem = frame(data, "label", seed=0)
    assert problem.task == "classification"
    assert problem.classes == ("bad", "good")
    assert problem.inputs == ("text", "age", "shop")
    assert set(problem.reasons) == {"task", "metric", "split", "inputs"}
    rows = np.concatenate([problem.parts[part] for part in ("train", "valid", "test")])
    assert sorted(rows) == list(range(200))


def test_the_same_seed_splits_alike(data: Dataset) -> None:
    one, two, other = (frame(data, "label", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.parts["test"], two.parts["test"])
    assert not np.array_equal(one.parts["test"], other.parts["test"])


def test_numbers_make_a_regression() -> None:
    data = reviews(np.random.default_rng(0), 120).with_columns(("text", "stars"))
    problem = frame(data, "stars", seed=0)
    assert (problem.task, problem.metric, problem.classes) == ("regression", "rmse", ())


def test_a_few_whole_numbers_are_labels_unless_told_otherwise() -> None:
    table = {"text": [f"a text of {i} words" for i in range(60)], "y": [i % 3 for i in range(60)]}
    data = read(table, target="y")
    assert frame(data, "y", seed=0).classes == ("0", "1", "2")
    assert frame(data, "y", task="regression", seed=0).classes == ()
    assert frame(data, "y", task="multiclass", seed=0).task == "classification"


def test_unlabelled_rows_are_left_out_and_told(data: Dataset) -> None:
    labels = list(data.values("label"))
    labels[3] = labels[7] = None
    problem = frame(with_label(data, labels), "label", seed=0)
    rows = set(np.concatenate(list(problem.parts.values())).tolist())
    assert not {3, 7} & rows
    assert any(finding.check == "unlabelled" and finding.count == 2 for finding in problem.findings)


def test_rows_of_a_group_stay_together(data: Dataset) -> None:
    groups = np.array([f"g{i // 5}" for i in range(200)], dtype=object)
    columns = (*data.columns, Column("who", "category", ""))
    grouped = replace(data, columns=columns, cells={**data.cells, "who": groups})
    problem = frame(grouped, "label", group="who", seed=0)
    sides = [set(groups[rows]) for rows in problem.parts.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))
    assert "who" not in problem.inputs


def test_time_never_trains_on_the_future(data: Dataset) -> None:
    problem = frame(data, "label", time="age", seed=0)
    age = data.values("age")
    assert age[problem.parts["train"]].max() <= age[problem.parts["test"]].min()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([None] * 200, "No row"),
        (["same"] * 200, "same label 'same'"),
        (["a"] + [None] * 199, "1 row with a value"),
        ([f"id{i}" for i in range(200)], "200 different labels"),
    ],
)
def test_what_cannot_be_learned_stops_with_a_reason(
    data: Dataset, labels: list[str | None], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        frame(with_label(data, labels), "label", seed=0)


def test_a_target_of_words_and_numbers_asks_what_is_meant() -> None:
    cells = [str(i % 3) for i in range(100)]
    cells[10:16] = ["many"] * 6
    data = read({"text": [f"text {i} here" for i in range(100)], "y": cells}, target="y")
    with pytest.raises(DataError, match="--task classification"):
        frame(data, "y", seed=0)
    assert "many" in frame(data, "y", task="classification", seed=0).classes


def test_a_constant_amount_is_nothing_to_learn() -> None:
    data = read({"x": list(range(50)), "y": [1.5] * 50}, target="y")
    with pytest.raises(DataError):
        frame(data, "y", task="regression", seed=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "clasification"}, "classification"),
        ({"metric": "acuracy"}, "accuracy"),
        ({"metric": "rmse"}, "2 classes"),
        ({"group": "label"}, "is the target"),
        ({"time": "shop"}, "dates or numbers"),
    ],
)
def test_a_wrong_option_names_the_right_one(
    data: Dataset, options: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        frame(data, "label", seed=0, **options)  # type: ignore[arg-type]


def test_a_missing_target_names_the_nearest(data: Dataset) -> None:
    with pytest.raises(DataError, match="Did you mean 'label'"):
        frame(data, "lable", seed=0)
