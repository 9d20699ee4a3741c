"""Sets of classes and intervals of numbers that hold the truth as often as asked, and which answers
are sure enough to be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.seeds import generator
from tunesmith.evaluate.calibration import FOLDS, fold_codes

Numbers = NDArray[np.float64]
Knots = tuple[tuple[float, float], ...]

MOST_ROWS = 4_000
"""Rows whose scores are kept; of more a draw, by which coverage wobbles by half a point."""
MOST_BINS = 10
ROWS_A_BIN = 40
PRIOR_ROWS = 20.0
"""Of the mean error of all rows, in each bin's."""
SURE = 0.9
"""How sure it is that the risk asked for is kept."""
STEP = 1e-7
"""In which probabilities are written; what another processor may round differently is less."""


@dataclass(frozen=True)
class Conformal:
    """What rows that the model was not fitted to say of new ones.

    Of classes: `codes`, the true class of each row, `given`, the probability that it got, and
    `confidence` of the answer with whether it was `right`. Of numbers: `errors`, each absolute
    error over what is usual at such an answer, and `usual`, corners (answer, usual absolute error)
    with lines between them and level beyond.
    """

    codes: tuple[int, ...] = ()
    given: tuple[float, ...] = ()
    confidence: tuple[float, ...] = ()
    right: tuple[int, ...] = ()
    errors: tuple[float, ...] = ()
    usual: Knots = ()

    @property
    def rows(self) -> int:
        return len(self.codes) or len(self.errors)

    def to_json(self) -> dict[str, Any]:
        if self.errors:
            return {"errors": list(self.errors), "usual": [list(knot) for knot in self.usual]}
        return {
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
        )

    def sets(
        self, prediction: ClassScores, coverage: float, *, each_class: bool = False
    ) -> NDArray[np.bool_]:
        """Which classes are in the set of each row, shape (rows, classes).

        A set holds every class whose probability is not lower than that of the truth of all but a
        share of 1 - `coverage` of the rows known, and always the likeliest class: where that is
        right more often than asked, so are the sets. Of new rows like the known ones at least that
        share have their class in their set; with `each_class` of the rows of each class, at the
        cost of larger sets (a class of too few known rows is then in all of them).

        Raises:
            ConfigError: The coverage is not between 0 and 1, or more than so few rows can tell.

        Source: Sadinle, Lei & Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error
        Levels", JASA 2019; Vovk, "Conditional Validity of Inductive Conformal Predictors", ACML
        2012, for each class.
        """
        shares, given = prediction.probabilities, np.array(self.given)
        if each_class:
            check_coverage(coverage)
            codes = np.array(self.codes)
            least = [_least(given[codes == code], coverage) for code in range(shares.shape[1])]
            found = shares >= np.array(least)
        else:
            self._check(coverage)
            found = shares >= _least(given, coverage)
        found[np.arange(len(shares)), shares.argmax(axis=1)] = True
        return np.asarray(found, dtype=np.bool_)

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
        reach = -_least(-np.array(self.errors), coverage) * usual_error(
            self.usual, prediction.values
        )
        return prediction.values - reach, prediction.values + reach

    def _check(self, coverage: float) -> None:
        check_coverage(coverage)
        most = self.rows / (self.rows + 1)
        if coverage > most:
            raise ConfigError(
                f"A coverage of {coverage:g} cannot be told from the {self.rows:,} rows that this "
                f"model was checked by; {most:.3f} can."
            )

    def abstain_below(self, share: float) -> float:
        """The confidence below which that share of the known rows lay.

        Raises:
            ConfigError: The share is not between 0 and 1.
        """
        if not 0 <= share < 1:
            raise ConfigError(
                f"The share of rows to leave out is from 0 to below 1, such as 0.1, not {share!r}."
            )
        return float(np.quantile(np.array(self.confidence), share))

    def confidence_for(self, risk: float) -> float:
        """The lowest confidence above which at most that share of the answers is wrong, as far as
        the known rows tell: 90 % sure, at each of a few confidences.

        Raises:
            ConfigError: The risk is not between 0 and 1, or no confidence is known to keep it.

        Source: Geifman & El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS
        2017, algorithm 1.
        """
        from scipy.stats import beta

        if not 0 < risk < 1:
            raise ConfigError(f"A risk is a share between 0 and 1, such as 0.05, not {risk!r}.")
        order = np.argsort(-np.array(self.confidence), kind="stable")
        wrong = np.cumsum(1 - np.array(self.right)[order])
        places = np.unique(np.linspace(1, len(order), min(50, len(order))).round().astype(int))
        worst = beta.ppf(SURE, wrong[places - 1] + 1, places - wrong[places - 1])
        worst = np.where(wrong[places - 1] >= places, 1.0, worst)
        kept = places[worst <= risk]
        if not len(kept):
            raise ConfigError(
                f"No confidence is known to keep the share of wrong answers below {risk:g}: the "
                f"lowest that {len(order):,} rows can vouch for is {worst.min():.3f}."
            )
        return float(np.array(self.confidence)[order[kept[-1] - 1]])


def check_coverage(coverage: float) -> None:
    """Raises:
    ConfigError: It is not between 0 and 1.
    """
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 < coverage < 1:
        raise ConfigError(f"A coverage is a share between 0 and 1, such as 0.9, not {coverage!r}.")


def _least(marks: Numbers, coverage: float) -> float:
    """What the mark of a new row is not below with that probability; -infinity where so few rows
    cannot tell."""
    place = int(np.floor((len(marks) + 1) * (1 - coverage) + 1e-9))
    return float(np.sort(marks)[place - 1]) if place >= 1 else float("-inf")


def confidence(prediction: ClassScores) -> Numbers:
    """How far the class that is answered leads, in [1/classes, 1]: its share of the weighted
    probabilities, which at a threshold is one half, shape (rows,)."""
    weighted = prediction.weighted()
    return np.asarray(weighted.max(axis=1) / np.maximum(weighted.sum(axis=1), 1e-300))


def usual_error(knots: Knots, answers: Numbers) -> Numbers:
    """The usual absolute error at each answer, shape (rows,)."""
    x, y = np.array(knots).T
    return np.asarray(np.interp(answers, x, y))


def of_classes(truth: NDArray[np.int64], prediction: ClassScores, *, seed: int) -> Conformal:
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
    )


def of_numbers(truth: Numbers, prediction: Values, *, seed: int) -> Conformal:
    """What these rows say, which the model must not have been fitted to.

    Errors are divided by what is usual at such an answer where that tells anything (prices: the
    higher, the further off): where rows of other folds find them more likely so, as drawn from
    exponential distributions, by more than two standard errors.
    """
    rows = _drawn(len(truth), seed)
    answers, off = prediction.values[rows], np.abs(truth[rows] - prediction.values[rows])
    level = ((float(answers.mean()), max(float(off.mean()), 1e-12)),)
    folds = fold_codes(answers, FOLDS, seed)
    by_level, by_answer = np.empty(len(off)), np.empty(len(off))
    for fold in range(FOLDS):
        out, rest = folds == fold, folds != fold
        if out.any() and rest.any():
            by_level[out] = max(float(off[rest].mean()), 1e-12)
            by_answer[out] = usual_error(_usual(answers[rest], off[rest]), answers[out])
    gains = off / by_level + np.log(by_level) - off / by_answer - np.log(by_answer)
    if gains.mean() > 2 * gains.std() / np.sqrt(len(gains)):
        return Conformal(errors=_higher(off / by_answer), usual=_usual(answers, off))
    return Conformal(errors=_higher(off / level[0][1]), usual=level)


def _usual(answers: Numbers, off: Numbers) -> Knots:
    """Mean absolute error in equally full bins of the answers, each drawn to that of all."""
    whole = max(float(off.mean()), 1e-12)
    order = np.argsort(answers, kind="stable")
    bins = np.array_split(order, int(np.clip(len(order) // ROWS_A_BIN, 1, MOST_BINS)))
    found: dict[float, float] = {}
    for rows in bins:
        mean = (off[rows].sum() + PRIOR_ROWS * whole) / (len(rows) + PRIOR_ROWS)
        found[float(answers[rows].mean())] = float(mean)
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
    low, high = known.interval(prediction, coverage)
    return (low <= truth) & (truth <= high), high - low


def coverage_of(
    known: Conformal,
    truth: NDArray[Any],
    prediction: Prediction,
    coverage: float,
    groups: Mapping[str, Any],
) -> dict[str, Any]:
    """How often the truth is held, of all rows, of each class and of each value of `groups` (a
    value a row, by name): share and rows; and how large sets or intervals are on average."""
    held, sizes = covered(known, truth, prediction, coverage)
    found: dict[str, Any] = {
        "asked": coverage,
        "held": float(held.mean()),
        "rows": len(held),
        "calibrated_on": known.rows,
        "mean_size": float(sizes.mean()),
        "groups": {
            name: _by(held, np.array([str(v) for v in values], dtype=object))
            for name, values in groups.items()
        },
    }
    if isinstance(prediction, ClassScores):
        names = np.array([*prediction.classes, "(unknown)"], dtype=object)
        found["classes"] = _by(held, names[truth])
    return found


def _by(held: NDArray[np.bool_], values: NDArray[Any]) -> dict[str, dict[str, float]]:
    return {
        str(value): {
            "held": float(held[values == value].mean()),
            "rows": int((values == value).sum()),
        }
        for value in sorted(set(values))
    }


def risk_coverage(truth: NDArray[np.int64], prediction: ClassScores) -> list[dict[str, float]]:
    """The risk-coverage curve in steps of a hundredth: when only the most confident rows are
    answered, the least confidence among them, their share of all (`coverage`) and the share of
    wrong answers (`risk`).

    Source: El-Yaniv & Wiener, "On the Foundations of Noise-free Selective Classification", JMLR
    2010.
    """
    sure = confidence(prediction)
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum(prediction.codes()[order] != truth[order])
    places = np.unique(np.ceil(np.linspace(0.01, 1, 100) * len(order)).astype(int))
    return [
        {
            "confidence": float(sure[order[place - 1]]),
            "coverage": place / len(order),
            "risk": float(wrong[place - 1] / place),
        }
        for place in places
    ]
