"""Beside the plain validation score stands what choosing, or blending, is worth."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.cli.fit import corrected_lines
from tunesmith.core.predictions import ClassScores, mix
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.evaluate.scores import score
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.honesty import corrected_facts, tied
from tunesmith.pipeline.run import Run


def trials(problem: Problem) -> list[Result]:
    """Three trials, each of which sees the labels through noise of its own."""
    truth, found = problem.truth("valid"), []
    for number, name in enumerate(("linear", "lightgbm", "neighbours"), start=1):
        noise = np.random.default_rng(number).normal(size=len(truth))
        up = 1 / (1 + np.exp(-(2.0 * truth - 1.0 + noise)))
        shares = ClassScores(problem.classes, np.stack([1 - up, up], axis=1))
        found.append(
            Result(
                Trial(number, name, {}, "", 0),
                "done",
                score=score(problem.metric, truth, shares),
                prediction=shares,
            )
        )
    return found


def test_of_a_blend_its_own_score_and_what_blending_is_worth(run: Run, problem: Problem) -> None:
    results = trials(problem)
    parts = [r.prediction for r in results if r.prediction is not None]
    blended = Blend(tuple(results), (1.0, 1.0, 1.0), "", mix(parts, [1.0, 1.0, 1.0]))
    told = corrected_facts(run, problem, results, blended)
    assert told["validation_corrected_is"] == "of blending"
    own = score(problem.metric, problem.truth("valid"), blended.prediction)
    assert told["validation_blend"]["score"] == own.value
    fair = told["validation_corrected"]
    assert fair["low"] <= fair["score"] <= fair["high"]
    assert fair["score"] < own.value
    assert told == corrected_facts(run, problem, results, blended)
    facts = {**told, "validation": {"score": 0.9}, "trials": 3}
    assert "the blend" in corrected_lines(facts)[0]
    assert "choosing and blending the best of 3 trials is worth" in corrected_lines(facts)[0]


def test_of_one_model_what_choosing_it_is_worth(run: Run, problem: Problem) -> None:
    results = trials(problem)
    assert results[0].prediction is not None
    alone = Blend((results[0],), (1.0,), "", results[0].prediction)
    told = corrected_facts(run, problem, results, alone)
    assert told["validation_corrected_is"] == "of choosing the best trial"
    assert "validation_blend" not in told
    assert told["validation_corrected"]["score"] == pytest.approx(
        max(r.score.value for r in results if r.score), abs=0.1
    )
    assert corrected_facts(run, problem, results[:1], alone)["validation_corrected"] is None
    assert set(tied(problem, results)) <= {1, 2, 3}
