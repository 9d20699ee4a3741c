"""What a target is taken for, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.records import Column
from tunesmith.tasks import tasks
from tunesmith.tasks.classification import labels


def claimed(kind: Any, values: np.ndarray) -> tuple[str, str]:
    column = Column("y", kind, "")
    claims = {name: task.claim(column, values) for name, task in tasks.items()}
    name = max(claims, key=lambda key: claims[key][0])
    return name, claims[name][1]


def words(*values: Any) -> np.ndarray:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def test_words_are_labels() -> None:
    name, reason = claimed("category", words(*["yes", "no"] * 10))
    assert name == "classification"
    assert "2 labels" in reason


def test_a_few_whole_numbers_are_labels_and_the_reason_says_how_to_change_that() -> None:
    name, reason = claimed("number", np.array([1.0, 2.0, 3.0] * 20))
    assert name == "classification"
    assert "--task regression" in reason


@pytest.mark.parametrize(
    "values", [np.linspace(0, 1, 50), np.arange(50.0), np.array([1.5, 2.5] * 9)]
)
def test_other_numbers_are_amounts(values: np.ndarray) -> None:
    assert claimed("number", values)[0] == "regression"


def test_labels_that_are_numbers_sort_as_numbers() -> None:
    values = np.array([10.0, 2.0, 1.0])
    assert tasks["classification"].classes(values) == ("1", "2", "10")
    assert labels(np.array([1.0, np.nan, 2.5])).tolist() == ["1", None, "2.5"]


@pytest.mark.parametrize(
    ("counts", "metric"),
    [((50, 50), "accuracy"), ((90, 10), "roc_auc"), ((500, 20, 20, 20), "f1_macro")],
)
def test_the_metric_follows_the_balance(counts: tuple[int, ...], metric: str) -> None:
    values = words(*(f"c{i}" for i, count in enumerate(counts) for _ in range(count)))
    task = tasks["classification"]
    assert task.metric(values, task.classes(values))[0] == metric


@pytest.mark.parametrize("name", list(tasks))
def test_every_task_has_an_example_it_claims_for_itself(name: str) -> None:
    data, target = tasks[name].example(np.random.default_rng(0))
    assert claimed(data.column(target).kind, data.values(target))[0] == name
    assert len(tasks[name].strata(data.values(target))) == len(data)
