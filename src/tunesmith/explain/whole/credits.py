"""The credit that each column gets over many rows, by any explainer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.core.seeds import generator
from tunesmith.explain._shelf import explainers
from tunesmith.explain.choosing import names_for, why_not

RESAMPLES, LEVEL = 500, 0.95


@dataclass(frozen=True)
class MeanCredit:
    """Of one column the mean over rows of its absolute credit, that of all its pieces together,
    with a bootstrap interval over the rows, and the mean with its sign."""

    column: str
    value: float
    low: float
    high: float
    signed: float


def mean_credits(
    games: Iterable[Game],
    method: str,
    *,
    seed: int = 0,
    clock: Clock | None = None,
) -> tuple[MeanCredit, ...]:
    """Over the rows that are given as games, the greatest first. Credits that differ in their sign
    from row to row do not cancel. `method` is a name as `explain` knows it; of `auto` the first
    that suits.

    Raises:
        ConfigError: There is no such method, or it cannot explain a row.
        BudgetError: It cannot be done in the clock's time.

    Source: Lundberg et al., "From local explanations to global understanding with explainable AI
    for trees", Nature Machine Intelligence 2020.
    """
    time, columns, rows = clock or Clock(), list[str](), []
    for game in games:
        columns = list(dict.fromkeys(piece.column for piece in game.pieces))
        one = _fitting(method, game)
        most = one.evaluations(game)
        found = one.explain(game, seed=seed, clock=time, evaluations=most)
        rows.append(by_column(game, found, columns))
    if not rows:
        return ()
    signed = np.stack(rows)
    dice = generator(seed, "credits")
    drawn = dice.integers(0, len(signed), (RESAMPLES, len(signed)))
    means = np.stack([np.abs(signed[some]).mean(axis=0) for some in drawn])
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    sizes = np.abs(signed).mean(axis=0)
    order = np.argsort(-sizes, kind="stable")
    return tuple(
        MeanCredit(columns[n], *map(float, (sizes[n], low[n], high[n], signed[:, n].mean())))
        for n in order
    )


def _fitting(method: str, game: Game) -> Explainer:
    reasons = []
    for name in names_for(method, game):
        reason = why_not(explainers[name], game)
        if not reason:
            return explainers[name]
        reasons.append(f"{name}: {reason}")
    raise ConfigError(f"Rows cannot be explained by {method!r}. {'; '.join(reasons)}.")


def by_column(game: Game, found: Credits, columns: list[str]) -> NDArray[np.float64]:
    """The credits of a row's pieces, summed by their column."""
    total = np.zeros(len(columns))
    for piece, credit in zip(game.pieces, found.credits, strict=True):
        total[columns.index(piece.column)] += credit
    return total
