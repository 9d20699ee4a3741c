"""Mistakes are counted by what was true and what was answered."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.costs import RowCosts
from tunesmith.core.predictions import ClassScores, Labels
from tunesmith.evaluate.mistakes import UNKNOWN, deciles, labels, losses_of, pairs

LINES = np.arange(2, 8)


def answers(codes: list[int], sure: list[float]) -> ClassScores:
    shares = np.tile((1 - np.array(sure))[:, None] / 2, (1, 3))
    shares[np.arange(len(codes)), codes] = sure
    return ClassScores(("a", "b", "c"), shares)


def test_pairs_come_by_count_with_the_surest_lines_first() -> None:
    truth = np.array([0, 0, 0, 1, -1, 2])
    found = pairs(truth, answers([1, 1, 0, 1, 0, 0], [0.6, 0.9, 0.8, 0.7, 0.9, 0.5]), LINES, 9)
    assert (found[0].truth, found[0].answer, found[0].rows) == ("a", "b", 2)
    assert found[0].share == pytest.approx(2 / 3)
    assert found[0].lines == (3, 2)
    assert {(one.truth, one.answer) for one in found[1:]} == {("c", "a"), (UNKNOWN, "a")}


def test_the_loss_of_classes_is_whether_the_answer_is_wrong_or_what_it_costs() -> None:
    truth, found = np.array([0, 1]), answers([0, 0], [0.8, 0.8])
    plain = losses_of(truth, found)
    assert plain.losses.values.tolist() == [0, 1]
    assert plain.losses.second == pytest.approx(-np.log([0.8, 0.1]))
    costs = RowCosts(np.array([[0.0, 1, 1], [7, 0, 1], [1, 1, 0]]))
    priced = losses_of(truth, ClassScores(found.classes, np.array([[0.9, 0, 0.1]] * 2), costs))
    assert priced.name == "mean cost"
    assert priced.losses.values.tolist() == [0, 7]


def test_labels_are_missed_or_added() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    found = Labels(("x", "y"), np.array([[0.1, 0.9], [0.9, 0.9], [0.1, 0.1]]))
    told = {one.label: (one.rows, one.missed, one.added) for one in labels(truth, found)}
    assert told == {"x": (2, 1, 0), "y": (1, 0, 1)}
    assert losses_of(truth, found).losses.values.tolist() == [1, 0, 0]


def test_tenths_of_the_truth_hold_every_row_once() -> None:
    truth = np.concatenate([np.zeros(50), np.arange(50.0)])
    found = deciles(truth, truth + 1, np.arange(100))
    assert sum(one.rows for one in found) == 100
    assert all(one.mean_error == pytest.approx(1) for one in found)
    assert [one.low for one in found] == sorted(one.low for one in found)
