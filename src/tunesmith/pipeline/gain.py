"""What a trial is expected to gain over the best so far, and at what cost: the currency in which
the search compares a new config of one learner with that of another, and with a trial taken up
again.

Source: Kadra et al., "Quick-Tune", ICLR 2024, and Wistuba et al., "Supervising the Multi-Fidelity
Race of Hyperparameter Configurations" (DyHPO), NeurIPS 2022, for gain over cost; Swersky et al.,
"Freeze-Thaw Bayesian Optimization", 2014, for trials taken up again. Their models need hundreds of
trials to learn from; this one is a normal distribution, which needs three.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.core.contracts import Curve
from tunesmith.core.records import Problem, Result
from tunesmith.pipeline.larger import Gained, Larger
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.standing import signed

LEVEL_DEVIATIONS = 1.96
MOST_BETTER, MOST_RISES = 200, 100
"""Of the better half of a learner's trials so many of the best count, and of those that went
through, for what one gains on the way, so many of the latest."""
NOISE_SHARE = 0.5
"""Of the standard error of a score, how far two models differ by luck on the same rows."""
LEAST_NOISE = 1e-6
LEAST_SECONDS = 0.05


@dataclass(frozen=True)
class Gain:
    """What one more trial of a learner, going on with one, or one with larger pictures should gain,
    and what it takes: seconds, or trials where time is not counted."""

    learner: str
    gain: float
    cost: float
    taken_up: Result | None = None
    larger: Larger | None = None

    @property
    def rate(self) -> float:
        return self.gain / self.cost

    def __str__(self) -> str:
        name = f"trial {self.taken_up.trial.number}" if self.taken_up else self.learner
        if self.larger is not None:
            name = f"{self.learner} at {self.larger.pixels} px"
        return f"{name} +{self.gain:.2g} in {self.cost:.2g}"


def gain_of_one_more(
    problem: Problem,
    results: Results,
    learner: str,
    cost: float,
    levelled: Sequence[float] = (),
) -> Gain:
    """Of a new config: its score is believed to be like those of the better half of the learner's
    trials, as the search proposes near them, and to vary as they do. `levelled` are what they
    should come to with the largest pictures that any had, best first; none where that does not
    count."""
    done = results.ranked(learner)
    done = [one for one in done if one.trial.share == 1] or done
    count = min(MOST_BETTER, (len(levelled or done) + 1) // 2)
    better = list(levelled[:count]) or [signed(problem, result) for result in done[:count]]
    noise, best = _noise(results), _best(problem, results)
    spread = math.hypot(_deviation(better), noise) * math.sqrt(1 + 1 / len(better))
    return Gain(learner, improvement(statistics.fmean(better), spread, best), cost)


def gain_of_going_on(
    problem: Problem, results: Results, result: Result, curves: Sequence[Curve], cost: float
) -> Gain:
    """Of a trial that was ended early: it is believed to gain from there what the trials of its
    learner gained that went through."""
    at = result.progress[-1]
    whole = [curve for curve in curves if not curve.was_stopped and curve.points]
    rises = [_rise(curve, at) for curve in whole[-MOST_RISES:]]
    noise, best = _noise(results), _best(problem, results)
    rise = statistics.fmean(rises) if rises else _first_rise(problem, results, result)
    spread = math.hypot(_deviation(rises), noise) * math.sqrt(1 + 1 / max(1, len(rises)))
    gain = improvement(signed(problem, result) + max(0.0, rise), spread, best)
    return Gain(result.trial.learner, gain, cost, result)


def gain_of_larger(
    problem: Problem, results: Results, larger: Larger, gained: Gained, *, in_seconds: bool
) -> Gain:
    """Of a config with larger pictures: it is believed to gain what others `gained` by that step.
    Before any is known it may gain or lose as much as its score is uncertain: half the interval."""
    learner = larger.result.trial.learner
    rises = gained.of(learner, larger.before, larger.pixels)
    noise, best = _noise(results), _best(problem, results)
    half = LEVEL_DEVIATIONS * noise / NOISE_SHARE
    differs = _deviation(rises) if len(rises) > 1 else half / (1 + len(rises))
    spread = math.hypot(differs, noise) * math.sqrt(1 + 1 / max(1, len(rises)))
    mean = signed(problem, larger.result) + (statistics.fmean(rises) if rises else 0.0)
    cost = max(LEAST_SECONDS, larger.seconds) if in_seconds else 1.0
    return Gain(learner, improvement(mean, spread, best), cost, larger=larger)


def _first_rise(problem: Problem, results: Results, result: Result) -> float:
    """Of a trial on a part of the rows, before any has gone on to all of them: by how much those on
    all rows are above those on a part, so that who is the best on a part is believed to be as far
    above the usual on all. Nothing of others."""
    if result.trial.share == 1:
        return 0.0
    done = results.ranked(result.trial.learner)
    parts = [signed(problem, one) for one in done if one.trial.share < 1]
    whole = [signed(problem, one) for one in done if one.trial.share == 1]
    return statistics.median(whole) - statistics.median(parts) if whole else 0.0


def improvement(mean: float, spread: float, best: float) -> float:
    """Expected improvement over the best of a score that is normal."""
    far = (mean - best) / spread
    above = 0.5 * math.erfc(-far / math.sqrt(2))
    return spread * max(0.0, far * above + math.exp(-0.5 * far * far) / math.sqrt(2 * math.pi))


def told(chosen: Gain, others: Sequence[Gain], *, in_seconds: bool) -> str:
    """Why this one, in words; whether costs are seconds, or trials."""
    what = f"expected to gain {chosen.gain:.2g}"
    if in_seconds:
        what += f" in about {chosen.cost:.3g} s"
    if chosen.larger is not None:
        what = f"{chosen.larger.told(in_seconds=in_seconds)}; {what}"
    if chosen.taken_up is not None:
        what = f"taken up again, as it is {what}"
    rest = sorted(others, key=lambda one: -one.rate)
    if not rest:
        return what
    return f"{what}, more a {'second' if in_seconds else 'trial'} than {', '.join(map(str, rest))}"


def _rise(curve: Curve, at: float) -> float:
    """From the best score by a share of the work to the best of all."""
    by_then = [score for progress, score in curve.points if progress <= at]
    first = max(by_then) if by_then else curve.points[0][1]
    return max(score for _, score in curve.points) - first


def _noise(results: Results) -> float:
    """By how much a score is off by luck, when it is compared on the same rows."""
    score = results.ranked()[0].score
    assert score is not None
    error = (score.high - score.low) / (2 * LEVEL_DEVIATIONS)
    return max(LEAST_NOISE, NOISE_SHARE * error)


def _best(problem: Problem, results: Results) -> float:
    return signed(problem, results.ranked()[0])


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
