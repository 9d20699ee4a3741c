"""What the training loop is fed: rows as they are, fixed views of pictures by turns, or fresh views
in every epoch, made by threads while the network computes.

What is drawn hangs on a seed, the epoch and the picture (or the place of the batch), so that a run
that was killed goes on as if it had not been.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.seeds import generator
from tunesmith.nn import machine
from tunesmith.nn.augment import Recipe, View
from tunesmith.nn.batches import Rows

Mix = Literal["none", "mixup", "cutmix"]
MIXUP_ALPHA, CUTMIX_ALPHA = 0.2, 1.0
AHEAD = 3
"""Batches that are made before they are asked for."""
MOST_WORKERS = 4
PHASES = ((0.7, 1.0), (0.35, 0.75), (0.0, 0.5))
"""Of progressive resizing: from which share of the work on, which share of the side."""
Batches = Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class Given:
    """One batch: which of `rows` it is, by their places there. Where it is mixed, `partners` are
    the places within the batch of what each row was mixed with, and `share` what is left of it."""

    rows: Rows
    places: NDArray[np.int64]
    partners: NDArray[np.int64] | None = None
    share: float = 1.0


class Feed(Protocol):
    """Where batches come from."""

    def lengths(self) -> NDArray[np.int64]:
        """Of every row, by which batches of like length are drawn."""
        ...

    def epoch(self, number: int, done: float, batches: Batches) -> Iterator[Given]:
        """The batches of an epoch, given as numbers of rows; `done` is the share of the work that
        lies behind."""
        ...


@dataclass(frozen=True)
class AsTheyAre:
    """The same rows in every epoch."""

    rows: Rows

    def lengths(self) -> NDArray[np.int64]:
        return self.rows.lengths()

    def epoch(self, number: int, done: float, batches: Batches) -> Iterator[Given]:
        return (Given(self.rows, chosen) for chosen in batches)


@dataclass(frozen=True)
class ByTurns:
    """Fixed views, another one in every epoch. `rows` are the first view of every row, then the
    second of every row, and so on."""

    rows: Rows
    views: int

    def lengths(self) -> NDArray[np.int64]:
        return self.rows.lengths()[: self._each]

    @property
    def _each(self) -> int:
        return len(self.rows) // self.views

    def epoch(self, number: int, done: float, batches: Batches) -> Iterator[Given]:
        start = number % self.views * self._each
        return (Given(self.rows, start + chosen) for chosen in batches)


@dataclass(frozen=True)
class Fresh:
    """Views made anew in every epoch, mixed with each other where that is wanted. Where `sides` are
    given, small pictures come first, and those of full size last (`PHASES`)."""

    pixels: Sequence[NDArray[np.uint8]]
    dense: NDArray[np.float32]
    recipe: Recipe
    mix: Mix = "none"
    sides: tuple[int, ...] = ()

    def lengths(self) -> NDArray[np.int64]:
        return np.full(len(self.pixels), len(self.pixels[0]), dtype=np.int64)

    def epoch(self, number: int, done: float, batches: Batches) -> Iterator[Given]:
        side = side_at(self.sides, done)

        def made(place: int) -> Given:
            return self._batch(number, place, side, batches[place])

        return prefetched(made, len(batches))

    def _batch(self, epoch: int, place: int, side: int, chosen: NDArray[np.int64]) -> Given:
        views = [View(self.pixels[row], self.recipe, epoch, side).pixels() for row in chosen]
        rows, places = Rows(views, self.dense[chosen], 0), np.arange(len(chosen))
        if self.mix == "none" or len(chosen) < 2:
            return Given(rows, places)
        dice = generator(self.recipe.seed, self.mix, epoch, place)
        return mixed(rows, self.mix, dice)


def side_at(sides: Sequence[int], done: float) -> int:
    """The side of pictures after a share of the work; 0 where it is always the same. `sides` are
    those of `PHASES`."""
    return next((s for s, (start, _) in zip(sides, PHASES, strict=False) if done >= start), 0)


def sides_of(side: int, multiple: int) -> tuple[int, ...]:
    """The sides of progressive resizing that ends with this one, in the order of `PHASES`."""
    smaller = (max(1, round(share * side / multiple)) * multiple for _, share in PHASES[1:])
    return (side, *(min(side, one) for one in smaller))


def mixed(rows: Rows, mix: Mix, dice: np.random.Generator) -> Given:
    """A batch of pictures in which each is mixed with another one: by weight, or by a part of it.
    What stands beside the pictures is mixed by weight.

    Sources: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun et al.,
    "CutMix", ICCV 2019.
    """
    own = np.stack(rows.ids).astype(np.float32)
    partners, side = dice.permutation(len(own)), own.shape[1]
    others = own[partners]
    if mix == "mixup":
        share = float(dice.beta(MIXUP_ALPHA, MIXUP_ALPHA))
        own = share * own + (1 - share) * others
    else:
        half = np.sqrt(1 - dice.beta(CUTMIX_ALPHA, CUTMIX_ALPHA)) * side / 2
        middle = dice.uniform(0, side, 2)
        low, high = np.clip(np.rint([middle - half, middle + half]), 0, side).astype(int)
        part = (slice(None), slice(low[0], high[0]), slice(low[1], high[1]))
        own[part] = others[part]
        share = 1 - float(np.prod(high - low)) / side**2
    dense = share * rows.dense + np.float32(1 - share) * rows.dense[partners]
    pixels = np.rint(own).astype(np.uint8)
    made = replace(rows, ids=list(pixels), dense=dense.astype(np.float32))
    return Given(made, np.arange(len(own)), partners, share)


def prefetched(make: Callable[[int], Any], count: int, workers: int = 0) -> Iterator[Any]:
    """What `make` makes of 0, 1, … in order, some of it before it is asked for, by threads; they
    end when nobody asks any more."""
    workers = workers or min(MOST_WORKERS, machine.cores())
    waiting: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(workers, "views")
    try:
        for number in range(count):
            waiting.append(pool.submit(make, number))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
