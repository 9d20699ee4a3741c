"""What more would buy: the score to expect of a longer search, and of more labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.seeds import generator

LEVEL = 0.8
DRAWS = 4000
FEWEST_MODELS = 3
RECENT = 4.0
"""The course is looked at from a fourth of what was spent: the first models are of other kinds,
cheapest first, and what they gained over each other says little of what comes."""
USUAL_GAIN = 0.1
"""What a better model takes of the error away, after the first few and where nothing else is known;
it shrinks as more are tried."""
RATE_WEIGHT, STEP_WEIGHT = 1.0, 1.0
"""How many observations beliefs count for: of units of the logarithm of what is spent, of gains."""
SHRINK = 1 / 3
"""Gains shrink with the number tried to this power: of random draws near a smooth optimum in d
dimensions to the power 2 / d."""
FEWEST_SIZES, FEWEST_SAMPLES = 3, 30
EXPONENTS = np.linspace(0.02, 1.0, 20)
"""Of learning curves: 0.07 to 0.35 for networks (Hestness et al.), up to 1 in theory."""
FLOORS = np.linspace(0.0, 0.7, 8)
"""Shares of the present error that no number of rows takes away. Small data sets fall like curves
without a floor, those of thousands of rows like curves with a high one; few sizes do not tell."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Prospect:
    """The score to expect of so many times as much, with an interval."""

    factor: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """Prospects in the order of the factors asked for, and what they rest on; none where not enough
    is known, and why."""

    prospects: tuple[Prospect, ...]
    reason: str
    level: float = LEVEL


@dataclass(frozen=True)
class _Scale:
    """Scores as numbers that have no upper end: minus the logarithm of the error where the metric
    has a best value, so that no gain leads beyond it; else the scores in units of their spread."""

    sign: float
    best: float
    unit: float

    @staticmethod
    def of(metric: Metric, scores: Numbers) -> _Scale:
        turned = (1.0 if metric.higher_is_better else -1.0) * scores
        spread = float(turned.max() - np.median(turned))
        return _Scale(1.0 if metric.higher_is_better else -1.0, best_value(metric), spread or 1.0)

    @property
    def is_bounded(self) -> bool:
        return bool(np.isfinite(self.best))

    def up(self, scores: Numbers) -> Numbers:
        if self.is_bounded:
            return np.asarray(-np.log(np.maximum(self.sign * (self.best - scores), 1e-12)))
        return self.sign * scores / self.unit

    def gained(self, score: float, gains: Numbers) -> Numbers:
        """The scores after such gains."""
        if self.is_bounded:
            return np.asarray(self.best - (self.best - score) * np.exp(-gains))
        return np.asarray(score + self.sign * self.unit * gains)


def best_value(metric: Metric) -> float:
    """The best that a metric can be; infinite where it has no bound."""
    return metric.high if metric.higher_is_better else metric.low


def of_search(
    metric: Metric,
    scores: Sequence[float],
    spent: Sequence[float],
    *,
    factors: Sequence[float],
    seed: int,
    level: float = LEVEL,
) -> Outlook:
    """The best score of a search that goes on to so many times what it has spent.

    `scores` are of the models tried, `spent` the seconds or trials up to the end of each; a score
    that is not finite is passed over.

    Of draws from one distribution the best so far is beaten at a rate of one for each unit of the
    logarithm of their number; where the tail of what is drawn is exponential, by steps that are
    exponential too, and as long on the average as the gaps between the best few, the i-th counted i
    times. The tail is taken of the logarithm of the error, which makes the expected error of the
    best a power law of what is spent; and steps and gaps are taken to shrink by `SHRINK`, as near
    an end of what can be had. Rate and step have conjugate priors, so that three models say about
    what is usual and three hundred what they show: the rate is learned from how often the best
    changed of late, the step from the gaps (by their median, as models come in clusters). The
    expected score is the mean of what may come, and most often more than the likeliest: no change.

    Source: Rényi, "On the theory of order statistics", Acta Math. Hung. 1953 (records, gaps);
    Weissman, "Estimation of parameters and large quantiles based on the k largest observations",
    JASA 1978. Intervals are the shortest: Chen & Shao, J. Comput. Graph. Stat. 1999.
    """
    known = np.isfinite(scores)
    values, ends = np.asarray(scores, dtype=np.float64)[known], np.asarray(spent)[known]
    if len(values) < FEWEST_MODELS:
        told = f"{len(values)} model{'s were' if len(values) != 1 else ' was'} scored"
        return Outlook((), f"not enough known: {told}, at least {FEWEST_MODELS} are needed", level)
    scale = _Scale.of(metric, values)
    now = float(scale.sign * (scale.sign * values).max())
    if now == scale.best:
        same = tuple(Prospect(factor, now, now, now) for factor in factors)
        return Outlook(same, "no score is better", level)
    up = scale.up(values)
    dice = generator(seed, "search prospects")
    rates, steps = _rates(up, ends, dice), _steps(up, dice)
    found = []
    for factor in factors:
        changes = dice.poisson(rates * np.log(factor))
        shrunk = (1 - factor**-SHRINK) / (SHRINK * np.log(factor)) if factor > 1 else 1.0
        after = scale.gained(now, dice.gamma(changes) * steps * shrunk)
        found.append(_prospect(factor, after, level))
    return Outlook(tuple(found), f"{len(values)} models tried, and when each became best", level)


def _rates(up: Numbers, ends: Numbers, dice: np.random.Generator) -> Numbers:
    """How often the best changes for each unit of the logarithm of what is spent, drawn from what
    is to be believed after the latest part of the course. Shape (draws,)."""
    start = max(float(ends[-1]) / RECENT, float(ends[0]))
    before = np.concatenate([[-np.inf], np.maximum.accumulate(up)[:-1]])
    changes = int(((up > before) & (ends > start)).sum())
    length = float(np.log(ends[-1] / start)) if start > 0 else 0.0
    return np.asarray(dice.gamma(RATE_WEIGHT + changes, 1 / (RATE_WEIGHT + length), DRAWS))


def _steps(up: Numbers, dice: np.random.Generator) -> Numbers:
    """How much better the next best is on the average, drawn likewise. Shape (draws,)."""
    top = np.sort(up)[::-1]
    between, places = -np.diff(top), np.arange(1, len(top))
    finest = between[between > 0].min(initial=np.inf)
    if np.isfinite(finest):
        between = np.maximum(between, finest / 2)  # a tie is a gap too small to see
    count = max(1, round(len(top) ** 0.5))
    gaps = (places ** (1 - SHRINK) * between)[:count]
    seen = float(np.mean(gaps) if count < 3 else np.median(gaps) / np.log(2))
    believed = USUAL_GAIN * len(top) ** -SHRINK
    shape = STEP_WEIGHT + count
    return np.asarray((STEP_WEIGHT * believed + count * seen) / dice.gamma(shape, size=DRAWS))


def of_rows(
    metric: Metric,
    rows: Sequence[int],
    scores: Sequence[float],
    resampled: NDArray[np.float64],
    *,
    factors: Sequence[float],
    seed: int,
    level: float = LEVEL,
) -> Outlook:
    """The score of a model fitted to so many times the rows.

    `scores` are of one model fitted to `rows` rows each, ascending, on the same validation rows;
    `resampled` the same scores on bootstrap samples of these, shape (resamples, sizes), each sample
    drawn for all sizes at once.

    The error falls as e (f + (1 - f) (n / rows)^-b). For each resample the floor f and the exponent
    b are drawn by their likelihood, each value of them being as likely before, and the level e is
    the best for them by least squares; what is to come is taken from that curve, and the luck of
    one more fit added. More rows are not expected to harm, but may. Where the metric has no best
    value, as much is taken to be left to gain as was gained from the fewest rows to all.

    Source: Cortes et al., "Learning curves: asymptotic values and rate of convergence", NIPS 1993;
    Hestness et al., arXiv 1712.00409; Viering & Loog, "The shape of learning curves: a review",
    arXiv 2103.10948.
    """
    values, sizes = np.asarray(scores, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    samples = resampled[np.isfinite(resampled).all(axis=1)]
    if len(sizes) < FEWEST_SIZES or not np.isfinite(values).all():
        told = f"{len(sizes)} size{'s' * (len(sizes) != 1)} of training data could be scored"
        return Outlook((), f"not enough known: {told}, at least {FEWEST_SIZES} are needed", level)
    if len(samples) < FEWEST_SAMPLES:
        told = (
            f"{len(samples)} bootstrap samples have a score, at least {FEWEST_SAMPLES} are needed"
        )
        return Outlook((), f"not enough known: {told}", level)
    sign, best = (1.0 if metric.higher_is_better else -1.0), best_value(metric)
    if not np.isfinite(best):
        best = values[-1] + sign * max(float(np.ptp(values)), 1e-12)
    dice = generator(seed, "rows prospects")
    errors = sign * (best - samples)[dice.integers(0, len(samples), DRAWS)]
    noise = np.diff(errors, axis=1).std(axis=0) / np.sqrt(2)
    scale, floor, exponent = _curves(errors, sizes / sizes[-1], float(noise.mean()), dice)
    found = []
    for factor in factors:
        curve = scale * (floor + (1 - floor) * factor**-exponent)
        after = sign * (best - values[-1]) + curve - errors[:, -1]
        after = np.maximum(after + noise[-1] * dice.standard_normal(DRAWS), 0.0)
        then = _prospect(factor, best - sign * after, level)
        found.append(replace(then, expected=sign * max(sign * then.expected, sign * values[-1])))
    return Outlook(tuple(found), f"fitted to {_told(rows)} training rows", level)


def _told(rows: Sequence[int]) -> str:
    return f"{', '.join(f'{count:,}' for count in rows[:-1])} and all {rows[-1]:,}"


def _curves(
    errors: Numbers, shares: Numbers, noise: float, dice: np.random.Generator
) -> tuple[Numbers, Numbers, Numbers]:
    """For each row of errors, shape (draws, sizes), the level, floor and exponent of a curve drawn
    by its likelihood, each of shape (draws,)."""
    pairs = np.array([(floor, exponent) for floor in FLOORS for exponent in EXPONENTS])
    floors, exponents = pairs.T
    shapes = floors[:, None] + (1 - floors[:, None]) * shares ** -exponents[:, None]
    levels = errors @ shapes.T / (shapes**2).sum(axis=1)
    missed = (errors**2).sum(axis=1)[:, None] - levels**2 * (shapes**2).sum(axis=1)
    likely = -0.5 * missed / max(noise, 1e-9) ** 2
    chosen = (likely + dice.gumbel(size=likely.shape)).argmax(axis=1)
    return levels[np.arange(len(errors)), chosen], floors[chosen], exponents[chosen]


def _prospect(factor: float, drawn: Numbers, level: float) -> Prospect:
    """The mean of what was drawn, and the shortest interval that holds so much of it."""
    ordered = np.sort(drawn)
    inside = min(len(ordered) - 1, int(np.ceil(level * len(ordered))))
    start = int(np.argmin(ordered[inside:] - ordered[: len(ordered) - inside]))
    low, high = float(ordered[start]), float(ordered[start + inside])
    mean = float(drawn.mean())
    return Prospect(factor, mean, min(low, mean), max(high, mean))
