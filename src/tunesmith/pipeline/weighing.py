"""Where the weights of rows count in a fit, and where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.core.records import Problem, Result
from tunesmith.learners import learners

COUNTED = (
    "in training, selection, blending, calibration, thresholds, sets and intervals, scores, "
    "fairness and suspects"
)


def row_weight_facts(problem: Problem, members: Sequence[Result]) -> dict[str, Any]:
    """Of a fit with row weights their column, and in a sentence what does not look at them; empty
    without weights."""
    if problem.weights is None:
        return {}
    deaf = sorted(
        f"the training of trial {one.trial.number} ({one.trial.learner})"
        for one in members
        if not learners[one.trial.learner].knows_weights
    )
    checkpoints = ["the ranking of checkpoints"] if any(_backbone(one) for one in members) else []
    rest = ["the audit", *checkpoints, *deaf]
    message = f"{problem.weights_column!r} counts {COUNTED}; not in {', '.join(rest)}"
    return {"row_weights": {"column": problem.weights_column, "message": message}}


def _backbone(result: Result) -> str:
    return str(result.trial.config.get("backbone", ""))
