"""The course of a network on a table of numbers: it ends by the clock, by its epochs, or once the
valid rows gain no more, and keeps its best weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError, TunesmithError
from tunesmith.learners._pace import LEAST_EPOCHS, Pace
from tunesmith.nn.optim import factor

if TYPE_CHECKING:
    from torch import nn

    from tunesmith.nn.loop import Settings, Step


WARMUP = 0.06
"""Share of the course in which the learning rate of a head on known numbers rises."""


def settings(
    truth: NDArray[Any],
    classes: int,
    weights: NDArray[np.float64] | None,
    batch_size: int,
    pace: Pace,
) -> Settings:
    """What the loop is told of a head on known numbers: plain losses of rows that count as their
    `weights` say, a rate that falls as a cosine, fp32."""
    from tunesmith.nn.loop import Settings

    return Settings(
        truth=truth,
        classes=classes,
        batch_size=batch_size,
        smoothing=0.0,
        class_weights=None,
        row_weights=weights,
        clip=1.0,
        rate=lambda progress: factor("cosine", progress, WARMUP),
        progress=pace.progress,
        micro_batch=batch_size,
        precision="fp32",
    )


class Keeper(Protocol):
    """Who keeps a course, so that it can go on."""

    def take(self, best: Best) -> bool:
        """Give the best weights of a course that was cut short; whether there was one."""

    def note(self, step: Step, best: Best, score: float, share: float, *, must: bool) -> None:
        """After a look; it `must` be kept where the course ends here for now."""


def taken(
    network: nn.Module,
    steps: Iterator[Step],
    look: Callable[[], float],
    pace: Pace,
    watch: Watch,
    *,
    epochs: int,
    stop_after: float,
    patience: int,
    lr: float,
    begins_well: bool = False,
    keeper: Keeper | None = None,
) -> tuple[int, float]:
    """Draw steps until the course ends; the network then has its best weights. `look` scores it on
    the valid rows (not where patience is 0), where it `begins_well` before the first step too.
    Gives the epochs of the schedule, 0 where it was best at first, and after how many of them the
    best weights came. A `keeper` keeps the state after each look, and knows that of a course which
    was cut short.

    Raises:
        BudgetError: There is no time for the least of training.
        TunesmithError: The loss is not finite.
    """
    best = Best(network)
    is_finite = True
    goes_on = keeper is not None and keeper.take(best)
    if begins_well and patience and not goes_on:
        best.gains(look(), 0.0, 0.0, patience)
    for step in steps:
        pace.measure(step.number)
        is_finite = math.isfinite(step.loss)
        is_over = pace.is_done(step) or not is_finite
        if is_over and is_finite and step.epoch < LEAST_EPOCHS:
            raise BudgetError(
                f"only {step.epoch:.0%} of an epoch fitted into the time, and "
                f"{watch.clock.left():.0f} s are left"
            )
        if patience and is_finite and (is_over or step.ends_epoch):
            progress = pace.progress(step.number)
            score = look()
            is_over |= not best.gains(score, step.epoch, progress, patience)
            may_go_on = watch.report(score, min(1.0, progress))
            if keeper is not None and not is_over:
                keeper.note(step, best, score, min(1.0, progress), must=not may_go_on)
            is_over |= not may_go_on
        if is_over:
            break
    if not (is_finite or best.epochs):
        raise TunesmithError(
            f"it diverged: the loss is not finite; the learning rate of {lr:g} may be too high"
        )
    best.restore()
    return best.course() if patience else (epochs, stop_after)


KEPT = ("_score", "_waits", "_progress", "epochs")


class Best:
    """The best weights seen so far."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._state: dict[str, Any] = {}
        self._score, self._waits, self._progress = float("-inf"), 0, 0.0
        self.epochs = 0.0

    def gains(self, score: float, epochs: float, progress: float, patience: int) -> bool:
        """Keep the weights as they are if they are the best; whether it is worth going on."""
        self._waits += 1
        if score > self._score:
            self._score, self._waits = score, 0
            self.epochs, self._progress = epochs, progress
            state = self._network.state_dict()
            self._state = {name: tensor.detach().clone() for name, tensor in state.items()}
        return self._waits < patience

    def course(self) -> tuple[int, float]:
        """Epochs of the schedule that led to the best weights, and after how many they came."""
        if not self.epochs:
            return int(not self._state), 0.0
        return max(1, round(self.epochs / min(1.0, self._progress))), self.epochs

    def tensors(self) -> dict[str, Any]:
        """The weights that it holds, to be kept with `facts`."""
        return dict(self._state)

    def facts(self) -> dict[str, Any]:
        """What it knows of them."""
        return {name: getattr(self, name) for name in KEPT}

    def take(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Be as when `tensors` and `facts` were given."""
        for name in KEPT:
            setattr(self, name, facts[name])
        self._state = dict(tensors)

    def restore(self) -> None:
        if self._state:
            self._network.load_state_dict(self._state)
