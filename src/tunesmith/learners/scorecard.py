"""A scorecard: every column in a few bins, each bin worth some points, the points added up.

Source: Siddiqi, "Credit Risk Scorecards", 2006, chapter 6: weight of evidence, points to double the
odds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.blas import one_thread
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import Choice, Int, Log, config
from tunesmith.learners._bins import Bins, Cut, cut_column
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import by_likelihood, selection_score

STRENGTHS = (0.3, 1.0, 5.0, 30.0)
KINDS = ("number", "date", "category")
MOST_ROWS = 200_000


@config
class ScorecardConfig:
    """How columns are cut into bins, and what points mean."""

    bins: Annotated[int, Int(2, 12)] = 6
    """Most bins of a column, besides that of missing cells."""
    least_share: Annotated[float, Log(0.01, 0.1)] = 0.03
    """A bin holds at least such a share of the rows."""
    monotone: Annotated[bool, Choice(True, False)] = True
    """Points only rise, or only fall, along a number."""
    strength: float = 0.0
    """Inverse strength of the regularisation; 0 lets the valid rows choose it on a path."""
    base_points: float = 600.0
    """Points at the base odds."""
    base_odds: float = 50.0
    """Odds, of the class that points speak for, at the base points."""
    double_odds: float = 20.0
    """So many points more double the odds."""


@dataclass(frozen=True)
class Scale:
    """What points mean: points = offset + factor · log odds."""

    factor: float
    offset: float

    @staticmethod
    def of(config: ScorecardConfig) -> Scale:
        factor = config.double_odds / math.log(2)
        return Scale(factor, config.base_points - factor * math.log(config.base_odds))


@dataclass(frozen=True)
class Feature:
    """A column of the card: its bins, and by bin the points, the weight of evidence, the share of
    the rows and that of the class that points speak for among them."""

    bins: Bins
    points: tuple[int, ...]
    evidence: tuple[float, ...]
    shares: tuple[float, ...]
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Scorecard(Fitted):
    """Whole points added up are the answer itself: the table says all that the model knows.
    `speaks_for` is the class for which many points speak."""

    classes: tuple[str, ...]
    speaks_for: str
    features: tuple[Feature, ...]
    scale: Scale
    strength: float

    def points(self, data: Dataset) -> NDArray[np.int64]:
        """Points of each column, shape (rows, columns)."""
        found = [
            np.array(one.points, dtype=np.int64)[one.bins.codes(data.values(one.bins.name))]
            for one in self.features
        ]
        return np.stack(found, axis=1) if found else np.zeros((len(data), 0), dtype=np.int64)

    def contributions(self, data: Dataset) -> dict[str, NDArray[Any]]:
        """The same by column."""
        return {
            one.bins.name: found
            for one, found in zip(self.features, self.points(data).T, strict=True)
        }

    def predict(self, data: Dataset) -> Prediction:
        odds = (self.points(data).sum(axis=1) - self.scale.offset) / self.scale.factor
        good = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        sides = (good, 1 - good) if self.classes[0] == self.speaks_for else (1 - good, good)
        return ClassScores(self.classes, np.stack(sides, axis=1))

    def table(self) -> list[dict[str, Any]]:
        """A line for each bin of each column that has points to give."""
        return [
            {
                "feature": one.bins.name,
                "bin": label,
                "points": one.points[place],
                "weight_of_evidence": round(one.evidence[place], 4),
                "rows": round(one.shares[place], 4),
                f"share of {self.speaks_for!r}": round(one.rates[place], 4),
            }
            for one in self.features
            for place, label in enumerate(one.bins.labels())
        ]

    def settled(self) -> Mapping[str, Any]:
        return {"strength": self.strength}

    def save(self, folder: Path) -> None:
        write_json(
            folder / "model.json",
            {
                "classes": self.classes,
                "speaks_for": self.speaks_for,
                "scale": asdict(self.scale),
                "strength": self.strength,
                "features": [asdict(one) for one in self.features],
            },
        )


@learners.add("scorecard")
class ScorecardLearner(Learner[ScorecardConfig]):
    """Logistic regression on the weight of evidence of monotone bins, written as whole points."""

    config = ScorecardConfig

    def suits(self, problem: Problem) -> str:
        inputs = problem.data.with_columns(problem.inputs)
        if len(problem.classes) != 2:
            return "a scorecard is for two classes"
        if inputs.of_kind("text", "image"):
            return "a scorecard has no points for texts or pictures"
        if len(problem.rows) > MOST_ROWS:
            return f"a scorecard is cut from at most {MOST_ROWS:,} rows"
        return ""

    def fit(self, problem: Problem, config: ScorecardConfig, seed: int, watch: Watch) -> Fitted:
        train, valid = problem.part("train"), problem.part("valid")
        truth = problem.truth("train")
        given = problem.weight("train")
        counted = np.ones(len(truth)) if given is None else given
        counts = np.bincount(truth, weights=counted, minlength=2)
        favoured = int(counts.argmax())
        good = truth == favoured
        names = [name for name in problem.inputs if train.column(name).kind in KINDS]
        cuts = [
            cut_column(
                name,
                train.column(name).kind,
                train.values(name),
                good,
                counted,
                most=config.bins,
                least=config.least_share,
                monotone=config.monotone,
            )
            for name in names
        ]
        telling = [cut for cut in cuts if len(set(cut.evidence)) > 1]
        columns = [
            np.array(cut.evidence)[cut.bins.codes(train.values(cut.bins.name))] for cut in telling
        ]
        evidence = np.stack(columns, axis=1) if columns else np.empty((len(train), 0))
        rate = selection_score(problem, seed, likelihood=by_likelihood(len(valid)))
        best, best_score = None, -math.inf
        for strength in (config.strength,) if config.strength else STRENGTHS:
            weights, bias = rising(evidence, good, strength, counted)
            card = self._card(problem, config, telling, weights, bias, favoured, strength)
            score = rate(card.predict(valid))
            if best is None or score > best_score:
                best, best_score = card, score
            if watch.clock.is_over():
                break
        assert best is not None
        return best

    def _card(
        self,
        problem: Problem,
        config: ScorecardConfig,
        cuts: Sequence[Cut],
        weights: NDArray[np.float64],
        bias: float,
        favoured: int,
        strength: float,
    ) -> Scorecard:
        scale = Scale.of(config)
        used = [(cut, weight) for cut, weight in zip(cuts, weights, strict=True) if weight > 1e-6]
        share = (scale.factor * bias + scale.offset) / max(1, len(used))
        features = [
            Feature(
                cut.bins,
                tuple(round(scale.factor * weight * one + share) for one in cut.evidence),
                cut.evidence,
                cut.shares,
                cut.rates,
            )
            for cut, weight in used
        ]
        if not features:  # nothing tells the classes apart: one line, the same for all
            whole = Bins(problem.inputs[0], "category", (), ())
            features = [Feature(whole, (round(share),), (0.0,), (1.0,), (0.0,))]
        speaks_for = problem.classes[favoured]
        return Scorecard(problem.classes, speaks_for, tuple(features), scale, strength)

    def load(self, folder: Path) -> Fitted:
        saved = read_json(folder / "model.json")
        return Scorecard(
            tuple(saved["classes"]),
            saved["speaks_for"],
            tuple(_feature(told) for told in saved["features"]),
            Scale(**saved["scale"]),
            saved["strength"],
        )


def _feature(told: Mapping[str, Any]) -> Feature:
    bins = told["bins"]
    groups = tuple(tuple(group) for group in bins["groups"])
    return Feature(
        Bins(bins["name"], bins["kind"], tuple(bins["edges"]), groups),
        *(tuple(told[name]) for name in ("points", "evidence", "shares", "rates")),
    )


def rising(
    evidence: NDArray[np.float64],
    good: NDArray[np.bool_],
    strength: float,
    counted: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Logistic regression with a quadratic penalty whose weights are not below zero: more evidence
    never gives fewer points. Weights of shape (columns,), and the bias. `counted` says how much
    each row counts, shape (rows,)."""
    from scipy.optimize import minimize
    from scipy.special import expit

    sign = np.where(good, 1.0, -1.0)
    times = np.ones(len(good)) if counted is None else counted
    share = np.clip(np.average(good, weights=times), 1e-6, 1 - 1e-6)
    width = evidence.shape[1]

    def loss(plane: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (evidence @ plane[:-1] + plane[-1])
        slope = -sign * expit(-margin) * times
        held = plane[:-1] / strength
        gradient = np.append(evidence.T @ slope + held, slope.sum())
        value = times @ np.logaddexp(0, -margin) + 0.5 * float(held @ plane[:-1])
        return float(value) / len(good), gradient / len(good)

    start = np.append(np.full(width, 0.5), math.log(share / (1 - share)))
    bounds = [(0.0, None)] * width + [(None, None)]
    with one_thread():
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x[:-1]), float(found.x[-1])
