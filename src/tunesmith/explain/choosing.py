"""One explanation of a row, and which method gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError, did_you_mean
from tunesmith.core.explaining import HEATS, Credits, Explainer, Game
from tunesmith.explain import faithfulness
from tunesmith.explain._shelf import explainers
from tunesmith.explain.faithfulness import Curves

AUTO = "auto"
SHAP = "shap"
OF_CONTENTS = ("lime", "partition-shap", "grad-cam", "integrated-gradients", "occlusion")
OF_CELLS = ("tree", "permutation-shap", "lime", "occlusion")
"""What `auto` looks at, in the order in which it takes equals: of texts and pictures, and of
tables. Half a text is hardly a phrase and half a picture no part of what it shows, and what a piece
gets by halves rests on a few coalitions, by `lime` on all."""
TESTED_SHARE = 0.25
"""Of the time, what random orders may take at most."""
TESTED_TYPICAL = 8
"""Typical rows of the test: a third of those that credits are told by, since the mean over steps
and orders evens out what single cells do."""
WORKED_SHARE = 0.85
"""Of the time that is left, what is planned: a guess of what an evaluation costs may be short."""
DIGITS, COARSE_SHARE = 9, 0.5
MUCH_LESS = 0.1
"""Share of the best gain by which another may be less however few rows there are to tell."""
EQUAL = 0.01
"""Share of the best gain by which another may be less and count as equal."""
DEEPER = 1.3
"""Times as many coalitions as before, for which it is worth explaining a row once more."""
LEAST_SECONDS, MOST_SECONDS = 0.25, 60.0
"""That networks have where the time is over before any method has said a word: twice as long, and
again, where that is too short, up to about the most."""
EACH_AT_LEAST = 1e-6
"""Seconds of an evaluation."""
EXACT_PIECES = 11
"""Up to so many pieces all coalitions are seen for the price of ten permutations."""


@dataclass(frozen=True)
class Tried:
    """What one method said of a row. `gain` as of `Curves`."""

    method: str
    credits: Credits
    curves: Curves
    seconds: float
    evaluations: int = 0

    @property
    def gain(self) -> float:
        return self.curves.gain

    @property
    def is_coarse(self) -> bool:
        """Whether most of the credit lies with pieces that have the very same as others, as where
        halves were not halved any further. The steps of the test are too wide to tell these from
        credit of single pieces."""
        sizes = np.abs(self.credits.credits)
        _, which, counts = np.unique(
            np.round(sizes / (sizes.max(initial=0.0) or 1.0), DIGITS),
            return_inverse=True,
            return_counts=True,
        )
        return bool(sizes[counts[which] > 1].sum() > COARSE_SHARE * sizes.sum())


@dataclass(frozen=True)
class Chosen:
    """The explanation of a row, beside what else was tried, and why it was not."""

    best: Tried
    tried: tuple[Tried, ...]
    refused: dict[str, str]
    random: NDArray[np.float64]


def names_for(method: str, game: Game) -> tuple[str, ...]:
    """The explainers that a method's name stands for: `auto` for all that suit, `shap` for the one
    of that kind that suits best.

    Raises:
        ConfigError: There is no such method.
    """
    is_cut = any(piece.place for piece in game.pieces)
    if method == AUTO:
        return OF_CONTENTS if is_cut else OF_CELLS
    if method == SHAP:
        few = len(game.pieces) <= EXACT_PIECES
        return ("kernel-shap",) if few else ("partition-shap" if is_cut else "permutation-shap",)
    if method not in explainers:
        known = [AUTO, SHAP, *explainers]
        raise ConfigError(
            f"There is no way to explain named {method!r}.{did_you_mean(method, known)}"
        )
    return (method,)


def why_not(explainer: Explainer, game: Game) -> str:
    """Why an explainer cannot be used on this row; empty where it can."""
    for package in sorted(explainer.packages(game)):
        if find_spec(package) is None:
            return f"{package} is not installed: pip install 'tunesmith[explain]'"
    return explainer.suits(game)


def explained(game: Game, names: Sequence[str], *, seed: int, clock: Clock) -> Chosen:
    """Explain a row by each of some methods, as far as the time goes, test what they say, and take
    the one whose order does best.

    Raises:
        ConfigError: None of them can explain this row; says why of each.
    """
    refused: dict[str, str] = {}
    left = []
    for name in names:
        why = (
            why_not(explainers[name], game) if name in explainers else "there is no such explainer"
        )
        if why:
            refused[name] = why
        else:
            left.append(name)
    tested = game.thinned(TESTED_TYPICAL)
    random, each = _random(tested, seed, clock)
    each *= len(game.background) / max(1, len(tested.background))
    found: list[Tried] = []
    late: list[str] = []
    for place, name in enumerate(left):
        most = _share(game, clock, each, len(left) - place)
        if found and most < explainers[name].least(game):
            refused[name] = "there was no time for it"
            continue
        try:
            until = Clock(WORKED_SHARE * clock.left() / (len(left) - place))
            found.append(_tried(game, name, seed=seed, clock=clock, most=most, until=until))
        except BudgetError as error:
            refused[name] = str(error)
            late.append(name)
    if not found and late:
        found = [_patient(game, late[0], seed=seed, clock=clock)]
        del refused[late[0]]
    if not found:
        told = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise ConfigError(f"This row cannot be explained so. {told}.")
    best = found[preferred([[one] for one in found])]
    return deepened(game, Chosen(best, tuple(found), refused, random), seed=seed, clock=clock)


def preferred(tried: Sequence[Sequence[Tried]]) -> int:
    """The place of the method that counts as the best, of what each said of the same rows. Of those
    whose gain cannot be told from the best one, and is not much less, the first that tells pieces
    apart, since they stand in the order in which equals are taken. A gain that is no number is
    the worst; the first method where no other is known of any."""
    gains = [[one.gain for one in rows] for rows in tried]
    means = np.mean(gains, axis=1)
    if not np.isfinite(means).any():
        return 0
    means = np.where(np.isfinite(means), means, -inf)
    least = means.max() - MUCH_LESS * abs(means.max())
    equals = [place for place in rivals(gains) if means[place] >= least]
    fine = [place for place in equals if not any(one.is_coarse for one in tried[place])]
    return (fine or equals)[0]


def rivals(gains: Sequence[Sequence[float]]) -> list[int]:
    """The places of the methods whose mean gain, of several rows each, is as good as the best one,
    or within what it changes from row to row (paired, 95 %); of one whose gain is no number
    nothing is known, and it is none."""
    from scipy.stats import t

    each = np.array(gains, dtype=np.float64)
    means = each.mean(axis=1)
    best = each[int(np.where(np.isfinite(means), means, -inf).argmax())]
    lacks, rows = best - each, each.shape[1]
    room = np.full(len(each), EQUAL * abs(best.mean()))
    if rows > 1:
        spread = lacks.std(axis=1, ddof=1) / np.sqrt(rows)
        room = np.maximum(room, float(t.ppf(0.95, rows - 1)) * spread)
    return [int(place) for place in np.flatnonzero(lacks.mean(axis=1) <= room)]


def deepened(game: Game, chosen: Chosen, *, seed: int, clock: Clock) -> Chosen:
    """The same with the best explained once more in the time that is left, where it saw fewer
    coalitions than it wanted while others had their turn: those that it saw cost nothing now. The
    one of the two that tests better stays."""
    best = chosen.best
    explainer = explainers[best.method]
    if best.method in HEATS or best.evaluations >= explainer.evaluations(game):
        return chosen
    tests = 2 * len(faithfulness.sizes(len(game.pieces)))
    each = best.seconds / (best.evaluations + tests)  # those that were known make it look cheaper
    most = best.evaluations + WORKED_SHARE * clock.left() / max(each, EACH_AT_LEAST) - tests
    if most < DEEPER * best.evaluations:
        return chosen
    try:
        found = _tried(game, best.method, seed=seed, clock=clock, most=most, until=clock)
    except BudgetError:
        return chosen
    whole = replace(found, seconds=best.seconds + found.seconds)
    if whole.gain < best.gain or not isfinite(whole.gain):
        return chosen
    others = tuple(whole if one is best else one for one in chosen.tried)
    return Chosen(whole, others, chosen.refused, chosen.random)


def _random(game: Game, seed: int, clock: Clock) -> tuple[NDArray[np.float64], float]:
    """What random orders are answered, as many as there is time for but one at least, and the
    seconds of an evaluation."""
    began, of_an_order = clock.elapsed(), 2 * len(faithfulness.sizes(len(game.pieces)))
    random = faithfulness.random_values(game, seed, 1)
    each = (clock.elapsed() - began) / of_an_order
    may = TESTED_SHARE * clock.left()
    more = (
        faithfulness.RANDOM_ORDERS if not isfinite(may) or not each else may / (each * of_an_order)
    )
    orders = min(faithfulness.RANDOM_ORDERS, 1 + int(more))
    return faithfulness.random_values(game, seed, orders) if orders > 1 else random, each


def _share(game: Game, clock: Clock, each: float, methods: int) -> float:
    """How many evaluations the next of so many methods may spend, its test taken off."""
    if not clock.has_deadline() or not each:
        return inf
    tests = 2 * len(faithfulness.sizes(len(game.pieces)))
    return WORKED_SHARE * clock.left() / each / methods - tests


def _patient(game: Game, name: str, *, seed: int, clock: Clock) -> Tried:
    """What a method of networks says in the time of its least, where there was not that much: an
    answer that is late is worth more than none."""
    seconds = LEAST_SECONDS
    while True:
        try:
            until = Clock(seconds)
            return _tried(game, name, seed=seed, clock=clock, most=0, until=until)
        except BudgetError:
            if seconds > MOST_SECONDS:
                raise
            seconds *= 2


def _tried(
    game: Game,
    name: str,
    *,
    seed: int,
    clock: Clock,
    most: float,
    until: Clock,
) -> Tried:
    """What a method says, by at most so many evaluations. Networks are not counted in these: they
    are given a clock of their own."""
    explainer, began = explainers[name], clock.elapsed()
    wanted = explainer.evaluations(game)
    evaluations = max(explainer.least(game), int(min(wanted, most)))
    own = until if name in HEATS else Clock()
    credits = explainer.explain(game, seed=seed, clock=own, evaluations=evaluations)
    curves = faithfulness.curves(game.thinned(TESTED_TYPICAL), credits.credits)
    return Tried(name, credits, curves, clock.elapsed() - began, evaluations)
