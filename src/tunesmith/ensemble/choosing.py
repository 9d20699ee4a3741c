"""The score of choosing and blending, rather than that of what was chosen and blended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import ClassScores, Labels, Prediction, mix
from tunesmith.core.records import Score
from tunesmith.core.seeds import generator
from tunesmith.ensemble.greedy import MOST_MEMBERS, climb, least_less
from tunesmith.ensemble.pool import likeliest
from tunesmith.evaluate.selection import MOST_MODELS, bags, scores_inside, told
from tunesmith.evaluate.weighted import counts
from tunesmith.metrics import get

RESAMPLES, FEWEST_RESAMPLES = 60, 25
MOST_ROWS = 600_000
"""In all samples together: of more rows fewer are drawn."""

Numbers = NDArray[np.float64]


def corrected_blend(
    metric: str,
    truth: NDArray[Any],
    models: Sequence[Prediction],
    kinds: Sequence[object],
    most: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    clock: Clock | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Score | None:
    """The score of a blend whose members and weights were chosen by the rows that it is scored on,
    without what that is worth: on each bootstrap sample of the rows the models are ranked anew,
    the best of each kind and then of the rest, up to `most`, are weighed there, and their blend, or
    the best alone where the blend gains nothing there, is scored on the rows that the sample left
    out. The mean, and the middle 95 %; None where the clock leaves no time. `weights` say how much
    each row counts.

    `models` are of the same rows, best first, those beyond the first hundred could hardly be
    chosen; `kinds` says what each is. They are weighed as `greedy.select` does; whether that gains
    more than noise is not asked anew in each sample.

    Source: Tsamardinos, Greasidou & Borboudakis, "Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation", Machine Learning 2018, where all that chooses is in
    what is bootstrapped.
    """
    measure, rows = get(metric), len(truth)
    alone = [measure.by_weights(truth, one) for one in models[:MOST_MODELS]]
    own, found = counts(weights, rows), list[float]()
    count = int(np.clip(MOST_ROWS // max(1, rows), FEWEST_RESAMPLES, resamples))
    for inside, outside in bags(rows, own, generator(seed, "blend selection"), count):
        if clock is not None and clock.is_over():
            break
        scores = scores_inside(measure, alone, inside)
        order = [int(i) for i in np.argsort(-scores, kind="stable") if np.isfinite(scores[i])]
        if not order:
            continue
        members = [models[i] for i in _members(order, kinds, most)]
        blend = _blended(measure, truth, members, inside)
        is_better = _gains(measure, truth, blend, members[0], inside)
        score = measure.by_weights(truth, blend) if is_better else alone[order[0]]
        found.append(score(outside))
    return told(metric, found, rows)


def _members(order: Sequence[int], kinds: Sequence[object], most: int) -> list[int]:
    """Of models, best first, the first of each kind and the next of the rest, in that order."""
    firsts = {kinds[i]: i for i in reversed(order)}.values()
    rest = [i for i in order if i not in firsts]
    kept = {*firsts, *rest[: max(0, most - len(firsts))]}
    return [i for i in order if i in kept]


def _blended(
    measure: Metric, truth: NDArray[Any], members: Sequence[Prediction], inside: Numbers
) -> Prediction:
    scores = [one for one in members if isinstance(one, ClassScores | Labels)]
    if len(scores) == len(members):
        shares = likeliest(truth, scores, MOST_MEMBERS, inside)
    else:
        shares = climb(measure, truth, members, inside)
    kept = [i for i, share in enumerate(shares) if share > 0]
    return mix([members[i] for i in kept], [shares[i] for i in kept])


def _gains(
    measure: Metric, truth: NDArray[Any], blend: Prediction, best: Prediction, inside: Numbers
) -> bool:
    """Whether the blend is taken: of classes where it is likelier, of numbers if it is better."""
    if isinstance(blend, ClassScores | Labels):
        loss, least = get("log_loss"), least_less(truth, blend, inside)
        return loss.score(truth, best, inside) - loss.score(truth, blend, inside) > least
    sign = 1.0 if measure.higher_is_better else -1.0
    return sign * (measure.score(truth, blend, inside) - measure.score(truth, best, inside)) > 0
