"""Rows that are taught by shares of classes are one row each, with the same loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._soft import merged
from tunesmith.nn import heads
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.soft_labels import columns_of, taught
from tunesmith.tasks import tasks


def soft(example: Problem, answers: np.ndarray) -> Problem:
    rows = example.parts["train"]
    data = example.data.take(rows).with_columns(columns_of(example))
    told = ClassScores(example.classes, answers)
    return taught(example, data, told, None, example.parts["valid"])


@pytest.fixture
def example() -> Problem:
    task = tasks["classification"]
    data, target = task.example(np.random.default_rng(0))
    return frame(data, target, seed=0)


@pytest.fixture
def answers(example: Problem) -> np.ndarray:
    drawn = np.random.default_rng(0).uniform(0.1, 0.9, len(example.parts["train"]))
    return np.stack([drawn, 1 - drawn], axis=1)


def test_repeated_rows_are_one_with_the_shares_of_all(
    example: Problem, answers: np.ndarray
) -> None:
    problem, shares = merged(soft(example, answers))
    assert shares is not None
    assert np.allclose(shares, answers, atol=1e-6)
    assert len(problem.parts["train"]) == len(answers)
    assert np.array_equal(problem.truth("train"), answers.argmax(axis=1))
    weights = problem.weight("train")
    assert weights is not None
    assert np.allclose(weights, 1)


def test_a_row_that_counts_nothing_teaches_nothing(example: Problem, answers: np.ndarray) -> None:
    told = soft(example, answers)
    assert told.weights is not None
    weights, rows = told.weights.copy(), told.parts["train"]
    first = told.data.lines == told.data.lines[rows[0]]
    weights[first] = 0.0
    problem, shares = merged(replace(told, weights=weights))
    counts = problem.weight("train")
    assert shares is not None
    assert counts is not None
    assert np.isfinite(shares).all()
    assert counts[0] == 0
    assert (counts[1:] > 0).all()


def test_other_rows_are_left_as_they_are(example: Problem) -> None:
    assert merged(example) == (example, None)
    weighed = replace(example, weights=np.ones(len(example.data)))
    problem, shares = merged(weighed)
    assert shares is None
    assert problem is weighed


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_of_the_repeated_rows(answers: np.ndarray, smoothing: float) -> None:
    count = len(answers)
    logits = torch.randn(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    told = {"classes": 2, "smoothing": smoothing, "weights": None}
    shared = heads.loss(logits, torch.from_numpy(answers), is_shared=True, **told)
    repeated = heads.loss(
        logits.repeat_interleave(2, dim=0),
        torch.tensor([0, 1] * count),
        row_weights=torch.from_numpy(answers.reshape(-1) * 2),
        **told,
    )
    assert torch.allclose(shared, repeated)


def test_a_network_learns_shares(example: Problem, checkpoint: str, answers: np.ndarray) -> None:
    """Where every row is taught the same share, that is what it answers."""
    problem = soft(example, np.tile([0.3, 0.7], (len(answers), 1)))
    pins = {"backbone": checkpoint, "epochs": 12, "lr": 3e-3, "patience": 0, "batch_size": 16}
    config = default(learners["neural"].config, pins)
    model = learners["neural"].fit(problem, config, 0, Watch(Clock(), lambda s, p: True))
    found = model.predict(problem.part("train")).array()
    assert np.abs(found[:, 0] - 0.3).max() < 0.1
