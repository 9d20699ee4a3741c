"""What is planned for tables: which first configs, by how many rows and classes there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.records import Problem
from tunesmith.data.read import read
from tunesmith.learners.tabular import PiecewiseLinear, Plain
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import plan


def made(rows: int, classes: int, *, numbers: bool = True) -> Problem:
    dice = np.random.default_rng(0)
    cells: dict[str, Any] = {"shop": dice.choice(["north", "south"], rows).tolist()}
    if numbers:
        cells["x"] = dice.normal(size=rows).tolist()
    return frame(read({**cells, "label": [f"c{n % classes}" for n in range(rows)]}), "label")


def planned(problem: Problem, name: str, **pins: Any) -> list[dict[str, Any]]:
    found, _ = plan(problem, wanted=[name], pins={name: pins}, clock=Clock(), offline=True)
    return [dict(one.config) for one in found]


def test_of_few_rows_a_network_of_plain_numbers_comes_before_the_one_of_bins() -> None:
    quick, usual = planned(made(400, 2), "tabular")
    assert quick["network"]["kind"] == "RealMLP"
    assert quick["network"]["numbers"]["kind"] == Plain.__name__
    assert usual["network"]["numbers"]["kind"] == PiecewiseLinear.__name__


@pytest.mark.parametrize("pins", [{"network": "TabM"}, {"network.TabM.width": 128}, {"lr": 1e-3}])
def test_a_network_that_is_pinned_is_the_only_one(pins: dict[str, Any]) -> None:
    (only,) = planned(made(400, 2), "tabular", **pins)
    assert only["network"]["kind"] == "TabM"


def test_a_pin_of_something_else_holds_for_both() -> None:
    assert [one["epochs"] for one in planned(made(400, 2), "tabular", epochs=7)] == [7, 7]


def test_of_many_rows_or_of_no_numbers_there_is_one_network() -> None:
    assert len(planned(made(8_000, 2), "tabular")) == 1
    assert len(planned(made(400, 2, numbers=False), "tabular")) == 1


@pytest.mark.parametrize(
    ("rows", "classes", "lr", "l2"),
    [(2000, 2, 0.05, 1.0), (400, 8, 0.1, 1.0), (2000, 8, 0.1, 0.01)],
)
def test_trees_of_many_classes_step_further_and_of_many_rows_are_held_back_less(
    rows: int, classes: int, lr: float, l2: float
) -> None:
    (config,) = planned(made(rows, classes), "lightgbm")
    assert (config["lr"], config["l2"]) == (lr, l2)
