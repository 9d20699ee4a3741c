"""Answers that are expected to cost least, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.costs import Costs, RowCosts
from tunesmith.core.errors import DataError
from tunesmith.core.predictions import ClassScores, mix
from tunesmith.core.records import Column, Dataset

MISSED = Costs(((0.0, 5.0), (0.0, 0.0)), ((1, 0, 1.0, "amount"),))
"""A false alarm costs 5, a miss the amount."""


def rows(*amounts: float) -> Dataset:
    cells = {"amount": np.array(amounts)}
    lines = np.arange(2, len(amounts) + 2, dtype=np.int64)
    return Dataset("bank.csv", (Column("amount", "number", ""),), cells, lines)


def test_the_answer_hangs_on_the_amount() -> None:
    shares = np.tile([0.9, 0.1], (3, 1))
    scores = ClassScores(("ok", "fraud"), shares, MISSED.of(rows(10.0, 44.0, 46.0)))
    assert scores.decode().tolist() == ["ok", "ok", "fraud"]  # 0.9 * 5 against 0.1 * amount
    assert scores.take(np.array([2, 0])).decode().tolist() == ["fraud", "ok"]


def test_of_two_classes_the_threshold_is_the_one_of_elkan() -> None:
    costs = RowCosts(np.array([[1.0, 4.0], [10.0, 2.0]]))
    threshold = (4 - 1) / (4 - 1 + 10 - 2)
    shares = np.linspace(0, 1, 101)
    scores = ClassScores(("a", "b"), np.stack([1 - shares, shares], axis=1), costs)
    assert np.array_equal(scores.codes() == 1, shares > threshold)


@pytest.mark.parametrize("classes", [2, 5])
def test_no_other_answer_is_expected_to_cost_less(classes: int) -> None:
    dice = np.random.default_rng(classes)
    fixed, amounts = dice.normal(size=(classes, classes)), dice.random(30)
    costs = RowCosts(fixed, ((0, 1, 3 * amounts), (1, 1, -amounts)))
    shares = dice.dirichlet(np.ones(classes), 30)
    expected = np.zeros((30, classes))
    for true in range(classes):
        for answer in range(classes):
            codes = np.full(30, true), np.full(30, answer)
            expected[:, answer] += shares[:, true] * costs.of(*codes)
    assert np.allclose(costs.expected(shares), expected)
    found = ClassScores(tuple("abcde"[:classes]), shares, costs)
    assert np.array_equal(found.codes(), expected.argmin(axis=1))


def test_an_unknown_label_costs_what_the_answer_may_cost_at_most() -> None:
    costs = MISSED.of(rows(7.0, 7.0, 7.0))
    truth, answers = np.array([1, -1, -1]), np.array([0, 0, 1])
    assert costs.of(truth, answers).tolist() == [7.0, 7.0, 5.0]


def test_a_mix_decides_by_the_costs_of_its_members() -> None:
    costs = MISSED.of(rows(100.0))
    members = [ClassScores(("ok", "fraud"), np.array([[1 - p, p]]), costs) for p in (0.0, 0.2)]
    assert mix(members, [0.5, 0.5]).decode().tolist() == ["fraud"]


@pytest.mark.parametrize(("cell", "words"), [(np.nan, "no number"), (-3.0, "-3"), (np.inf, "inf")])
def test_an_amount_that_is_none_is_named(cell: float, words: str) -> None:
    with pytest.raises(DataError, match=rf"bank.csv, line 3, column 'amount': {words}.*1 of 2"):
        MISSED.of(rows(1.0, cell))


def test_costs_are_the_same_after_json() -> None:
    assert Costs.restore(MISSED.plain()) == MISSED
    assert Costs.restore(None) is None
