"""The interval of a score whose rows were answered out of fold, each by a model that has learned
most of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Metric
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Score
from tunesmith.evaluate.weighted import Weights, counts, mean
from tunesmith.metrics import get


def out_of_fold(found: Score, truth: NDArray[Any], answers: Prediction, weights: Weights) -> Score:
    """The score with an interval that knows that its rows taught one another's models.

    The bootstrap takes the answers as given. But what one row taught about another, that one taught
    about it: a chance likeness of two rows counts twice. Where nothing can be learned there is
    nothing else, so that the variance is twice that of the bootstrap; the more is known, the less
    it matters. It is taken in proportion to the skill: variance times two less the skill
    (`benchmarks/out_of_fold.py` says how often such intervals hold).

    Args:
        found: The score of the answers with its bootstrap interval.
        truth: Of these rows, as a metric takes it.
        answers: Out of fold, for these rows.
        weights: How much each row counts, None where all count alike.

    Source: Nadeau & Bengio, "Inference for the generalization error", Machine Learning 2003, and
    Bates, Hastie & Tibshirani, "Cross-validation: what does it estimate and how well does it do
    it?", JASA 2023, for how much plain intervals are too narrow.
    """
    known = skill(get(found.metric), found.value, truth, answers, weights)
    return wider(found, float(np.sqrt(2 - known)))


def wider(found: Score, factor: float) -> Score:
    """The score with an interval so many times as wide to either side, within what can be; one
    without ends, as no resample had a value, stays so."""
    if not np.isfinite([found.low, found.high]).all():
        return found
    rule = get(found.metric)
    low = max(rule.low, found.value - factor * (found.value - found.low))
    high = min(rule.high, found.value + factor * (found.high - found.value))
    return replace(found, low=float(low), high=float(high))


def skill(
    rule: Metric, value: float, truth: NDArray[Any], answers: Prediction, weights: Weights
) -> float:
    """How far a score has come from that of the shares of the classes, or the mean, to that of the
    truth itself: between 0 and 1, and 0 where either has none."""
    own = counts(weights, len(truth))
    least = rule.score(truth, constant(truth, answers, weights), own)
    whole = rule.score(truth, answers.with_array(_told(truth, answers)), own) - least
    if not np.isfinite(whole) or not whole:
        return 0.0
    return float(np.clip((value - least) / whole, 0, 1))


def constant(truth: NDArray[Any], answers: Prediction, weights: Weights) -> Prediction:
    """What knows nothing but the shares of the classes among these rows, or their mean, in the form
    of `answers`."""
    told = _told(truth, answers)
    if isinstance(answers, ClassScores | Labels):
        return answers.with_array(
            np.tile(np.average(told, axis=0, weights=weights), (len(told), 1))
        )
    return answers.with_array(np.full(len(told), mean(told, weights)))


def _told(truth: NDArray[Any], answers: Prediction) -> NDArray[np.float64]:
    """The truth in the form of answers: numbers, or 1 for what is so and 0 for the rest."""
    if isinstance(answers, ClassScores):
        is_so = truth[:, None] == np.arange(len(answers.classes))
        return np.asarray(is_so, dtype=np.float64)
    if isinstance(answers, Labels):
        return np.asarray(truth[:, : len(answers.classes)], dtype=np.float64)
    return np.asarray(truth, dtype=np.float64)
