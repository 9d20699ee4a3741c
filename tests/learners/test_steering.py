"""What networks are kept by: the metric, and the likelihood once they are no surer than right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem
from tunesmith.learners._steering import by_likelihood, selection_score


def answers(problem: Problem, right: float, wrong: float) -> ClassScores:
    """Four in five rows answered right; how sure of that those are, and the others, in log odds."""
    truth = problem.truth("valid")
    odds = np.where(np.arange(len(truth)) % 5 == 4, -wrong, right)
    likely = 1 / (1 + np.exp(-odds))
    shares = np.empty((len(truth), 2))
    rows = np.arange(len(truth))
    shares[rows, truth], shares[rows, 1 - truth] = likely, 1 - likely
    return ClassScores(problem.classes, shares)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_network_that_is_too_sure_is_rated_as_if_it_were_not(
    example: Problem, is_weighted: bool
) -> None:
    if len(example.classes) != 2:
        pytest.skip("classes are what one can be too sure of")
    if is_weighted:
        weights = np.ones(len(example.data))
        weights[example.parts["valid"][::10]] = 0.0  # right ones that count for nothing
        example = replace(example, weights=weights)
    likelihood = by_likelihood(len(example.parts["valid"]))
    plain = selection_score(example, 0, likelihood=likelihood)
    refined = selection_score(example, 0, likelihood=likelihood, is_refined=True)
    timid, sure = answers(example, 1.0, 1.0), answers(example, 4.0, 4.0)
    assert plain(timid) > plain(sure) + 0.05
    assert refined(timid) == pytest.approx(refined(sure), abs=0.01)
    assert refined(answers(example, 4.0, 0.5)) > refined(timid) + 0.05
