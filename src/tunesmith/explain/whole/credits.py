"""The credit that each column gets over many rows, by any explainer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.core.seeds import generator
from tunesmith.explain._shelf import explainers
from tunesmith.explain.choosing import names_for, why_not

RESAMPLES, LEVEL = 500, 0.95
TIMED = 4
"""Coalitions by which the pace of a game is measured."""


@dataclass(frozen=True)
class MeanCredit:
    """Of one column the mean over rows of its absolute credit, that of all its pieces together,
    with a bootstrap interval over the rows, how many these are, and the mean with its sign."""

    column: str
    value: float
    low: float
    high: float
    signed: float
    rows: int


def mean_credits(
    games: Iterable[Game],
    method: str,
    *,
    seed: int = 0,
    clock: Clock | None = None,
    count: int = 0,
) -> tuple[MeanCredit, ...]:
    """Over the rows that are given as games, the greatest first. Credits that differ in their sign
    from row to row do not cancel. `method` is a name as `explain` knows it; of `auto` the first
    that suits. The clock's time is shared by `count` rows, which ask as much as that allows; when
    it is over, those that had their turn are told.

    Raises:
        ConfigError: There is no such method, or it cannot explain a row.
        BudgetError: Not one row can be explained in the clock's time.

    Source: Lundberg et al., "From local explanations to global understanding with explainable AI
    for trees", Nature Machine Intelligence 2020.
    """
    time, columns, rows = clock or Clock(), list[str](), list[NDArray[np.float64]]()
    for game in games:
        columns = list(dict.fromkeys(piece.column for piece in game.pieces))
        one = _fitting(method, game)
        most = _affordable(one, game, time.share(count - len(rows)))
        try:
            found = one.explain(game, seed=seed, clock=time, evaluations=most)
        except BudgetError:
            if not rows:
                raise
            break
        rows.append(by_column(game, found, columns))
        if time.is_over():
            break
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
        MeanCredit(
            columns[n],
            value=float(sizes[n]),
            low=float(low[n]),
            high=float(high[n]),
            signed=float(signed[:, n].mean()),
            rows=len(rows),
        )
        for n in order
    )


def _affordable(one: Explainer, game: Game, clock: Clock) -> int:
    """How many coalitions there is time for, by what those cost in which one piece is there."""
    wanted, least = one.evaluations(game), one.least(game)
    if not clock.has_deadline() or wanted <= least:
        return wanted
    began, some = clock.elapsed(), np.eye(len(game.pieces), dtype=bool)[:TIMED]
    game.values(some)
    each = (clock.elapsed() - began) / len(some)
    return wanted if not each else int(np.clip(clock.left() / each, least, wanted))


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
