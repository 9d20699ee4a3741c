"""Probabilities that mean what they say: how far they are from it, and what is done about it where
that helps on rows it was not fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.blas import one_thread
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores
from tunesmith.core.seeds import generator
from tunesmith.evaluate.scores import paired_gain
from tunesmith.evaluate.weighted import (
    Weights,
    counting,
    counts,
    effective_rows,
    error_of_mean,
    mean,
    taken,
)
from tunesmith.metrics import get

Numbers = NDArray[np.float64]
Method = Literal["temperature", "platt", "isotonic", "vector"]

BINS = 10
FOLDS = 5
FEWEST_ROWS = 100
FEWEST_OF_A_CLASS = 10
FEWEST_FOR_ISOTONIC = 500
FEWEST_FOR_VECTOR = 20
"""Rows for each class, on average."""
MOST_CELLS, MOST_ROWS = 150_000, 20_000
"""Rows times classes, and rows, that a calibration is fitted to; of more a draw."""
FLOOR = 1e-7
KEPT_SHARE = 1e-3
"""Of the probability itself, in an isotonic map: two rows are never tied that were not before."""
RESAMPLES = 1000
LEVEL = 0.95
SIMPLEST_FIRST: tuple[Method, ...] = ("temperature", "platt", "vector", "isotonic")


def reliability(
    truth: NDArray[np.int64],
    prediction: ClassScores,
    bins: int = BINS,
    weights: Weights = None,
) -> list[dict[str, float]]:
    """The reliability curve: of as many equally full bins, from low to high, the mean probability
    (`said`), the share of rows it came true for (`came`) and their number (`rows`). With two
    classes of the probability of the second; with more of that of the likeliest. `weights` say how
    much each row counts in both; rows that do not are left out.

    Source: DeGroot & Fienberg, "The Comparison and Evaluation of Forecasters", The Statistician
    1983.
    """
    said, came = _events(truth, prediction)
    return [
        {
            "said": mean(said[rows], taken(weights, rows)),
            "came": mean(came[rows], taken(weights, rows)),
            "rows": len(rows),
        }
        for rows in _bins(said, bins, weights)
    ]


def _bins(said: Numbers, bins: int, weights: Weights) -> list[NDArray[np.int64]]:
    """The rows that count, in so many equally full bins from low to high."""
    there = counting(weights, len(said))
    order = there[np.argsort(said[there], kind="stable")]
    return [rows for rows in np.array_split(order, max(1, min(bins, len(order)))) if len(rows)]


def _events(truth: NDArray[np.int64], prediction: ClassScores) -> tuple[Numbers, Numbers]:
    shares = prediction.probabilities
    if len(prediction.classes) == 2:
        return shares[:, 1], (truth == 1).astype(np.float64)
    codes = shares.argmax(axis=1)
    return shares[np.arange(len(codes)), codes], (truth == codes).astype(np.float64)


def ece(
    truth: NDArray[np.int64],
    prediction: ClassScores,
    bins: int = BINS,
    weights: Weights = None,
) -> float:
    """Expected calibration error in [0, 1]: the mean distance between the two sides of the
    reliability curve, over rows.

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
    2015; equally full bins as in Nixon et al., "Measuring Calibration in Deep Learning", 2019.
    """
    curve = reliability(truth, prediction, bins, weights)
    gaps = [abs(b["said"] - b["came"]) for b in curve]
    own = counts(weights, len(truth))
    full = [own[rows].sum() for rows in _bins(_events(truth, prediction)[0], bins, weights)]
    return float(np.average(gaps, weights=full))


def brier(truth: NDArray[np.int64], prediction: ClassScores, weights: Weights = None) -> float:
    """Mean squared distance between the probabilities and what came, in [0, 1] with two classes
    (of the second class), in [0, 2] with more (summed over classes).

    Source: Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather
    Review 1950.
    """
    shares = prediction.probabilities
    if len(prediction.classes) == 2:
        return mean((shares[:, 1] - (truth == 1)) ** 2, weights)
    came = truth[:, None] == np.arange(shares.shape[1])
    return mean(((shares - came) ** 2).sum(axis=1), weights)


def quality(
    truth: NDArray[np.int64], prediction: ClassScores, weights: Weights = None
) -> dict[str, float]:
    """How good probabilities are: log loss, expected calibration error, Brier score."""
    return {
        "log_loss": get("log_loss").score(truth, prediction, weights),
        "ece": ece(truth, prediction, weights=weights),
        "brier": brier(truth, prediction, weights),
    }


@dataclass(frozen=True)
class Calibration:
    """A map of probabilities.

    `scale` and `shift`, one a class: softmax of scale times log probability plus shift. One scale
    for all and no shift is temperature scaling, one scale and a shift for two classes Platt's,
    each of its own vector scaling. `knots` (probability, what it becomes) are the corners of an
    isotonic map of the second of two classes, rising in both.
    """

    method: Method
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    knots: tuple[tuple[float, float], ...] = ()

    def apply(self, prediction: ClassScores) -> ClassScores:
        """The same rows with calibrated probabilities."""
        if self.knots:
            x, y = np.array(self.knots).T
            before = prediction.probabilities[:, 1]
            up = (1 - KEPT_SHARE) * np.interp(before, x, y) + KEPT_SHARE * before
            return prediction.with_array(np.stack([1 - up, up], axis=1))
        logits = _logs(prediction.probabilities) * np.array(self.scale) + np.array(self.shift)
        return prediction.with_array(_softmax(logits))

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"method": self.method}
        if self.knots:
            return found | {"knots": [list(knot) for knot in self.knots]}
        return found | {"scale": list(self.scale), "shift": list(self.shift)}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Calibration:
        knots = tuple((float(x), float(y)) for x, y in told.get("knots", ()))
        scale, shift = (tuple(map(float, told.get(name, ()))) for name in ("scale", "shift"))
        return Calibration(told["method"], scale, shift, knots)

    def __str__(self) -> str:
        if self.method == "temperature":
            return f"temperature scaling (temperature {1 / self.scale[0]:.3f})"
        names = {"platt": "Platt scaling", "vector": "vector scaling"}
        return names.get(self.method, f"isotonic regression ({len(self.knots)} knots)")


def _logs(shares: Numbers) -> Numbers:
    return np.log(np.clip(shares, FLOOR, 1.0))


def _softmax(logits: Numbers) -> Numbers:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def fit(
    method: Method,
    truth: NDArray[np.int64],
    prediction: ClassScores,
    weights: Weights = None,
) -> Calibration:
    """The calibration of a method that makes the labels of these rows likeliest. All labels are
    among the classes; "platt" and "isotonic" are for two. Rows of unequal `weights` (above zero)
    count for as many together as tell as much.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999; Zadrozny & Elkan,
    "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002; Guo
    et al., "On Calibration of Modern Neural Networks", ICML 2017, sections 4.1 and 4.2.
    """
    if method == "isotonic":
        return Calibration(method, knots=_isotonic(truth, prediction.probabilities[:, 1], weights))
    return _linear(method, truth, prediction, weights)


def _isotonic(
    truth: NDArray[np.int64], shares: Numbers, weights: Weights
) -> tuple[tuple[float, float], ...]:
    """The steps of the isotonic regression, each at its middle, with lines between them; away from
    0 and 1 as far as so many rows can tell.

    Source: Oron & Flournoy, "Centered Isotonic Regression", Statistics in Biopharmaceutical
    Research 2017.
    """
    from sklearn.isotonic import IsotonicRegression

    own, rule = counts(weights, len(truth)), IsotonicRegression(y_min=0, y_max=1)
    fitted = rule.fit(shares, truth == 1, sample_weight=weights).predict(shares)
    levels, places = np.unique(fitted, return_inverse=True)
    middles = np.bincount(places, own * shares) / np.bincount(places, own)
    edge = 1 / (effective_rows(weights, len(truth)) + 2)
    heights = np.clip(levels, edge, 1 - edge)
    return tuple((float(x), float(y)) for x, y in zip(middles, heights, strict=True))


def _linear(
    method: Method, truth: NDArray[np.int64], prediction: ClassScores, weights: Weights
) -> Calibration:
    """By L-BFGS, with a prior of variance one about "as it is", so that a class of few rows stays
    near it."""
    from scipy.optimize import minimize

    logs, count = _logs(prediction.probabilities), len(prediction.classes)
    came = truth[:, None] == np.arange(count)
    scales = count if method == "vector" else 1
    shifts = 0 if method == "temperature" else count
    begin = np.concatenate([np.ones(scales), np.zeros(shifts)])
    own = counts(weights, len(truth))
    own = own * (effective_rows(weights, len(truth)) / own.sum())

    def loss(at: Numbers) -> tuple[float, Numbers]:
        logits = logs * at[:scales] + (at[scales:] if shifts else 0.0)
        shares = _softmax(logits)
        lost = -(own * np.log(np.maximum(shares[came], 1e-300))).sum()
        slope = own[:, None] * (shares - came)
        of_scales = (slope * logs).sum(axis=0)
        of_scales = of_scales if scales > 1 else of_scales.sum(keepdims=True)
        gradient = np.concatenate([of_scales, slope.sum(axis=0)[:shifts]])
        return float(lost + ((at - begin) ** 2).sum() / 2), gradient + at - begin

    limits = [(0.02, 50.0)] * scales + [(-20.0, 20.0)] * shifts
    with one_thread():
        found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=limits).x
    scale = found[:scales] if scales > 1 else np.repeat(found[0], count)
    shift = found[scales:] if shifts else np.zeros(count)
    return Calibration(method, tuple(scale.tolist()), tuple(shift.tolist()))


@dataclass(frozen=True)
class Calibrated:
    """What was chosen: a calibration or none, why, and the rows it was chosen by as it answers
    them. Vector scaling has many numbers to know rows by: each row is then answered by one that was
    fitted without it. Of the others that would part rows that are tied, for nothing."""

    calibration: Calibration | None
    reason: str
    crossed: ClassScores


def choose(
    metric: Metric,
    truth: NDArray[np.int64],
    prediction: ClassScores,
    *,
    seed: int,
    clock: Clock | None = None,
    weights: Weights = None,
) -> Calibrated:
    """The calibration that lowers the log loss of rows it was not fitted to, or none.

    Each method is cross-validated on these rows, which the model must not have been fitted to
    (-1 in `truth` for a label it does not know). One helps where the 95 % bootstrap interval of
    what log loss it takes away is above zero and, of many classes, the problem's metric does not
    clearly fall (of two the order of rows stays, and with it what a threshold can do); of
    those that help, the simplest that is within one standard error of the best. Once the clock is
    over, no further method is tried. `weights` say how much each row counts, in all of that.

    Source: Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3, for the one
    standard error.
    """
    rows, why = _usable(truth, prediction, seed, weights)
    if why:
        return Calibrated(None, why, prediction)
    known, shares, own = truth[rows], prediction.take(rows), taken(weights, rows)
    folds = fold_codes(known, FOLDS, seed)
    before = _losses(known, shares)
    tried: dict[Method, tuple[Numbers, ClassScores]] = {}
    told = []
    for method in _methods(known, shares):
        if clock is not None and clock.is_over():
            break
        crossed = _crossed(method, known, shares, folds, own)
        gains = before - _losses(known, crossed)
        low, high = _interval(gains, seed, own)
        told.append(f"{method} {mean(gains, own):+.4f} [{low:+.4f}, {high:+.4f}]")
        keeps = len(shares.classes) == 2 or not falls(metric, known, crossed, shares, seed, own)
        if low > 0 and keeps:
            tried[method] = gains, crossed
    if not told:
        return Calibrated(None, "none: no time was left for it", prediction)
    table = f"log loss taken away on {len(known):,} validation rows, cross-validated: "
    table += ", ".join(told)
    if not tried:
        return Calibrated(None, f"none: no method helps beyond noise ({table})", prediction)
    method = _simplest({name: gains for name, (gains, _) in tried.items()}, own)
    chosen = fit(method, known, shares, own)
    crossed = chosen.apply(prediction)
    if method == "vector":
        array = crossed.array().copy()
        array[rows] = tried[method][1].array()
        crossed = crossed.with_array(array)
    return Calibrated(chosen, f"{chosen}: {table}", crossed)


def _usable(
    truth: NDArray[np.int64], prediction: ClassScores, seed: int, weights: Weights
) -> tuple[NDArray[np.int64], str]:
    """Which rows to choose by, and why none can be."""
    rows = np.flatnonzero((truth >= 0) & (counts(weights, len(truth)) > 0))
    if len(rows) < FEWEST_ROWS:
        why = f"none: {len(rows):,} validation rows are too few to tell (at least {FEWEST_ROWS})"
        return rows, why
    of_classes = np.bincount(truth[rows], minlength=len(prediction.classes))
    second = int(np.sort(of_classes)[-2])
    if second < FEWEST_OF_A_CLASS:
        return rows, (
            f"none: only {second:,} validation rows are not of the largest class (at least "
            f"{FEWEST_OF_A_CLASS})"
        )
    most = min(MOST_ROWS, max(1000, MOST_CELLS // len(prediction.classes)))
    if len(rows) > most:
        rows = np.sort(generator(seed, "calibration rows").choice(rows, most, replace=False))
    return rows, ""


def _interval(gains: Numbers, seed: int, weights: Weights) -> tuple[float, float]:
    """The bootstrap interval of a mean."""
    dice, rows = generator(seed, "calibration"), len(gains)
    drawn = (dice.integers(0, rows, rows) for _ in range(RESAMPLES))
    means = [mean(gains[one], taken(weights, one)) for one in drawn]
    low, high = np.percentile(means, [50 - 50 * LEVEL, 50 + 50 * LEVEL])
    return float(low), float(high)


def falls(
    metric: Metric,
    truth: NDArray[np.int64],
    new: ClassScores,
    old: ClassScores,
    seed: int,
    weights: Weights = None,
) -> bool:
    """Whether the metric is clearly worse, or a metric of the user's has no value."""
    try:
        return paired_gain(metric, truth, new, old, seed=seed, weights=weights)[2] < 0
    except ConfigError:
        return True


def _methods(truth: NDArray[np.int64], prediction: ClassScores) -> list[Method]:
    rows, classes = len(truth), len(prediction.classes)
    fits = {
        "temperature": True,
        "platt": classes == 2,
        "vector": classes > 2 and rows >= FEWEST_FOR_VECTOR * classes,
        "isotonic": classes == 2 and rows >= FEWEST_FOR_ISOTONIC,
    }
    return [method for method in SIMPLEST_FIRST if fits[method]]


def fold_codes(truth: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Which of `count` folds each row is in, values of `truth` spread evenly, shape (rows,)."""
    dice = generator(seed, "folds after")
    order = np.lexsort([dice.random(len(truth)), truth])
    found = np.empty(len(truth), dtype=np.int64)
    found[order] = np.arange(len(truth)) % count
    return found


def _crossed(
    method: Method,
    truth: NDArray[np.int64],
    shares: ClassScores,
    folds: NDArray[np.int64],
    weights: Weights,
) -> ClassScores:
    array = np.empty_like(shares.array())
    for fold in range(FOLDS):
        out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        fitted = fit(method, truth[rest], shares.take(rest), taken(weights, rest))
        array[out] = fitted.apply(shares.take(out)).array()
    return shares.with_array(array)


def _losses(truth: NDArray[np.int64], shares: ClassScores) -> Numbers:
    given = shares.array()[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(given, 1e-15, 1.0)))


def _simplest(gains: Mapping[Method, Numbers], weights: Weights) -> Method:
    """The first whose gain is not more than one standard error (of the difference) below the
    best."""
    best = max(gains, key=lambda method: mean(gains[method], weights))
    for method in gains:
        behind = gains[best] - gains[method]
        if mean(behind, weights) <= error_of_mean(behind, weights):
            return method
    return best
