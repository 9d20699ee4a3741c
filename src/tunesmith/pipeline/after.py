"""What is done to answers after the members' mean: calibration, decision weights, and the scores
that sets and intervals are made from. Learned from the valid rows, saved with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import HALF, ClassScores, Labels, Prediction, Values
from tunesmith.core.records import Problem, Rows
from tunesmith.evaluate.calibration import (
    Calibrated,
    Calibration,
    choose,
    falls,
    quality,
    reliability,
)
from tunesmith.evaluate.conformal import Conformal, coverage_of, of_classes, of_numbers
from tunesmith.evaluate.label_thresholds import tune_labels
from tunesmith.evaluate.thresholds import of_threshold, tune
from tunesmith.evaluate.weighted import counting, taken
from tunesmith.metrics import get
from tunesmith.pipeline.validation import Validation

COVERAGE = 0.9
"""At which the test part is checked."""
FEWEST_ROWS = 10
ABOUT_AFTER = ("calibration", "threshold")
"""What its reasons are about."""
MOST_LEVELS = 10
MOST_GROUPS = 8
"""Category columns whose values coverage is told for, and their values."""


@dataclass(frozen=True)
class After:
    """What follows the members' mean."""

    calibration: Calibration | None = None
    weights: tuple[float, ...] | None = None
    conformal: Conformal | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By what they are about: calibration, threshold."""
    thresholds: tuple[float, ...] | None = None
    """Of each label, where a row may have several; None for 0.5."""

    def apply(self, prediction: Prediction) -> Prediction:
        """The answers as the model gives them."""
        if isinstance(prediction, Labels):
            return replace(prediction, thresholds=self.thresholds)
        if not isinstance(prediction, ClassScores):
            return prediction
        found = self.calibration.apply(prediction) if self.calibration else prediction
        return replace(found, weights=self.weights) if self.weights else found

    def known(self) -> Conformal:
        """Raises:
        ConfigError: The model knows nothing of how far off it is.
        """
        if self.conformal is None:
            raise ConfigError(
                "This model was saved without the scores that sets, intervals and abstaining are "
                "made from: it or its run is of an earlier version, or had fewer than "
                f"{FEWEST_ROWS} rows to learn them from. Fit it again."
            )
        return self.conformal

    def to_json(self) -> dict[str, Any]:
        """As it stands in predictor.json."""
        return {
            "calibration": self.calibration.to_json() if self.calibration else None,
            "weights": list(self.weights) if self.weights else None,
            "conformal": self.conformal.to_json() if self.conformal else None,
            "thresholds": list(self.thresholds) if self.thresholds else None,
        }

    @staticmethod
    def from_json(told: Mapping[str, Any] | None) -> After:
        """Of an artifact from before there was any of it: nothing is done."""
        told = told or {}
        weights = told.get("weights")
        return After(
            Calibration.from_json(told["calibration"]) if told.get("calibration") else None,
            tuple(map(float, weights)) if weights else None,
            Conformal.from_json(told["conformal"]) if told.get("conformal") else None,
            thresholds=tuple(map(float, told["thresholds"])) if told.get("thresholds") else None,
        )


NOTHING = After()


def learn(
    validation: Validation,
    prediction: Prediction,
    clock: Clock | None = None,
    given: Calibration | None = None,
) -> After:
    """What helps, by a model's answers for the valid part, none of whose rows it was fitted to;
    half of the time left may go into it. A calibration that is given is not chosen. Rows count as
    much as their weight. What comes after the calibration sees the calibrated rows."""
    truth, own = validation.truth, validation.weights
    prediction = validation.answered(prediction)
    enough = len(truth) >= FEWEST_ROWS
    if isinstance(prediction, Values):
        known = of_numbers(truth, prediction, seed=validation.seed, weights=own) if enough else None
        return After(conformal=known)
    metric, seed = get(validation.metric), validation.seed
    if isinstance(prediction, Labels):
        return _of_labels(validation, prediction, clock)
    if not enough:
        why = f"none: {len(truth):,} validation rows are too few to tell"
        return After(reasons={"calibration": why, "threshold": why})
    share = Clock() if clock is None else Clock(clock.left() / 2, clock.now)
    if given is None:
        calibrated = choose(metric, truth, prediction, seed=seed, clock=share, weights=own)
    else:
        calibrated = Calibrated(given, f"{given}, as it was fitted", given.apply(prediction))
    default, found = None, calibrated.calibration if len(validation.classes) == 2 else None
    if found is not None and falls(metric, truth, calibrated.crossed, prediction, seed, own):
        default = _as_before(found, validation.classes)
    decision = tune(
        validation.metric,
        metric,
        truth,
        calibrated.crossed,
        seed=seed,
        clock=share,
        default=default,
        row_weights=own,
    )
    answered = replace(calibrated.crossed, weights=decision.weights)
    return After(
        calibrated.calibration,
        decision.weights,
        of_classes(truth, answered, seed=seed, weights=own),
        {"calibration": calibrated.reason, "threshold": decision.reason},
    )


def of_few(validation: Validation, prediction: Prediction, clock: Clock | None = None) -> After:
    """Of few examples: how far off answers out of fold are, where there are enough to tell; nothing
    is done to them."""
    truth, answers = validation.truth, validation.answered(prediction)
    why = "none: few examples tell too little"
    known = None
    if isinstance(answers, ClassScores) and len(truth) >= FEWEST_ROWS:
        known = of_classes(truth, answers, seed=validation.seed, weights=validation.weights)
    return After(conformal=known, reasons={"calibration": why, "threshold": why})


def _of_labels(validation: Validation, prediction: Labels, clock: Clock | None) -> After:
    """A threshold for each label. Probabilities stay as they are: no way to calibrate several of
    them a row is built."""
    decision = tune_labels(
        validation.metric,
        get(validation.metric),
        validation.truth,
        prediction,
        seed=validation.seed,
        clock=Clock() if clock is None else Clock(clock.left() / 2, clock.now),
        row_weights=validation.weights,
    )
    none = "none: it is not built for several labels a row"
    reasons = {"calibration": none, "threshold": decision.reason}
    return After(thresholds=decision.thresholds, reasons=reasons)


def _as_before(calibration: Calibration, classes: tuple[str, ...]) -> tuple[float, ...]:
    """The threshold of two classes by which calibrated answers are those of before."""
    half = calibration.apply(ClassScores(classes, np.full((1, 2), 0.5)))
    return of_threshold(float(half.probabilities[0, 1]))


def told(problem: Problem, after: After, plain: Prediction, answers: Prediction) -> dict[str, Any]:
    """What became of the test part: the quality of its probabilities before and after, and the
    coverage of sets or intervals."""
    own = problem.weight("test")
    there = counting(own, len(answers))
    truth, plain, answers = problem.truth("test")[there], plain.take(there), answers.take(there)
    own = taken(own, there)
    found: dict[str, Any] = {}
    if isinstance(plain, ClassScores) and isinstance(answers, ClassScores):
        known = np.flatnonzero(truth >= 0)
        weights = taken(own, known)
        sides = {"before": plain.take(known), "after": answers.take(known)}
        found["calibration"] = {
            "method": after.calibration.method if after.calibration else "none",
            **{side: quality(truth[known], shares, weights) for side, shares in sides.items()},
            "reliability": reliability(truth[known], sides["after"], weights=weights),
        }
        found["decision_weights"] = after.weights
    if isinstance(answers, Labels):
        least = after.thresholds or (HALF,) * len(answers.classes)
        found["thresholds"] = dict(zip(answers.classes, least, strict=True))
    conformal = after.conformal
    if conformal is not None and conformal.most >= COVERAGE:
        groups = _groups(problem, problem.parts["test"][there])
        found["coverage"] = coverage_of(conformal, truth, answers, COVERAGE, groups, own)
    return found


def _groups(problem: Problem, rows: Rows) -> dict[str, Any]:
    """Category columns with few values, as these rows have them."""
    names = [n for n in problem.inputs if problem.data.column(n).kind == "category"]
    cells = {name: problem.data.values(name)[rows] for name in names}
    few = {name: v for name, v in cells.items() if 1 < len(set(map(str, v))) <= MOST_LEVELS}
    return dict(list(few.items())[:MOST_GROUPS])
