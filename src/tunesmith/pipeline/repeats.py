"""What a model of few examples is worth: the same models in draws of folds that chose nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.records import Part, Problem, Result, Rows, Score
from tunesmith.core.seeds import derive
from tunesmith.core.space import from_dict
from tunesmith.evaluate.scores import resampled
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_whole
from tunesmith.metrics import get
from tunesmith.pipeline.blend import Blend, Proof
from tunesmith.pipeline.few import drawn
from tunesmith.pipeline.run import Run

DRAWS = 10
SHARE = 0.5
"""Of the time left, what the draws may take."""
RESAMPLES, LEVEL = 200, 0.95
SCORE_IS = (
    "repeated folds: every row was answered by models that had not seen it; the same rows chose "
    "among them"
)


@dataclass(frozen=True)
class Repeats:
    """What the final models answered for the rows of all draws, which are the test part of
    `problem`. `draws` are the answers of each, `plain` their mean."""

    problem: Problem
    draws: tuple[Prediction, ...]
    plain: Prediction

    @property
    def answers(self) -> Prediction:
        """The answers that are scored: few rows teach nothing of what may follow a model."""
        return self.plain

    @property
    def leaked(self) -> Rows:
        return self.problem.leaked

    @property
    def model_is(self) -> str:
        """What the model that is handed over is, against what was scored."""
        return "fitted to all rows as the models that were scored were to those of their folds"

    def proof(self, proof: Proof) -> Proof:
        """The proof with the mean score of a draw, and intervals over draws and rows."""
        return replace(
            proof, scores={name: self._over_draws(one) for name, one in proof.scores.items()}
        )

    def _over_draws(self, mean: Score) -> Score:
        """The score of one draw rather than of the mean of several, which errs less. Its interval
        is that of a draw and rows taken at random.

        Source: Kim, "Estimating classification error rate: repeated cross-validation, repeated
        hold-out and bootstrap", Computational Statistics & Data Analysis 2009.
        """
        value = float(np.mean(self._each(mean.metric)))
        found = resampled(
            get(mean.metric),
            self.problem.truth("test"),
            self.draws,
            seed=self.problem.seed,
            resamples=RESAMPLES,
            weights=self.problem.weight("test"),
        )
        known = found[np.isfinite(found)]
        if not len(known) or np.ptp(known) == 0:  # no error, or nothing to draw
            return replace(mean, value=value, low=min(mean.low, value), high=max(mean.high, value))
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return replace(mean, value=value, low=min(float(low), value), high=max(float(high), value))

    def _each(self, metric: str) -> NDArray[np.float64]:
        """The score of each draw."""
        truth, weights = self.problem.truth("test"), self.problem.weight("test")
        return np.array([get(metric).score(truth, one, weights) for one in self.draws])

    def facts(self, final: Score) -> dict[str, Any]:
        """For the summary."""
        each = self._each(final.metric)
        spread = float(each.std(ddof=1)) if len(each) > 1 else None
        return {
            "repeats": {"draws": len(each), "scores": each.tolist(), "spread": spread},
            "score_is": SCORE_IS,
            "rows": {**{name: len(rows) for name, rows in self.problem.parts.items()}, "test": 0},
        }


def repeated(run: Run, problem: Problem, chosen: Blend, clock: Clock) -> Repeats:
    """The chosen models fitted to folds that are drawn anew, as often as there is time; where there
    is none, what they answered in the draws that chose them."""
    end = Clock(SHARE * clock.left(), clock.now) if clock.has_deadline() else clock
    found: list[Prediction] = []
    may = all(learners[result.trial.learner].is_proposed for result in chosen.results)
    while may and len(found) < DRAWS and not end.is_over():
        again = drawn(problem, 1, derive(problem.seed, "proof", len(found)))
        try:
            found.append(_answered(run, again, chosen.results, chosen.weights, end))
        except BudgetError:
            break
    parts: dict[Part, Rows] = {**problem.parts, "test": problem.parts["valid"]}
    whole = replace(problem, parts=parts)
    draws = tuple(whole.priced("test", one) for one in found or [chosen.prediction])
    return Repeats(whole, draws, whole.priced("test", mix(draws, [1.0] * len(draws))))


def _answered(
    run: Run, problem: Problem, results: Sequence[Result], weights: Sequence[float], clock: Clock
) -> Prediction:
    """What the models answer together in the folds of one draw.

    Raises:
        BudgetError: Not within the clock's time.
    """
    watch = Watch(clock, lambda score, progress: True, run.offline)
    found: list[Prediction] = []
    for result in results:
        learner, trial = learners[result.trial.learner], result.trial
        config = from_dict(learner.config, trial.config)
        answers = fit_whole(learner, problem, config, trial.seed, watch)[1]
        assert answers is not None
        found.append(answers)
    return mix(found, list(weights))
