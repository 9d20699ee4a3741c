"""Whether credit by the inside of a model hangs on what it has learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.explaining import HEATS, Credits, Explainer, Game
from tunesmith.core.explanations import Sanity
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.records import Column, Dataset
from tunesmith.core.seeds import derive
from tunesmith.explain._by_heats import credits_of
from tunesmith.explain._shelf import explainers
from tunesmith.explain.game import RowGame, member_heats

DRAWS = 3
"""Redrawn models: one alone may by chance give credit as the real one does."""
MUCH = 0.7
"""A rank correlation from which credit is taken to be much the same without what was learned."""
FEWEST_PIECES = 3
NOTHING_LEARNED = "no member of the model has weights to redraw (trees, rows that are near)"


def randomised(game: Game, method: str, *, seed: int, clock: Clock) -> Sanity | None:
    """The check for one row and method of `HEATS`; None where there are no credits to compare, or
    fewer than three pieces.

    Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.

    Raises:
        BudgetError: The time is over before there is a result.
    """
    began = clock.elapsed()
    real = game.heats(method, clock)
    if real is None or len(game.pieces) < FEWEST_PIECES:
        return None
    own, found = credits_of(game, real).credits, []
    for draw in range(DRAWS):
        drawn = [
            (fitted.redrawn(derive(seed, "redrawn", draw, place)), weight)
            for place, (fitted, weight) in enumerate(game.model.members)
        ]
        other = member_heats([(f, w) for f, w in drawn if f is not None], game, method, clock)
        if other is None:
            return None
        found.append(ranked(own, credits_of(game, other).credits))
        if (clock.elapsed() - began) / (draw + 2) > clock.left():
            break
    known = [one for one in found if not np.isnan(one)]
    correlation = float(np.mean(known)) if known else float("nan")
    return Sanity(correlation, bool(np.isnan(correlation) or correlation >= MUCH))


@dataclass(frozen=True)
class _Redrawn:
    """A model whose members have what they learned drawn anew."""

    inputs: tuple[Column, ...]
    members: tuple[tuple[Fitted, float], ...]

    def predict(self, data: Dataset) -> Prediction:
        parts = [fitted.predict(data) for fitted, _ in self.members]
        return mix(parts, [weight for _, weight in self.members])


def checked(
    game: RowGame, method: str, credits: Credits, *, seed: int, clock: Clock, evaluations: int
) -> Sanity | str:
    """The check for credits of any method: by the inside as `randomised`, else one redrawn model
    is asked as the real one was. Why there is none, where there is none."""
    if len(game.pieces) < FEWEST_PIECES:
        return f"fewer than {FEWEST_PIECES} pieces have no ranks to compare"
    if method in HEATS:
        return randomised(game, method, seed=seed, clock=clock) or "there is no credit to compare"
    members = [
        (fitted.redrawn(derive(seed, "redrawn", 0, place)), weight)
        for place, (fitted, weight) in enumerate(game.model.members)
    ]
    drawn = tuple((fitted, weight) for fitted, weight in members if fitted is not None)
    if not drawn:
        return NOTHING_LEARNED
    model = _Redrawn(game.model.inputs, drawn)
    other = RowGame(model, game.row, game.background, game.output, game.cut)
    explainer: Explainer = explainers[method]
    if explainer.suits(other):
        return "the method looks into what has no weights to redraw"
    found = explainer.explain(other, seed=seed, clock=Clock(), evaluations=evaluations)
    correlation = ranked(credits.credits, found.credits)
    return Sanity(correlation, bool(np.isnan(correlation) or correlation >= MUCH))


def ranked(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; NaN where either is all one."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
