"""Sets of classes and intervals of numbers that hold the truth as often as asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values
from tunesmith.core.seeds import generator
from tunesmith.evaluate.abstaining import confidence, safe_confidence
from tunesmith.evaluate.calibration import FOLDS, fold_codes
from tunesmith.evaluate.weighted import (
    Weights,
    counts,
    effective_rows,
    error_of_mean,
    mean,
    quantile,
    taken,
)

Numbers = NDArray[np.float64]
Knots = tuple[tuple[float, float], ...]

MOST_ROWS = 4_000
"""Rows whose scores are kept; of more a draw, by which coverage wobbles by half a point."""
MOST_BINS = 10
ROWS_A_BIN = 40
PRIOR_ROWS = 20.0
"""Of the mean error of all rows, in each bin's."""
STEP = 1e-7
"""In which probabilities are written; what another processor may round differently is less."""


@dataclass(frozen=True)
class Conformal:
    """What rows that the model was not fitted to say of new ones.

    Of classes: `codes`, the true class of each row, `given`, the probability that it got, and
    `confidence` of the answer with whether it was `right`. Of numbers: `errors`, each absolute
    error over what is usual at such an answer, and `usual`, corners (answer, usual absolute error)
    with lines between them and level beyond. `weights` say how much each row counts; empty where
    all count alike.

    Rows that count unequally stand for a population in which each is as frequent as its weight; a
    new row of it, whose weight nobody may know, counts as one of it does on average.

    Source: Tibshirani, Barber, Candès & Ramdas, "Conformal Prediction Under Covariate Shift",
    NeurIPS 2019, for weighted quantiles.
    """

    codes: tuple[int, ...] = ()
    given: tuple[float, ...] = ()
    confidence: tuple[float, ...] = ()
    right: tuple[int, ...] = ()
    errors: tuple[float, ...] = ()
    usual: Knots = ()
    weights: tuple[float, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.codes) or len(self.errors)

    @property
    def most(self) -> float:
        """The coverage beyond which the rows cannot tell."""
        told = effective_rows(self._counted(), self.rows)
        return told / (told + 1)

    def _counted(self) -> Weights:
        return np.array(self.weights) if self.weights else None

    def to_json(self) -> dict[str, Any]:
        counted = {"weights": list(self.weights)} if self.weights else {}
        if self.errors:
            usual = [list(knot) for knot in self.usual]
            return {"errors": list(self.errors), "usual": usual, **counted}
        return {
            **counted,
            "codes": list(self.codes),
            "given": list(self.given),
            "confidence": list(self.confidence),
            "right": list(self.right),
        }

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Conformal:
        return Conformal(
            codes=tuple(map(int, told.get("codes", ()))),
            given=tuple(map(float, told.get("given", ()))),
            confidence=tuple(map(float, told.get("confidence", ()))),
            right=tuple(map(int, told.get("right", ()))),
            errors=tuple(map(float, told.get("errors", ()))),
            usual=tuple((float(x), float(y)) for x, y in told.get("usual", ())),
            weights=tuple(map(float, told.get("weights", ()))),
        )

    def sets(
        self,
        prediction: ClassScores,
        coverage: float,
        *,
        each_class: bool = False,
        lot: int | None = None,
    ) -> NDArray[np.bool_]:
        """Which classes are in the set of each row, shape (rows, classes).

        A set holds every class whose probability is not lower than that of the truth of all but a
        share of 1 - `coverage` of the rows known, and always the likeliest class: where that is
        right more often than asked, so are the sets. Of new rows like the known ones at least that
        share have their class in their set; with `each_class` of the rows of each class, at the
        cost of larger sets (a class of too few known rows is then in all of them). Rows that are
        tied are held together, so that a model that tells few kinds of rows apart holds more than
        that share; with `lot`, a seed, each of them is held by lot, and the share is as asked, but
        for the likeliest class.

        Raises:
            ConfigError: The coverage is not between 0 and 1, or more than so few rows can tell.

        Source: Sadinle, Lei & Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error
        Levels", JASA 2019; Vovk, "Conditional Validity of Inductive Conformal Predictors", ACML
        2012, for each class; Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World",
        2005, section 2.4 (smoothed conformal predictors), for lots.
        """
        if each_class:
            check_coverage(coverage)
        else:
            self._check(coverage)
        shares, codes, given = prediction.probabilities, np.array(self.codes), np.array(self.given)
        own = counts(self._counted(), self.rows)
        whole: list[Any] = [(slice(None), slice(None))]
        each = [(codes == code, slice(code, code + 1)) for code in range(shares.shape[1])]
        found = np.empty(shares.shape, dtype=np.bool_)
        for rows, columns in each if each_class else whole:
            least = _least(given[rows], own[rows], coverage)
            found[:, columns] = shares[:, columns] >= least
            if lot is not None and np.isfinite(least):
                lots = generator(lot, "tied rows").random((len(shares), 1))
                found[:, columns] = _by_lot(
                    shares[:, columns], given[rows], own[rows], coverage, lots
                )
        found[np.arange(len(shares)), shares.argmax(axis=1)] = True
        return found

    def interval(self, prediction: Values, coverage: float) -> tuple[Numbers, Numbers]:
        """The ends of the interval of each row, shape (rows,) each: of new rows like the known ones
        at least that share lie within.

        Raises:
            ConfigError: The coverage is not between 0 and 1, or more than so few rows can tell.

        Source: Papadopoulos et al., "Inductive Confidence Machines for Regression", ECML 2002; Lei
        et al., "Distribution-Free Predictive Inference for Regression", JASA 2018, section 5.2, for
        errors over what is usual.
        """
        self._check(coverage)
        own = counts(self._counted(), self.rows)
        least = _least(-np.array(self.errors), own, coverage)
        reach = -least * usual_error(self.usual, prediction.values)
        return prediction.values - reach, prediction.values + reach

    def _check(self, coverage: float) -> None:
        check_coverage(coverage)
        if coverage > self.most:
            raise ConfigError(
                f"A coverage of {coverage:g} cannot be told from the {self.rows:,} rows that this "
                f"model was checked by; {self.most:.3f} can."
            )

    def abstain_below(self, share: float) -> float:
        """The confidence below which that share of the known rows lay, as they count.

        Raises:
            ConfigError: The share is not between 0 and 1.
        """
        if not 0 <= share < 1:
            raise ConfigError(
                f"The share of rows to leave out is from 0 to below 1, such as 0.1, not {share!r}."
            )
        return quantile(np.array(self.confidence), share, self._counted())

    def confidence_for(self, risk: float) -> float:
        """The lowest confidence above which at most that share of the answers is wrong, as far as
        the known rows tell: 90 % sure, at each of a few confidences.

        Raises:
            ConfigError: The risk is not between 0 and 1, or no confidence is known to keep it.

        Source: Geifman & El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS
        2017, algorithm 1.
        """
        sure, right = np.array(self.confidence), np.array(self.right)
        return safe_confidence(sure, right, risk, self._counted())


def check_coverage(coverage: float) -> None:
    """Raises:
    ConfigError: It is not between 0 and 1.
    """
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 < coverage < 1:
        raise ConfigError(f"A coverage is a share between 0 and 1, such as 0.9, not {coverage!r}.")


def _least(marks: Numbers, own: Numbers, coverage: float) -> float:
    """What the mark of a new row is not below with that probability, where each row counts its
    `own`; -infinity where so few rows cannot tell."""
    if not own.any():
        return float("-inf")
    order = np.argsort(marks, kind="stable")
    sorted_own = own[order]
    new, below = (own**2).sum() / own.sum(), np.cumsum(sorted_own) - sorted_own
    place = int((below + new <= (own.sum() + new) * (1 - coverage) + 1e-9).sum())
    return float(marks[order[place - 1]]) if place >= 1 else float("-inf")


def _by_lot(
    shares: Numbers, marks: Numbers, own: Numbers, coverage: float, lots: Numbers
) -> NDArray[np.bool_]:
    """Which probabilities of new rows (rows, classes) are held, where one that is tied with known
    ones lies above that share of them that its row's lot says, in [0, 1). Known ones were written
    up to two steps lower than they were, but not below zero."""
    order, shares = np.argsort(marks, kind="stable"), np.maximum(shares, STEP)
    below = np.concatenate([[0.0], np.cumsum(own[order])])
    under = below[np.searchsorted(marks[order], shares - 2.5 * STEP)]
    tied = below[np.searchsorted(marks[order], shares - 0.5 * STEP)] - under
    new = (own**2).sum() / own.sum()
    return np.asarray(under + lots * (tied + new) > (own.sum() + new) * (1 - coverage))


def usual_error(knots: Knots, answers: Numbers) -> Numbers:
    """The usual absolute error at each answer, shape (rows,)."""
    x, y = np.array(knots).T
    return np.asarray(np.interp(answers, x, y))


def of_classes(
    truth: NDArray[np.int64], prediction: ClassScores, *, seed: int, weights: Weights = None
) -> Conformal:
    """What these rows say, which the model must not have been fitted to. A row whose label the
    model does not know got a probability of zero (and tells nothing of each class)."""
    rows = _drawn(len(truth), seed)
    truth, prediction = truth[rows], prediction.take(rows)
    place = np.maximum(truth, 0)
    given = np.where(truth >= 0, prediction.probabilities[np.arange(len(truth)), place], 0.0)
    return Conformal(
        codes=tuple(truth.tolist()),
        given=_lower(given),
        confidence=_lower(confidence(prediction)),
        right=tuple((prediction.codes() == truth).astype(int).tolist()),
        weights=_kept(taken(weights, rows)),
    )


def of_numbers(
    truth: Numbers, prediction: Values, *, seed: int, weights: Weights = None
) -> Conformal:
    """What these rows say, which the model must not have been fitted to.

    Errors are divided by what is usual at such an answer where that tells anything (prices: the
    higher, the further off): where rows of other folds find them more likely so, as drawn from
    exponential distributions, by more than two standard errors.
    """
    rows = _drawn(len(truth), seed)
    answers, off = prediction.values[rows], np.abs(truth[rows] - prediction.values[rows])
    own = taken(weights, rows)
    level = ((mean(answers, own), max(mean(off, own), 1e-12)),)
    folds = fold_codes(answers, FOLDS, seed)
    by_level, by_answer = np.empty(len(off)), np.empty(len(off))
    for fold in range(FOLDS):
        out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(out) and len(rest):
            near = taken(own, rest)
            by_level[out] = max(mean(off[rest], near), 1e-12)
            by_answer[out] = usual_error(_usual(answers[rest], off[rest], near), answers[out])
    gains = off / by_level + np.log(by_level) - off / by_answer - np.log(by_answer)
    if mean(gains, own) > 2 * error_of_mean(gains, own):
        usual = _usual(answers, off, own)
        return Conformal(errors=_higher(off / by_answer), usual=usual, weights=_kept(own))
    return Conformal(errors=_higher(off / level[0][1]), usual=level, weights=_kept(own))


def _kept(weights: Weights) -> tuple[float, ...]:
    """Short enough to be written."""
    return () if weights is None else tuple(float(f"{one:.9g}") for one in weights)


def _usual(answers: Numbers, off: Numbers, weights: Weights) -> Knots:
    """Mean absolute error in equally full bins of the answers, each drawn to that of all."""
    whole, own = max(mean(off, weights), 1e-12), counts(weights, len(off))
    order = np.argsort(answers, kind="stable")
    bins = np.array_split(order, int(np.clip(len(order) // ROWS_A_BIN, 1, MOST_BINS)))
    found: dict[float, float] = {}
    for rows in bins:
        far = (off[rows] @ own[rows] + PRIOR_ROWS * whole) / (own[rows].sum() + PRIOR_ROWS)
        found[mean(answers[rows], taken(weights, rows))] = float(far)
    return tuple(sorted(found.items()))


def _drawn(rows: int, seed: int) -> NDArray[np.int64]:
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(generator(seed, "conformal").choice(rows, MOST_ROWS, replace=False))


def _lower(shares: Numbers) -> tuple[float, ...]:
    """Short enough to be written, and a hair lower: where many rows are tied, rounding up would
    leave all of them out."""
    return tuple((np.maximum(np.floor(shares / STEP) - 1, 0) * STEP).round(8).tolist())


def _higher(errors: Numbers) -> tuple[float, ...]:
    """A hair higher, for the same reason."""
    return tuple(float(f"{error * (1 + STEP):.9g}") for error in errors)


def covered(
    known: Conformal, truth: NDArray[Any], prediction: Prediction, coverage: float
) -> tuple[NDArray[np.bool_], Numbers]:
    """Whether the set or interval of each row holds its truth, and how large it is: classes, or
    width in the units of the target. Shape (rows,) each."""
    if isinstance(prediction, ClassScores):
        sets = known.sets(prediction, coverage)
        held = sets[np.arange(len(truth)), np.maximum(truth, 0)] & (truth >= 0)
        return held, sets.sum(axis=1).astype(np.float64)
    if isinstance(prediction, Labels):
        raise ConfigError("Sets and intervals are not built for several labels a row.")
    low, high = known.interval(prediction, coverage)
    return (low <= truth) & (truth <= high), high - low


def coverage_of(
    known: Conformal,
    truth: NDArray[Any],
    prediction: Prediction,
    coverage: float,
    groups: Mapping[str, Any],
    weights: Weights = None,
) -> dict[str, Any]:
    """How often the truth is held, of all rows, of each class and of each value of `groups` (a
    value a row, by name): share and rows; and how large sets or intervals are on average. `weights`
    say how much each row counts in the shares and the average."""
    held, sizes = covered(known, truth, prediction, coverage)
    found: dict[str, Any] = {
        "asked": coverage,
        "held": mean(held, weights),
        "rows": len(held),
        "calibrated_on": known.rows,
        "mean_size": mean(sizes, weights),
        "groups": {
            name: _by(held, np.array([str(v) for v in values], dtype=object), weights)
            for name, values in groups.items()
        },
    }
    if isinstance(prediction, ClassScores):
        names = np.array([*prediction.classes, "(unknown)"], dtype=object)
        found["classes"] = _by(held, names[truth], weights)
    return found


def _by(
    held: NDArray[np.bool_], values: NDArray[Any], weights: Weights
) -> dict[str, dict[str, float]]:
    rows = {value: np.flatnonzero(values == value) for value in sorted(set(values))}
    return {
        str(value): {"held": mean(held[one], taken(weights, one)), "rows": len(one)}
        for value, one in rows.items()
    }
