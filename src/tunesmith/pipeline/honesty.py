"""What validation scores are worth, knowing that they chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tunesmith.core.clock import Clock
from tunesmith.core.records import Problem, Result, Score
from tunesmith.ensemble.choosing import corrected_blend
from tunesmith.evaluate.out_of_fold import out_of_fold
from tunesmith.evaluate.scores import score
from tunesmith.evaluate.selection import corrected
from tunesmith.metrics import get
from tunesmith.pipeline.blend import MOST_COMPARED, Blend, ties_of
from tunesmith.pipeline.results import kind_of
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import MOST_KEPT, rank

CORRECTION_SHARE = 0.1
"""Of the time left when the blend is proven, what the correction for having chosen may take."""
CONSTANT = "majority"
"""What answers without learning is in no blend."""
RESAMPLES = 300
"""Of the interval of the blend's own score."""


def corrected_facts(
    run: Run, problem: Problem, results: Sequence[Result], chosen: Blend
) -> dict[str, Any]:
    """For the summary: the validation score that choosing has, rather than that of what was chosen,
    and what was chosen each time (`validation_corrected`, None where there is no time or nothing
    was chosen); beside a blend also its own score (`validation_blend`)."""
    is_blend = len(chosen.results) > 1
    own = _own(problem, chosen) if is_blend else chosen.results[0].score
    assert own is not None
    fair = _corrected(run, problem, results, is_blend=is_blend)
    fair = None if fair is None else _no_narrower(fair, own)
    found = {
        "validation_corrected": None if fair is None else plain(fair),
        "validation_corrected_is": "of blending" if is_blend else "of choosing the best trial",
    }
    if is_blend:
        found["validation_blend"] = plain(own)
    return found


def plain(value: Score) -> dict[str, Any]:
    """A score as it stands in a summary."""
    return {"score": value.value, "low": value.low, "high": value.high, "rows": value.rows}


def _no_narrower(fair: Score, own: Score) -> Score:
    """The corrected score with an interval that reaches as far to either side as that of what was
    chosen, at least: where choosing errs, so does what it chooses."""
    rule = get(fair.metric)
    low = max(rule.low, min(fair.low, fair.value - (own.value - own.low)))
    high = min(rule.high, max(fair.high, fair.value + (own.high - own.value)))
    return replace(fair, low=low, high=high)


def _own(problem: Problem, chosen: Blend) -> Score:
    truth, weights = problem.truth("valid"), problem.weight("valid")
    found = score(
        *(problem.metric, truth, chosen.prediction),
        seed=problem.seed,
        resamples=RESAMPLES,
        weights=weights,
    )
    if not problem.folds:
        return found
    return out_of_fold(found, truth, chosen.prediction, weights)


def _corrected(
    run: Run, problem: Problem, results: Sequence[Result], *, is_blend: bool
) -> Score | None:
    ranked = [r for r in rank(problem, results) if r.prediction is not None]
    if len(ranked) < 2:
        return None
    share = Clock(CORRECTION_SHARE * run.clock.left(), run.clock.now)
    clock = share if run.clock.has_deadline() else None
    metric, truth, seed = problem.metric, problem.truth("valid"), problem.seed
    weights = problem.weight("valid")
    if is_blend:
        ranked = [r for r in ranked if r.trial.learner != CONSTANT]
    models = [r.prediction for r in ranked if r.prediction is not None]
    if not is_blend:
        return corrected(metric, truth, models, seed=seed, clock=clock, weights=weights)
    return corrected_blend(
        metric,
        truth,
        models,
        [kind_of(result) for result in ranked],
        MOST_KEPT,
        seed=seed,
        clock=clock,
        weights=weights,
    )


def tied(problem: Problem, results: Sequence[Result]) -> dict[int, bool]:
    """Of the best few trials, whether they can be told from the best, by number."""
    models = [r for r in rank(problem, results) if r.prediction is not None][:MOST_COMPARED]
    ties = ties_of(problem, models) if models else []
    return {models[tie.place].trial.number: tie.is_tied for tie in ties}
