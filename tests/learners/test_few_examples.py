from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Dataset, Problem
from tunesmith.data.read import read
from tunesmith.learners._few_examples import SHARED_ROWS, compared, shared_scale
from tunesmith.pipeline.frame import frame

CLASSES = ("bad", "good")


def texts(count: int) -> Dataset:
    words = ["dull and torn it was", "a lovely coat to wear"]
    cells = [f"{words[i % 2]} number {i} of them all" for i in range(2 * count)]
    labels = [CLASSES[i % 2] for i in range(2 * count)]
    return read({"text": cells, "label": labels}, kinds={"text": "text"})


def test_a_spread_is_drawn_to_the_mean_of_all_the_more_the_fewer_rows_there_are():
    dice = np.random.default_rng(0)
    few = dice.normal(size=(2, 500)).astype(np.float32) * np.float32(3)
    many = dice.normal(size=(5000, 2)).astype(np.float32) * np.array([1, 9], dtype=np.float32)
    assert np.ptp(shared_scale(few)) < 0.6 * np.ptp(few.std(axis=0))
    assert shared_scale(many) == pytest.approx(many.std(axis=0), rel=0.02)
    one = np.ones((1, 4), dtype=np.float32)
    assert (shared_scale(one) > 0).all()
    same = few.var(axis=0).mean() * SHARED_ROWS / (2 + SHARED_ROWS)
    assert (shared_scale(few) ** 2 >= same * 0.999).all()


def answered_as(problem: Problem, right: dict[float, float]):
    """Answers that give the true class such a probability, by strength."""
    truth = problem.truth("train")

    def answered(teach, ask, strengths):
        assert not set(teach) & set(ask)
        found = []
        for strength in strengths:
            array = np.full((len(ask), 2), 1 - right[strength])
            array[np.arange(len(ask)), truth[ask]] = right[strength]
            found.append(ClassScores(CLASSES, array))
        return found

    return answered


def test_the_likeliest_strength_is_chosen_and_every_row_is_answered_out_of_fold():
    problem = frame(texts(4), "label")
    strength, unseen = compared(
        problem, answered_as(problem, {0.1: 0.6, 1.0: 0.9, 9.0: 0.7}), (0.1, 1.0, 9.0), Clock()
    )
    assert strength == 1.0
    shares = unseen.array()[np.arange(8), problem.truth("valid")]
    assert shares == pytest.approx(0.9)


def test_a_row_does_not_choose_the_strength_by_which_it_is_answered():
    problem = frame(texts(4), "label")
    truth, first = problem.truth("train"), problem.folds[0][1]
    lucky = set(np.searchsorted(problem.parts["train"], first))

    def answered(teach, ask, strengths):
        """One strength is right of the rows of the first fold alone, and very sure there."""
        found = []
        for strength in strengths:
            array = np.full((len(ask), 2), 0.5)
            for place, row in enumerate(ask):
                share = (0.999 if row in lucky else 0.35) if strength == 2.0 else 0.4
                array[place, truth[row]] = share
                array[place, 1 - truth[row]] = 1 - share
            found.append(ClassScores(CLASSES, array))
        return found

    once = replace(problem, folds=problem.folds[:4])
    _, unseen = compared(once, answered, (1.0, 2.0), Clock())
    rows = np.searchsorted(problem.parts["valid"], first)
    shares = unseen.array()[np.arange(8), problem.truth("valid")]
    assert shares[rows] == pytest.approx(0.4)


def test_fewer_draws_do_where_time_is_short_but_every_row_is_answered():
    problem = frame(texts(3), "label")
    now = iter(range(10_000))
    fits = answered_as(problem, {1.0: 0.8})
    with pytest.raises(BudgetError, match="folds were fitted"):
        compared(problem, fits, (1.0,), Clock(0.5, lambda: float(next(now))))
    now = iter(range(10_000))
    _, unseen = compared(problem, fits, (1.0,), Clock(10.0, lambda: float(next(now))))
    assert np.isfinite(unseen.array()).all()
