"""Differentiable search of a cell: weights and options are learned by turns from two halves of the
rows, the least options fall away by stages, and what is left is chosen by what its going costs.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn import heads
from tunesmith.nn.supernet import IN, OUT, READS, Supernet
from tunesmith.nn.tabular import Table

WARMUP = 0.3
"""Share of the steps in which weights alone are learned: at first all options are equally bad, and
those without weights look best."""
STAGES = (0.5, 0.65, 0.8)
"""When the least option of every choice that has more than two falls away."""
SKIP_DROP = 0.3
"""Share of what a skip carries that is dropped at first; it falls to none by the last stage."""
ALPHA_LR, ALPHA_DECAY = 0.03, 1e-3
MOST_ASKED = 1024
"""Rows on which it is looked what the going of an option costs."""
SETTLING = 0.25
"""Of the steps so far, how many more there are for the weights to get used to what is chosen."""
LEARNED = 1 / (1 + SETTLING)
"""Of the whole work, the share that is done when the choosing begins."""
NOTES = 20
"""So many times the weights of the options are told on the way."""
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Lesson:
    """Rows and their truth, where the network is; `classes` is 0 for numbers, `counts` say how much
    each row counts."""

    table: Table
    truth: torch.Tensor
    classes: int
    counts: torch.Tensor | None = None

    def loss(self, network: Supernet, rows: torch.Tensor) -> torch.Tensor:
        """The mean loss of some rows."""
        logits = network(*self.table.take(rows))[:, 0].float()
        counts = None if self.counts is None else self.counts[rows]
        return heads.loss(
            logits,
            self.truth[rows],
            classes=self.classes,
            smoothing=0.0,
            weights=None,
            row_weights=counts,
        )


@dataclass(frozen=True)
class Pacing:
    """How the search is paced: rows a step, the peak learning rate of the weights, their decay, and
    the share of the work done after so many steps, which may follow the time."""

    batch_size: int
    lr: float
    weight_decay: float
    progress: Callable[[int], float]


@dataclass(frozen=True)
class Note:
    """How much each option that is left counts by then."""

    progress: float
    weights: Mapping[str, Mapping[str, float]]


def search(
    network: Supernet,
    lesson: Lesson,
    teach: Numbers,
    ask: Numbers,
    pacing: Pacing,
    generator: np.random.Generator,
) -> Iterator[Note]:
    """Learn the network in place until one option of each choice is left. Weights learn from the
    rows `teach`, the weights of options from `ask`, by gradients of first order.

    Sources: Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019; a skip's advantage
    dropped out and stages: Chen et al., "Progressive Differentiable Architecture Search", ICCV
    2019, section 3; the choice at the end: Wang et al., "Rethinking Architecture Selection in
    Differentiable NAS", ICLR 2021, algorithm 1.
    """
    learning = _Learning(network, lesson, pacing, generator)
    stages, told, number = list(STAGES), 0, 0
    batches, asked = learning.batches(teach), learning.batches(ask)
    while (progress := pacing.progress(number)) < 1:
        network.skip_drop.p = SKIP_DROP * max(0.0, 1 - progress / STAGES[-1])
        if progress * NOTES >= told:
            told = int(progress * NOTES) + 1
            yield Note(LEARNED * progress, network.weights())
        if progress >= WARMUP:
            learning.step_options(next(asked))
        learning.step_weights(next(batches), progress)
        number += 1
        while stages and pacing.progress(number) >= stages[0]:
            stages.pop(0)
            shrink(network)
    network.skip_drop.p = 0.0
    choices = [str(one) for one in generator.permutation(list(network.options))]
    looked = generator.permutation(ask)[:MOST_ASKED]
    ends = np.linspace(0, SETTLING * number, len(choices) + 1).round().astype(int)
    for place, (choice, steps) in enumerate(zip(choices, np.diff(ends), strict=True), start=1):
        select(network, choice, lesson, looked)
        for _ in range(steps):
            learning.step_weights(next(batches), 1.0)
        chosen = place / len(choices)
        yield Note(LEARNED * (1 - chosen) + chosen, network.weights())


def shrink(network: Supernet) -> None:
    """Drop the least option of every choice that has more than two left."""
    for choice, weights in network.weights().items():
        if len(weights) > 2:
            network.drop_option(choice, min(weights, key=lambda name: weights[name]))


@torch.no_grad()
def select(network: Supernet, choice: str, lesson: Lesson, ask: Numbers) -> None:
    """Leave the one option of a choice whose going would cost most. A vector is left out where the
    loss is no greater without it; one of them stays."""
    left = network.left[choice]
    if len(left) < 2:
        return
    network.eval()
    rows = torch.from_numpy(ask).to(lesson.truth.device)
    costs = {}
    for option in left:
        with network.without(choice, option):
            costs[option] = float(lesson.loss(network, rows))
    kept = max(costs, key=lambda name: costs[name])
    if choice.startswith(READS) and kept == OUT:
        others = [one for one in network.options if one.startswith(READS) and one != choice]
        kept = OUT if any(IN in network.left[one] for one in others) else IN
    for option in [name for name in left if name != kept]:
        network.drop_option(choice, option)


class _Learning:
    """Both optimisers, and the batches."""

    def __init__(
        self, network: Supernet, lesson: Lesson, pacing: Pacing, generator: np.random.Generator
    ) -> None:
        self._network, self._lesson, self._pacing = network, lesson, pacing
        self._generator = generator
        self._own = list(network.of_weights())
        self._of_weights = torch.optim.AdamW(
            self._own, lr=pacing.lr, weight_decay=pacing.weight_decay, fused=True
        )
        self._of_options = torch.optim.Adam(
            network.alphas, lr=ALPHA_LR, betas=(0.5, 0.999), weight_decay=ALPHA_DECAY
        )

    def batches(self, rows: Numbers) -> Iterator[torch.Tensor]:
        """Batches of these rows without end, as good as equally large."""
        device = self._lesson.truth.device
        while True:
            order = torch.from_numpy(self._generator.permutation(rows)).to(device)
            count = max(1, round(len(rows) / self._pacing.batch_size))
            yield from torch.tensor_split(order, count)

    def step_weights(self, rows: torch.Tensor, progress: float) -> None:
        share = 0.5 * (1 + np.cos(np.pi * min(1.0, progress)))
        for group in self._of_weights.param_groups:
            group["lr"] = self._pacing.lr * max(0.05, share)
        self._network.train()
        self._of_weights.zero_grad(set_to_none=True)
        self._network.alphas.requires_grad_(False)
        self._lesson.loss(self._network, rows).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._own, 1.0)
        self._of_weights.step()

    def step_options(self, rows: torch.Tensor) -> None:
        self._network.train()
        self._of_options.zero_grad(set_to_none=True)
        self._network.alphas.requires_grad_(True)
        loss = self._lesson.loss(self._network, rows)
        loss.backward(inputs=list(self._network.alphas))  # type: ignore[no-untyped-call]
        self._of_options.step()
