"""What the ways to Shapley values share: the package shap over a game of pieces."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, need
from tunesmith.core.explaining import Credits, Game

Values = Callable[[NDArray[Any]], NDArray[np.float64]]


def library() -> Any:
    """The package shap, without what it says of matplotlib's future while it is loaded."""
    with warnings.catch_warnings(), _uncompiled():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return need("shap", extra="explain")


@contextmanager
def _uncompiled() -> Iterator[None]:
    """What is loaded meanwhile for the first time runs without numba's compiler: that takes 3.5 to
    4 s of a process for each kind of explainer, and makes rows of up to 128 pieces no quicker."""
    if "shap" in sys.modules:
        yield
        return
    settings = need("numba", extra="explain").config
    before = settings.DISABLE_JIT
    settings.DISABLE_JIT = True
    try:
        yield
    finally:
        settings.DISABLE_JIT = before


def answers(game: Game, clock: Clock) -> Values:
    """The game as shap asks it: numbers of 0 and 1, shape (coalitions, pieces).

    Raises:
        BudgetError: From within, once the clock is over.
    """

    def values(masks: NDArray[Any]) -> NDArray[np.float64]:
        if clock.is_over():
            raise BudgetError("The time for this explanation is over.")
        return game.values(np.asarray(masks) > 0.5)

    return values


def ends(game: Game) -> tuple[float, float]:
    """What is answered with no piece there, and with all."""
    both = np.array([[False], [True]]).repeat(len(game.pieces), axis=1)
    none, whole = game.values(both)
    return float(none), float(whole)


def of_one(game: Game) -> Credits:
    """Of a row of a single piece there is nothing to share out."""
    none, whole = ends(game)
    return Credits(np.array([whole - none]), none)


@contextmanager
def drawn_by(seed: int) -> Iterator[None]:
    """Draw by a seed what the package draws from numpy's global generator, which is left as it
    was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def one_row(game: Game) -> NDArray[np.float64]:
    return np.ones((1, len(game.pieces)))


def no_row(game: Game) -> NDArray[np.float64]:
    return np.zeros((1, len(game.pieces)))
