"""Rows that are taught by probabilities rather than by one label each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem, Rows

LEAST_SHARE = 0.01
"""A probability below is left out, and the others of its row make up for it."""


def labels_as_answers(problem: Problem, rows: Rows) -> Prediction:
    """What a model that is sure of every label would answer for these rows of the data."""
    truth = problem.encode(problem.data.values(problem.target)[rows])
    if not problem.classes:
        return Values(truth)
    return ClassScores(problem.classes, np.eye(len(problem.classes))[truth])


def softened(answers: Prediction, temperature: float) -> Prediction:
    """Probabilities to the power 1 / temperature, scaled to one; numbers as they are.

    Source: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, eq. 1.
    """
    if not isinstance(answers, ClassScores) or temperature == 1:
        return answers
    powers = answers.probabilities ** (1 / temperature)
    return answers.with_array(powers / powers.sum(axis=1, keepdims=True))


def taught(
    problem: Problem,
    data: Dataset,
    answers: Prediction,
    weights: NDArray[np.float64] | None,
    valid: Rows,
) -> Problem:
    """The problem of who learns answers in place of labels.

    A row is there once for each class, and counts as much as that class is probable: the loss of
    a learner that weighs rows is then the cross entropy between the answers and its own. Numbers
    become the target.

    Args:
        data: The rows to learn from, with the columns of `columns_of`.
        answers: What is to be answered for them.
        weights: How much each of them counts; None where all count alike.
        valid: Rows of the problem's data that end the training, as they are labelled.
    """
    place, target, counts = _repeated(problem, answers)
    counts = counts if weights is None else counts * weights[place]
    held = np.concatenate([valid, problem.parts["test"]])
    names = columns_of(problem)
    learned = _with_target(data.with_columns(names).take(place), problem, target)
    every = joined([learned, problem.data.take(held).with_columns([*names, problem.target])])
    ends = np.cumsum([len(place), len(valid), len(problem.parts["test"])])
    rows = np.split(np.arange(len(every)), ends[:-1])
    own = np.ones(len(held)) if problem.weights is None else problem.weights[held]
    return replace(
        problem,
        data=every,
        parts={"train": rows[0], "valid": rows[1], "test": rows[2]},
        folds=(),
        leaked=rows[2][:0],
        weights=np.concatenate([counts, own]),
    )


def columns_of(problem: Problem) -> list[str]:
    """The columns that are learned from: the inputs, and the amounts of what answers cost."""
    return list(dict.fromkeys([*problem.inputs, *(problem.costs.columns if problem.costs else ())]))


def joined(parts: Sequence[Dataset]) -> Dataset:
    """The rows of tables with the same columns, one after the other."""
    first = parts[0]
    cells = {name: np.concatenate([one.cells[name] for one in parts]) for name in first.names}
    return replace(first, cells=cells, lines=np.concatenate([one.lines for one in parts]), bad=())


def _repeated(
    problem: Problem, answers: Prediction
) -> tuple[Rows, NDArray[Any], NDArray[np.float64]]:
    """Which row stands in each place, its target there, and how much it counts."""
    if not isinstance(answers, ClassScores):
        return np.arange(len(answers)), answers.array(), np.ones(len(answers))
    shares = answers.probabilities
    least = np.minimum(LEAST_SHARE, shares.max(axis=1, keepdims=True))
    shares = np.where(shares < least, 0.0, shares)
    shares /= shares.sum(axis=1, keepdims=True)
    place, code = np.nonzero(shares)
    return place, np.array(problem.classes, dtype=object)[code], shares[place, code]


def _with_target(data: Dataset, problem: Problem, target: NDArray[Any]) -> Dataset:
    column = problem.data.column(problem.target)
    cells = {**data.cells, problem.target: target}
    return replace(data, columns=(*data.columns, column), cells=cells)
