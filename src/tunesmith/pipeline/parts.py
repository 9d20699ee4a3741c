"""Parts of the training rows, for trials that look at fewer of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tunesmith.core.records import Problem, Rows
from tunesmith.core.seeds import generator
from tunesmith.tasks import tasks


def nested(problem: Problem, seed: int) -> Rows:
    """The training rows in an order of which every beginning holds the classes (of numbers, the
    ranges) in about their shares."""
    rows = problem.parts["train"]
    mixed = rows[generator(seed, "parts of rows").permutation(len(rows))]
    codes = tasks[problem.task].strata(problem.data.values(problem.target)[mixed])
    counts = np.bincount(codes)
    by_code = np.argsort(codes, kind="stable")
    place = np.empty(len(rows))
    place[by_code] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = generator(seed, "parts of classes").random(len(counts))
    return np.asarray(mixed[np.argsort((place + offset[codes]) / counts[codes], kind="stable")])


def with_train(problem: Problem, rows: Rows) -> Problem:
    """The problem with these training rows alone, in the order of the source; the rows that select
    and that prove stay as they are."""
    return replace(problem, parts={**problem.parts, "train": np.sort(rows)})


def fewer(problem: Problem, share: float) -> Problem:
    """The problem with that share of the training rows: the same ones in every trial of a run."""
    order = nested(problem, problem.seed)
    return with_train(problem, order[: max(1, round(share * len(order)))])
