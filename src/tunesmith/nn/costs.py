"""What a network costs on this machine, measured in a few steps: time, memory, disk.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import copy
import functools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch

from tunesmith.nn.batches import Rows, collate
from tunesmith.nn.devices import autocast, computing_with, precision
from tunesmith.nn.encoder import Encoder
from tunesmith.nn.tokens import Tokens

BATCH = 32
TIMED = 16
"""Rows that are timed: fewer than a batch has, as many as keep the cores busy."""
AROUND = 1.1
"""What a loop takes for each second of its bare steps: rows brought together, padding, answers
written down. Measured."""
ROUNDS, MOST_ROUNDS = 2, 9
LONG_SECONDS = 0.1
"""What is timed takes about so long in all: short steps wobble more, and are timed more often."""
FORWARD_AND_BACK = 3
"""What the stem takes to train, of what it takes to answer, beside its tables."""
PART_OF_TABLE = 2**24
"""Numbers, 64 MB: of less, caches hold a part, and memory is not asked for anew in each step."""
TABLE_WIDTH = 512
STATE_BYTES = 2
KEPT_PER_TOKEN = 34
"""Numbers of the width that one block keeps for its gradient, for each token.

Source: Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models", MLSys
2023, equation 1: 34 bytes at two bytes a number, less dropout; doubled here as half of it is fp32.
"""
BYTES_OF_TRAINED = 16
"""A weight, its gradient and two moments of Adam, four bytes each."""


@dataclass(frozen=True)
class Costs:
    """Seconds for one row of the usual length: `stem` and `block` to answer, `train_stem` and
    `train_block` for a training step's share of a row. Bytes of the weights, of a block's weights,
    of a row's token vectors on the disk."""

    blocks: int
    stem_seconds: float
    block_seconds: float
    train_stem_seconds: float
    train_block_seconds: float
    weight_bytes: int
    block_bytes: int
    row_tokens: float
    width: int

    @property
    def work(self) -> int:
        """What a token costs by the shape alone, to sort by."""
        return self.blocks * self.width**2

    @property
    def row_bytes(self) -> float:
        """Bytes that one row takes in the activation store, at one cut."""
        return self.row_tokens * self.width * STATE_BYTES

    def stored_bytes(self, trained: int) -> float:
        """Bytes that one row takes there where so many top blocks train."""
        return self.row_bytes if trained < self.blocks else 0.0

    def read_seconds(self, rows: int, *, start: int = 0, stop: int | None = None) -> float:
        """To run rows through blocks start..stop, the stem too where they start there."""
        count = (self.blocks if stop is None else stop) - start
        return rows * (count * self.block_seconds + (0 if start else self.stem_seconds))

    def read_at(self, row_seconds: float) -> Costs:
        """The same where running a row through all of it takes so long."""
        ratio = row_seconds / self.read_seconds(1)
        stem, block = ratio * self.stem_seconds, ratio * self.block_seconds
        return replace(self, stem_seconds=stem, block_seconds=block)

    def train_seconds(self, rows: int, trained: int, epochs: float, *, stored: bool) -> float:
        """To train so many top blocks over the rows. From the store the frozen blocks run once,
        else in every epoch; where all train, the stem trains too."""
        if trained == self.blocks:
            each = self.train_stem_seconds + self.blocks * self.train_block_seconds
            return epochs * rows * each
        frozen = self.read_seconds(rows, stop=self.blocks - trained)
        return epochs * rows * trained * self.train_block_seconds + frozen * (
            1 if stored else epochs
        )

    def memory_bytes(self, trained: int) -> int:
        """Of training so many blocks: weights, what the optimiser holds and the gradient needs."""
        whole = trained == self.blocks
        own = self.weight_bytes if whole else trained * self.block_bytes
        kept = BATCH * self.row_tokens * self.width * KEPT_PER_TOKEN * 2 * trained
        return int(self.weight_bytes + own / 4 * BYTES_OF_TRAINED + kept)


def measure(encoder: Encoder, ids: Sequence[Tokens], threads: int | None = None) -> Costs:
    """Time a few steps of one block and of the stem on the rows nearest to the mean length; the
    other blocks are alike. A second or two for a small network. With so many `threads`, where
    others than this process will compute; by default with all that this one has."""
    with computing_with(threads):
        return _measured(encoder, ids)


def _measured(encoder: Encoder, ids: Sequence[Tokens]) -> Costs:
    lengths = np.array([len(one) for one in ids])
    near = np.argsort(np.abs(lengths - lengths.mean()), kind="stable")[:TIMED]
    chosen = [ids[i] for i in near]
    rows = Rows(chosen, np.empty((len(chosen), 0), dtype=np.float32), encoder.pad_id)
    device = next(encoder.parameters()).device
    batch = collate(rows, np.arange(len(chosen)), device)
    mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
    trained = _with_own_block(encoder)
    share = AROUND * float(lengths.mean() / max(1.0, lengths[near].mean()) / len(chosen))

    def stem() -> Any:
        return encoder.stem(batch.ids, mask)

    with torch.no_grad(), autocast():
        hidden = stem()
        context = encoder.context(hidden, mask)

    def block() -> Any:
        return encoder.run(hidden, context, 0, 1)

    def train_block() -> Any:
        return trained.run(hidden.detach().requires_grad_(True), context, 0, 1)

    above = list(trained.blocks[0].parameters())
    inside = {id(p) for one in encoder.blocks for p in one.parameters()}
    below = sum(p.numel() for p in encoder.parameters() if id(p) not in inside)
    stem_seconds = _timed(lambda: _answer(stem))
    step_below = below * number_seconds(device, torch.get_num_threads())
    return Costs(
        blocks=len(encoder.blocks),
        stem_seconds=share * stem_seconds,
        block_seconds=share * _timed(lambda: _answer(block)),
        train_stem_seconds=FORWARD_AND_BACK * share * stem_seconds + AROUND * step_below / BATCH,
        train_block_seconds=share * _timed(_stepping(train_block, above)),
        weight_bytes=sum(p.nbytes for p in encoder.parameters()),
        block_bytes=sum(p.nbytes for p in encoder.blocks[0].parameters()),
        row_tokens=float(lengths.mean()),
        width=encoder.width,
    )


def _with_own_block(encoder: Encoder) -> Encoder:
    """The same encoder but for a first block of its own, whose weights train. All other weights are
    shared: copying hundreds of megabytes takes longer than the steps."""
    own = {id(p) for p in encoder.blocks[0].parameters()}
    shared = {id(p): p for p in encoder.parameters() if id(p) not in own}
    copied = copy.deepcopy(encoder, dict(shared))
    copied.blocks[0].requires_grad_(True)
    return copied


@functools.cache
def number_seconds(device: torch.device, threads: int) -> float:
    """What a step takes for each number of a table of vectors: its gradient, which is as large as
    the table however few rows were looked up, and the optimiser's passes. It goes by size alone, so
    that a part of such a table tells it, once in a process."""
    table = torch.nn.Embedding(PART_OF_TABLE // TABLE_WIDTH, TABLE_WIDTH, device=device)
    some = torch.arange(TIMED, device=device)
    return _timed(_stepping(lambda: table(some), list(table.parameters()))) / PART_OF_TABLE


@torch.no_grad()
def _answer(work: Callable[[], torch.Tensor]) -> None:
    with autocast(precision()):
        work()[0, 0, 0].item()  # waits for the device


def _stepping(
    work: Callable[[], torch.Tensor], parameters: list[torch.nn.Parameter]
) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(parameters, lr=0.0, fused=True)

    def step() -> None:
        with autocast(precision()):
            loss = work().float().square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _timed(work: Callable[[], None]) -> float:
    """The median of a few rounds after a first."""
    found: list[float] = []
    work()
    while len(found) < ROUNDS or (len(found) < MOST_ROUNDS and sum(found) < LONG_SECONDS):
        began = perf_counter()
        work()
        found.append(perf_counter() - began)
        if found[-1] > LONG_SECONDS:
            break
    return statistics.median(found)
