"""Columns that tell too much are named, and honest ones are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.records import Problem
from tunesmith.data.read import read
from tunesmith.pipeline.frame import frame

ROWS = 600


def table(seed: int = 0) -> pd.DataFrame:
    """Four columns of which two tell something of a label, and of an amount."""
    dice = np.random.default_rng(seed)
    found = pd.DataFrame(dice.normal(size=(ROWS, 4)), columns=list("abcd"))
    found["shop"] = dice.choice(["north", "south", "west"], ROWS)
    found["amount"] = found.a + found.b + 2 * dice.normal(size=ROWS)
    found["label"] = np.where(found.amount > 0, "yes", "no")
    return found


def framed(data: pd.DataFrame, target: str = "label", **more: Any) -> Problem:
    return frame(read(data), target, **more)


def of(problem: Problem, check: str) -> list[str]:
    return [f.message for f in problem.findings if f.check == check]


@pytest.mark.parametrize("target", ["label", "amount"])
def test_honest_columns_yield_no_finding(target: str) -> None:
    data = table().drop(columns={"label", "amount"} - {target})
    assert framed(data, target).findings == ()


def test_real_tables_with_strong_columns_yield_no_leak() -> None:
    from sklearn.datasets import load_breast_cancer, load_iris, load_wine

    for load in (load_breast_cancer, load_iris, load_wine):
        found = framed(load(as_frame=True).frame, "target", task="classification")
        assert not {"leaking column", "group", "giveaway"} & {f.check for f in found.findings}, load


@pytest.mark.parametrize("copies", [1, 2])
def test_a_column_that_nearly_tells_the_label_is_named_and_so_is_its_copy(copies: int) -> None:
    data, dice = table().drop(columns="amount"), np.random.default_rng(1)
    hint = (data.label == "yes") + 0.28 * dice.normal(size=ROWS)
    for number in range(copies):
        data[f"hint{number}"] = hint * (number + 1)
    found = of(framed(data), "leaking column")
    assert len(found) == copies
    assert "Column 'hint0' alone tells 'label'" in found[0]


def test_a_column_that_nearly_tells_a_number_is_named() -> None:
    data = table().drop(columns="label")
    data["hint"] = data.amount**3 + 0.05 * np.random.default_rng(1).normal(size=ROWS)
    problem = framed(data, "amount")
    assert any("'hint' alone" in f.message for f in problem.findings)


def test_what_is_told_by_the_order_alone_is_named_with_the_columns_that_drift() -> None:
    data, dice = table().drop(columns="amount"), np.random.default_rng(2)
    data["day"] = pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d")
    data["counter"] = np.arange(ROWS) + dice.normal(size=ROWS)
    wave = np.sin(np.arange(ROWS) / 40)
    data["label"] = np.where(wave + 0.2 * dice.normal(size=ROWS) > 0, "yes", "no")
    problem = framed(data, time="day")
    (order,) = of(problem, "order")
    assert "Column 'counter'" in order
    (drift,) = of(problem, "drift")
    assert "'counter' 1.00" in drift
    assert "'a'" not in drift
    assert not of(framed(data.drop(columns="counter"), time="day"), "order")


@pytest.mark.parametrize("as_number", [False, True])
def test_a_column_that_names_a_group_is_told_with_what_to_do(as_number: bool) -> None:
    data, dice = table().drop(columns="amount"), np.random.default_rng(3)
    patient = dice.permutation(np.arange(ROWS) % 120)
    data["label"] = np.where(dice.random(120)[patient] > 0.5, "yes", "no")
    data["patient"] = patient * 7 if as_number else [f"p{one}" for one in patient]
    kinds = {"patient": "number" if as_number else "category"}
    problem = frame(read(data, kinds=kinds), "label")
    (told,) = of(problem, "group")
    assert "--group 'patient'" in told
    assert not of(frame(read(data, kinds=kinds), "label", group="patient"), "group")


@pytest.mark.parametrize("folds", [5, 0])
def test_test_rows_copied_into_train_are_told_with_the_score_without_them(
    tmp_path: Path, folds: int
) -> None:
    data = table().drop(columns="amount")
    data["part"] = np.repeat(["train", "valid", "test"], [360, 120, 120])
    data["hint"] = (data.label == "yes") + 0.28 * np.random.default_rng(1).normal(size=ROWS)
    if folds:
        data = data.drop(columns="part")
        test = frame(read(data), "label").parts["test"]
        train = frame(read(data), "label").parts["train"]
    else:
        train, test = np.arange(360), np.arange(480, 600)
    copied = test[: len(test) // 20]
    data.iloc[train[: len(copied)]] = data.iloc[copied].assign(
        **({} if folds else {"part": "train"})
    )
    model = ts.fit(
        data,
        "label",
        trials=2,
        learners=["linear"],
        split=None if folds else "part",
        folds=folds or None,
        folder=tmp_path / "run",
    )
    told = {f["check"]: f for f in model.summary["findings"]}
    assert told["leak"]["count"] == len(copied)
    assert "'hint'" in told["leaking column"]["message"]
    assert model.summary["score_without_leaks"]["rows"] == len(test) - len(copied)
