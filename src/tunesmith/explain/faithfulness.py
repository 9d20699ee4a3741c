"""Whether an explanation is true of the model: what happens when pieces go in its order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.explaining import Game
from tunesmith.core.explanations import Faithfulness

STEPS = 8
"""Points of a curve, beside its two ends."""
RANDOM_ORDERS = 5
"""Each is gone through forwards and backwards."""
LEVEL = 0.95


@dataclass(frozen=True)
class Curves:
    """The explained number as pieces go, those with most credit first (`deletion`), and as they
    come (`insertion`), at the same `shares` of the pieces gone or come. Each of shape (steps + 2,).

    Source: Petsiuk, Das & Saenko, "RISE", BMVC 2018.
    """

    shares: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def gain(self) -> float:
        """How much sooner the answer falls and rises than by a random order: half of the area
        between the curves, in units of the explained number. A random order and the same one
        backwards cancel, so that its expected gain is 0 whatever the model."""
        return float(np.trapezoid(self.insertion - self.deletion, self.shares)) / 2


def sizes(pieces: int) -> NDArray[np.int64]:
    """How many pieces are there at each step, from none to all."""
    return np.unique(np.linspace(0, pieces, min(pieces, STEPS + 1) + 1).round().astype(np.int64))


def random_values(game: Game, seed: int, orders: int = RANDOM_ORDERS) -> NDArray[np.float64]:
    """The explained number with so many pieces there, in random orders and in the same ones
    backwards, shape (orders, 2, sizes). The first of more orders are those of fewer."""
    dice, count = np.random.default_rng(seed), len(game.pieces)
    steps = sizes(count)
    ranks = np.stack([dice.permutation(count) for _ in range(orders)])
    both = np.stack([ranks, count - 1 - ranks], axis=1)
    present = both[..., None, :] < steps[:, None]
    return game.values(present.reshape(-1, count)).reshape(orders, 2, len(steps))


def curves(game: Game, credits: NDArray[np.float64]) -> Curves:
    """The curves of one explanation."""
    count = len(credits)
    steps, ranks = sizes(count), np.empty(count, dtype=np.int64)
    ranks[np.argsort(-credits, kind="stable")] = np.arange(count)
    come = ranks[None, :] < steps[:, None]
    gone = ranks[None, :] >= steps[:, None]
    values = game.values(np.concatenate([come, gone]))
    return Curves(steps / count, values[len(steps) :], values[: len(steps)])


def of_one(found: Curves, random: NDArray[np.float64]) -> Faithfulness:
    """What is known of a single explanation: it counts as better where its gain is above what
    single random orders come to by chance, whose spread is known from a few (Student's t)."""
    from scipy.stats import t

    areas = np.asarray(np.trapezoid(random, found.shares, axis=2))
    chance = (areas[:, 0] - areas[:, 1]) / 2
    room = float(t.ppf((1 + LEVEL) / 2, len(chance)) * np.sqrt(np.mean(chance**2)))
    return Faithfulness(found.gain, found.gain - room, found.gain + room, 1)


def of_many(gains: NDArray[np.float64], seed: int, resamples: int = 1_000) -> Faithfulness:
    """The mean gain of several explanations, with a bootstrap interval over the rows."""
    dice = np.random.default_rng(seed)
    drawn = gains[dice.integers(0, len(gains), (resamples, len(gains)))].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Faithfulness(float(gains.mean()), float(low), float(high), len(gains))
