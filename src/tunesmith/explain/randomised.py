"""Whether credit by the inside of networks hangs on what they have learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Game
from tunesmith.core.seeds import derive
from tunesmith.explain._by_heats import credits_of
from tunesmith.explain.game import member_heats

DRAWS = 3
"""Redrawn models: one alone may by chance give credit as the real one does."""
MUCH = 0.7
"""A rank correlation from which credit is taken to be much the same without what was learned."""
FEWEST_PIECES = 3


@dataclass(frozen=True)
class Sanity:
    """The rank correlation of credit by a model with that by the same model whose learned weights
    are redrawn, the mean over some draws; NaN where all pieces get the same. Where the credit
    `is_independent` of what was learned, it shows the input or the checkpoint, and explains no
    answer of this model."""

    correlation: float
    is_independent: bool


def randomised(game: Game, method: str, *, seed: int, clock: Clock) -> Sanity | None:
    """The check for one row and method of `HEATS`; None where there are no credits to compare, or
    fewer than three pieces.

    Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.

    Raises:
        BudgetError: The time is over before there is a result.
    """
    began = clock.elapsed()
    real = game.heats(method, seed, clock)
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


def ranked(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; NaN where either is all one."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
