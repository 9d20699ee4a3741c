"""Rows that are taught by probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.soft_labels import labels_as_answers, softened, taught
from tunesmith.pipeline.teacher import made_of


def table(rows: int = 200) -> Problem:
    dice = np.random.default_rng(0)
    cells = {"x": dice.normal(size=rows).tolist(), "label": dice.choice(["a", "b"], rows).tolist()}
    return frame(read(cells), "label", folds=0, seed=0)


def test_a_row_counts_for_each_class_as_much_as_that_is_probable() -> None:
    problem = table()
    rows = problem.parts["train"][:3]
    answers = ClassScores(("a", "b"), np.array([[0.2, 0.8], [0.999, 0.001], [0.0, 1.0]]))
    weights = np.array([1.0, 2.0, 3.0])
    soft = taught(problem, problem.data.take(rows), answers, weights, problem.parts["valid"])
    counts = soft.weight("train")
    assert soft.truth("train").tolist() == [0, 1, 0, 1]
    assert counts is not None
    assert np.allclose(counts, [0.2, 0.8, 2, 3])
    cells = problem.data.values("x")
    assert np.array_equal(soft.part("train").values("x"), cells[rows][[0, 0, 1, 2]])
    for part in ("valid", "test"):
        assert np.array_equal(soft.truth(part), problem.truth(part))
        assert np.array_equal(soft.part(part).lines, problem.part(part).lines)


@pytest.mark.parametrize("kind", ["linear", "lightgbm"])
def test_a_student_learns_probabilities_that_no_label_shows(kind: str) -> None:
    problem = table()
    rows = problem.parts["train"]
    up = 1 / (1 + np.exp(-problem.data.values("x")[rows]))
    answers = ClassScores(("a", "b"), np.stack([1 - up, up], axis=1))
    soft = taught(problem, problem.data.take(rows), answers, None, rows)
    soft = replace(soft, metric="log_loss")
    pins = {"strength": 100.0} if kind == "linear" else {"rounds": 150, "row_fraction": 1.0}
    learner, watch = learners[kind], Watch(Clock(), lambda score, progress: True)
    found = learner.fit(soft, default(learner.config, pins), 0, watch).predict(
        problem.part("train")
    )
    assert np.abs(found.array()[:, 1] - up).mean() < 0.05


def test_what_is_sure_of_every_label_teaches_the_labels_alone() -> None:
    problem = table()
    rows = problem.parts["train"]
    answers = labels_as_answers(problem, rows)
    soft = taught(problem, problem.data.take(rows), answers, None, problem.parts["valid"])
    assert np.array_equal(soft.truth("train"), problem.truth("train"))


def test_a_temperature_and_its_inverse_cancel_out() -> None:
    answers = ClassScores(("a", "b", "c"), np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]))
    warm = softened(answers, 2.0)
    assert np.allclose(warm.array()[0], np.sqrt([0.7, 0.2, 0.1]) / np.sqrt([0.7, 0.2, 0.1]).sum())
    assert np.allclose(softened(warm, 0.5).array(), answers.array())
    numbers = Values(np.array([3.0]))
    assert softened(numbers, 2.0) is numbers


def test_numbers_are_taught_as_the_target() -> None:
    cells = {"x": (np.arange(100.0) / 7).tolist(), "y": (np.arange(100.0) + 0.5).tolist()}
    problem = frame(read(cells), "y", task="regression", folds=0, seed=0)
    rows = problem.parts["train"]
    answers = Values(np.arange(len(rows)) * 2.0)
    soft = taught(problem, problem.data.take(rows), answers, None, problem.parts["valid"])
    assert np.array_equal(soft.truth("train"), answers.values)


def test_made_rows_hold_cells_of_the_rows_there_are() -> None:
    dice = np.random.default_rng(0)
    shops = dice.choice(["p", "q"], 50).tolist()
    data = read({"x": dice.normal(size=50).tolist(), "shop": shops})
    made = made_of(data, 400, np.random.default_rng(1))
    assert len(made) == 400
    assert set(made.values("x")) <= set(data.values("x"))
    place = {cell: row for row, cell in enumerate(data.values("x"))}
    own = [data.values("shop")[place[cell]] for cell in made.values("x")]
    share = np.mean(made.values("shop") != np.array(own, dtype=object))
    assert 0.05 < share < 0.3, "of two values half of those that are taken from elsewhere differ"
