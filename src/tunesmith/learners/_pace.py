"""What fine-tuning does about time: a look ahead before it starts, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.seeds import generator
from tunesmith.nn.neck_kinds import Neck
from tunesmith.zoo.backbones import Backbone

if TYPE_CHECKING:
    from tunesmith.nn.loop import Step

WARM_STEPS = 1
MEASURED_STEPS = 3
LEAST_EPOCHS = 0.5
SAVE_SECONDS = 1.0
TIMED_ROWS = 24
LOOK_SLACK = 1.3


def forward_seconds(
    base: Backbone, texts: list[str], length: int, watch: Watch, seed: int
) -> float:
    """About how long one row takes to be tokenised and answered, timed on a few; 0 where no
    deadline is."""
    if not watch.clock.has_deadline():
        return 0.0
    from tunesmith.nn.features import embed

    drawn = generator(seed, "timing").permutation(len(texts))[: 2 * TIMED_ROWS]
    warm, timed = ([texts[row] for row in part] for part in (drawn[::2], drawn[1::2]))
    embed(base.encoder, base.reader.rows(warm, length, remember=False))
    began = watch.clock.elapsed()
    embed(base.encoder, base.reader.rows(timed, length, remember=False))
    return (watch.clock.elapsed() - began) / max(1, len(timed))


def neck_seconds(
    neck: Neck, base: Backbone, ids: Sequence[NDArray[Any]], length: int, watch: Watch
) -> float:
    """About how long a neck takes over the vectors of one row of the usual length, timed on a few
    rows of random ones; 0 where there is none, or no deadline is."""
    shape = neck.shape()
    if not shape or not watch.clock.has_deadline():
        return 0.0
    import torch

    from tunesmith.nn import devices, necks

    encoder = base.encoder
    if base.reader.kind == "image":
        left = torch.zeros(TIMED_ROWS, *encoder.shape_at(len(encoder.blocks), length))
        vectors, axes = encoder.grid(left), 2
    else:
        tokens = round(float(np.mean([len(one) for one in ids])))
        vectors, axes = torch.zeros(TIMED_ROWS, max(1, tokens), encoder.width), 1
    made = necks.neck(shape["neck"], encoder.width, shape["neck_width"], axes)
    assert made is not None
    made, vectors = made.to(devices.device()), vectors.to(devices.device())
    with torch.no_grad(), devices.autocast(devices.precision()):
        made(vectors).flatten()[0].item()  # waits for the device
        began = watch.clock.elapsed()
        made(vectors).flatten()[0].item()
    return (watch.clock.elapsed() - began) / TIMED_ROWS


def look_seconds(answer: Callable[[Dataset], object], valid: Dataset, watch: Watch) -> float:
    """How long one validation row takes to be answered, timed on a few; 0 where no deadline is."""
    if not watch.clock.has_deadline():
        return 0.0
    few = valid.take(np.arange(min(TIMED_ROWS, len(valid))))
    answer(few)
    began = watch.clock.elapsed()
    answer(few)
    return (watch.clock.elapsed() - began) / max(1, len(few))


def refuse_too_slow(
    problem: Problem, forward: float, *, neck: float, trained: float, new: int | None, watch: Watch
) -> None:
    """Look ahead: `forward` is the time of one row through the whole encoder and `neck` through the
    neck, which trains, `trained` the share of the encoder that does, `new` how many rows are to be
    run once through the share below and stored (None where that is done again in every step).

    Raises:
        BudgetError: Not even the least that has to be done fits: the least of an epoch, with one
            pass over the valid rows and one over the test rows.
    """
    rows = {name: len(part) for name, part in problem.parts.items()}
    looked = rows["valid"] + rows["test"]
    if new is None:
        passes = (1 + 2 * trained) * LEAST_EPOCHS * rows["train"] + looked
    else:
        above = 3 * LEAST_EPOCHS * rows["train"] + rows["valid"]
        passes = (1 - trained) * new + trained * above + rows["test"]
    seconds = forward * passes + neck * (3 * LEAST_EPOCHS * rows["train"] + looked)
    if seconds > watch.clock.left():
        raise BudgetError(
            f"{rows['train']:,} training rows take about {seconds:.0f} s for the least "
            f"of training and one look, and {watch.clock.left():.0f} s are left"
        )


class Pace:
    """How far the work is: by steps, or by time where that runs out first. `after_seconds` are set
    aside for the last look at the valid rows and for the test rows."""

    def __init__(
        self,
        steps_per_epoch: int,
        epochs: int,
        stop_after: float,
        after_seconds: float,
        watch: Watch,
    ) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.steps = steps_per_epoch * epochs
        self._stop_after = stop_after or float("inf")
        self._clock = watch.clock
        self._began = watch.clock.elapsed()
        self._allotted = watch.clock.left() - SAVE_SECONDS - LOOK_SLACK * after_seconds
        self._warm = 0.0

    def is_done(self, step: Step) -> bool:
        """Whether nothing is left to do."""
        return self.progress(step.number) >= 1 or step.epoch >= self._stop_after

    def progress(self, number: int) -> float:
        """Share of the work done after so many steps, in [0, 1] and over."""
        done = number / self.steps
        if not self._clock.has_deadline():
            return done
        spent = self._clock.elapsed() - self._began
        return max(done, spent / max(self._allotted, 1e-3))

    def measure(self, number: int) -> None:
        """After a few steps: whether it is worth going on.

        Raises:
            BudgetError: Not even half an epoch fits.
        """
        if not self._clock.has_deadline():
            return
        if number == min(WARM_STEPS, self.steps):
            self._warm = self._clock.elapsed()
        if number != WARM_STEPS + MEASURED_STEPS:
            return
        seconds = (self._clock.elapsed() - self._warm) / MEASURED_STEPS
        epoch = seconds * self.steps_per_epoch
        if self._allotted < LEAST_EPOCHS * epoch:
            raise BudgetError(
                f"an epoch takes about {epoch:.0f} s and {max(0.0, self._allotted):.0f} s are left"
            )
