"""What a result is worth by each goal, higher is better."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.pipeline.goals import check_goals, goals_of

EVERY = ("score", "latency", "size", "memory", "parameters")


def test_each_goal_has_its_unit_and_sign(problem: Problem) -> None:
    result = Result(
        Trial(1, "neural", {}, "", 0),
        "done",
        score=Score(problem.metric, 0.9, 0.8, 1.0, 50),
        predict_seconds=0.002,
        size_bytes=8_000_000,
        memory_bytes=12_000_000,
        parameters=3_000_000,
    )
    assert goals_of(problem, result, EVERY) == (0.9, -2.0, -8.0, -12.0, -3.0)
    assert goals_of(problem, result, ()) == (0.9,)
    untold = replace(result, memory_bytes=0, parameters=0)
    assert goals_of(problem, untold, EVERY)[3:] == (-8.0, -2.0)


def test_the_score_always_comes_first_and_others_are_known() -> None:
    assert check_goals(["memory", "parameters"]) == ("score", "memory", "parameters")
    assert check_goals(["score"]) == ()
    with pytest.raises(ConfigError, match="Did you mean 'memory'"):
        check_goals(["memry"])
