"""Shapley values by a look inside of trees."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.blas import one_thread
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import BudgetError
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Column, Dataset
from tunesmith.core.trees import Grove
from tunesmith.explain._chain import probabilities, settled, through_follow, through_odds
from tunesmith.explain._paths import pair_credits
from tunesmith.explain._shelf import explainers
from tunesmith.explain._side_by_side import MOST_NODES, pair_credits_of
from tunesmith.explain.game import RowGame

ELSEWHERE = "permutation-shap"
"""Who explains members that are no trees."""
PERMUTATIONS = 2
MOST_THREADS = 4
Numbers = NDArray[np.float64]


class _After(Protocol):
    def apply(self, prediction: Prediction) -> Prediction: ...


class _Blend(Protocol):
    """A model as far as it is looked into here."""

    @property
    def inputs(self) -> tuple[Column, ...]: ...
    @property
    def members(self) -> tuple[tuple[Fitted, float], ...]: ...
    @property
    def after(self) -> _After: ...
    def predict(self, data: Dataset) -> Prediction: ...


@dataclass(frozen=True)
class _Alone:
    """One member as a model."""

    inputs: tuple[Column, ...]
    fitted: Fitted
    members: tuple[tuple[Fitted, float], ...] = ()

    def predict(self, data: Dataset) -> Prediction:
        return self.fitted.predict(data)


@explainers.add("tree")
class Tree(Explainer):
    """Interventional TreeSHAP, exact in the margins of each model of trees: what is absent has the
    cells of the background. Credit is linear in models, so that a blend's is the weighted mean of
    its members'. From margins to probabilities, and through a calibration, it is carried along the
    straight line between the answers for each row of the background and for this one. Members that
    are no trees are explained by permutations, alone.

    Where a split is by several categories together (CatBoost), they share its credit evenly.

    Source: as of `explain/_paths.py` and `explain/_chain.py`.
    """

    is_additive = True

    def suits(self, game: Game) -> str:
        if any(piece.place for piece in game.pieces):
            return "trees know a text or a picture as a whole, not its words or rectangles"
        if not any(fitted.is_of_trees for fitted, _ in _model(game).members):
            return "no model here is made of trees that can be looked into"
        return ""

    def evaluations(self, game: Game) -> int:
        return self._others(game) * PERMUTATIONS * (2 * len(game.pieces) + 1) + 1

    def least(self, game: Game) -> int:
        return self._others(game) * (2 * len(game.pieces) + 1) + 1

    def _others(self, game: Game) -> int:
        """Members that are no trees."""
        return sum(not fitted.is_of_trees for fitted, _ in _model(game).members)

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        model, rows = _model(game), together(game.background, game.row)
        total = sum(weight for _, weight in model.members)
        others = self._others(game)
        parts = []
        for fitted, weight in model.members:
            if clock.is_over():
                raise BudgetError("The time for this explanation is over.")
            if fitted.is_of_trees:
                with one_thread():  # many small products: a second thread would wait more than work
                    part = _of_groves(game, fitted, rows)
            else:
                part = _alone(game, fitted, rows, seed, clock, evaluations // others)
            parts.append(part.times(weight / total))
        return _answered(game, parts)


@dataclass(frozen=True)
class _Part:
    """Of one member: credits (others, pieces, numbers), and what it answers to the background and
    the row, (others + 1, numbers)."""

    credits: Numbers
    answers: Numbers

    def times(self, share: float) -> _Part:
        return _Part(self.credits * share, self.answers * share)


def _model(game: Game) -> _Blend:
    found: _Blend = game.model
    return found


def together(background: Dataset, row: Dataset) -> Dataset:
    """Typical rows, and the row behind them."""
    kept = background.with_columns(row.names)
    cells = {name: np.concatenate([kept.values(name), row.values(name)]) for name in row.names}
    lines = np.arange(1, len(kept) + 2, dtype=np.int64)
    return Dataset(row.source, row.columns, cells, lines)


def _numbers(prediction: Prediction, output: int) -> Numbers:
    """All probabilities of classes; otherwise the one number that is explained. (rows, numbers)."""
    array = np.asarray(prediction.array(), dtype=np.float64)
    if isinstance(prediction, ClassScores):
        return array
    return array[:, None] if array.ndim == 1 else array[:, [output]]


def _of_groves(game: Game, fitted: Fitted, rows: Dataset) -> _Part:
    inside = fitted.groves(rows, game.output)
    if not inside:  # a label that every training row had, or none
        answers = _numbers(fitted.predict(rows), game.output)
        return _Part(np.zeros((len(rows) - 1, len(game.pieces), answers.shape[1])), answers)
    columns = [piece.column for piece in game.pieces]
    answers = np.sum([_answers(grove) * share for grove, share in inside], axis=0)
    credits = np.zeros((len(rows) - 1, len(columns), answers.shape[1]))
    for (grove, share), found in zip(inside, _of_each(inside), strict=True):
        for place, names in enumerate(grove.players):
            for name in names:
                credits[:, columns.index(name)] += found[:, place] * (share / len(names))
    wanted = answers[-1] - answers[:-1]
    return _Part(_settled_each(credits, wanted), answers)


def _answers(grove: Grove) -> Numbers:
    """What its trees answer to all its rows, (rows, numbers)."""
    found = probabilities(grove.margins) if grove.has_odds else grove.margins
    return found if grove.only is None else found[:, [grove.only]]


def _of_each(inside: Sequence[tuple[Grove, float]]) -> list[Numbers]:
    """Credits of the answers of each, (others, players, numbers). Large ones are walked through
    side by side: numpy computes outside of Python's lock."""
    groves = [grove for grove, _ in inside]
    if sum(len(grove.left) for grove in groves) <= MOST_NODES:
        found = pair_credits_of(groves)
    else:
        with ThreadPoolExecutor(min(len(groves), MOST_THREADS, os.cpu_count() or 1)) as pool:
            found = list(pool.map(pair_credits, groves))
    return [_of_answer(grove, credits) for grove, credits in zip(groves, found, strict=True)]


def _of_answer(grove: Grove, credits: Numbers) -> Numbers:
    """Credits of margins, (others, players, margins), as credits of what is answered."""
    found = credits
    if grove.has_odds:
        found = through_odds(found, grove.margins[:-1], grove.margins[-1:])
    return found if grove.only is None else found[:, :, [grove.only]]


def _settled_each(credits: Numbers, wanted: Numbers) -> Numbers:
    """What rounding left over, shared out."""
    parts = [settled(credits[:, :, k], wanted[:, k]) for k in range(wanted.shape[1])]
    return np.stack(parts, axis=2)


def _alone(
    game: Game, fitted: Fitted, rows: Dataset, seed: int, clock: Clock, evaluations: int
) -> _Part:
    """Of a member that is no tree, by the game of it alone: the same credits against each row."""
    inner = RowGame(_Alone(game.row.columns, fitted), game.row, game.background, game.output)
    explainer = explainers[ELSEWHERE]
    most = max(evaluations, explainer.least(inner))
    credits = explainer.explain(inner, seed=seed, clock=clock, evaluations=most).credits
    answers = _numbers(fitted.predict(rows), game.output)
    found = np.zeros((len(rows) - 1, len(credits), answers.shape[1]))
    if answers.shape[1] == 1:
        found[:, :, 0] = credits
    else:
        found[:, :, game.output] = credits
        others = [k for k in range(answers.shape[1]) if k != game.output]
        found[:, :, others] = -credits[:, None] / len(others)
    return _Part(found, answers)


def _answered(game: Game, parts: Sequence[_Part]) -> Credits:
    """The members' credits together, carried through what follows their mean."""
    model = _model(game)
    credits = np.sum([part.credits for part in parts], axis=0)
    answers = np.sum([part.answers for part in parts], axis=0)
    if answers.shape[1] == 1:
        return _mean(credits[:, :, 0], answers[:, 0])
    classes = tuple(map(str, range(answers.shape[1])))  # nothing here goes by their names

    def follow(points: Numbers) -> Numbers:
        return np.asarray(model.after.apply(ClassScores(classes, points)).array())

    final = follow(answers)[:, game.output]
    if np.allclose(final, answers[:, game.output], rtol=0, atol=1e-12):
        return _mean(credits[:, :, game.output], final)
    carried = through_follow(credits, answers[:-1], answers[-1:], follow, game.output)
    return _mean(carried, final)


def _mean(credits: Numbers, answers: Numbers) -> Credits:
    """Over the background. What a member's credits against all of it lack against a single row is
    no lack in the mean; what rounding leaves over is shared out."""
    base = float(answers[:-1].mean())
    whole = settled(credits.mean(axis=0)[None], np.array([answers[-1] - base]))[0]
    return Credits(whole, base)
