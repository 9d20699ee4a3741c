"""Rows alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.pipeline.frame import frame


def rings(rows: int = 300) -> Problem:
    """A ring within a ring, and a number beside them that tells nothing."""
    dice = np.random.default_rng(0)
    angle, is_outer = dice.uniform(0, 2 * np.pi, rows), dice.random(rows) < 0.5
    radius = np.where(is_outer, 2.0, 1.0) + 0.1 * dice.normal(size=rows)
    cells = {
        "x": radius * np.cos(angle),
        "y": radius * np.sin(angle),
        "label": np.where(is_outer, "outer", "inner").astype(object),
    }
    kinds = {"x": "number", "y": "number", "label": "category"}
    columns = tuple(Column(name, kind, "made up") for name, kind in kinds.items())  # type: ignore[arg-type]
    return frame(Dataset("rings", columns, cells, np.arange(rows)), "label", seed=0)


def test_what_no_line_divides_is_learned_and_the_count_is_chosen() -> None:
    problem, learner = rings(), learners["neighbours"]
    config = default(learner.config, {"relevant": False})
    model = learner.fit(problem, config, 0, Watch(Clock(), lambda value, at: True))
    answers = model.predict(problem.part("test"))
    assert get("accuracy").score(problem.truth("test"), answers, None) > 0.9
    again = default(learner.config, {"relevant": False, **model.settled()})
    same = learner.fit(problem, again, 0, Watch(Clock(), lambda value, at: True))
    assert np.array_equal(same.predict(problem.part("test")).array(), answers.array())


def test_too_many_rows_are_refused() -> None:
    problem = rings()
    many = np.resize(problem.parts["train"], 50_001)
    problem = replace(problem, parts={**problem.parts, "train": many})
    assert "50,001" in learners["neighbours"].suits(problem)
