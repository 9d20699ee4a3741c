"""What a network of pictures costs on this machine: its blocks are unlike, so each is timed.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn.costs import (
    AROUND,
    BATCH,
    BYTES_OF_TRAINED,
    FORWARD_AND_BACK,
    ROUNDS,
    STATE_BYTES,
    TIMED,
    Costs,
    number_seconds,
)
from tunesmith.nn.devices import autocast, computing_with, precision
from tunesmith.nn.picture_encoder import PictureEncoder

KEPT_BYTES = 12
"""What a block keeps for its gradient, for each number that it leaves: convolutions, norms and
activations inside of it, of which about six are as large."""


@dataclass(frozen=True)
class PictureCosts(Costs):
    """The same of a network whose blocks differ: of each, from the bottom, the seconds to answer a
    picture and for a training step's share of one, the numbers that it leaves, and its bytes."""

    read_each: tuple[float, ...] = ()
    train_each: tuple[float, ...] = ()
    left_each: tuple[int, ...] = ()
    bytes_each: tuple[int, ...] = ()

    @property
    def work(self) -> int:
        return self.weight_bytes

    def read_seconds(self, rows: int, *, start: int = 0, stop: int | None = None) -> float:
        stem = 0.0 if start else self.stem_seconds
        return rows * (sum(self.read_each[start:stop]) + stem)

    def read_at(self, row_seconds: float) -> PictureCosts:
        ratio = row_seconds / self.read_seconds(1)
        each = tuple(ratio * seconds for seconds in self.read_each)
        return replace(self, stem_seconds=ratio * self.stem_seconds, read_each=each)

    def train_seconds(self, rows: int, trained: int, epochs: float, *, stored: bool) -> float:
        cut = self.blocks - trained
        above = epochs * rows * sum(self.train_each[cut:])
        if not cut:
            return above + epochs * rows * self.train_stem_seconds
        return above + self.read_seconds(rows, stop=cut) * (1 if stored else epochs)

    def memory_bytes(self, trained: int) -> int:
        cut = self.blocks - trained
        own = sum(self.bytes_each[cut:]) if cut else self.weight_bytes
        kept = BATCH * KEPT_BYTES * sum(self.left_each[cut:])
        return int(self.weight_bytes + own / 4 * BYTES_OF_TRAINED + kept)

    def stored_bytes(self, trained: int) -> float:
        cut = self.blocks - trained
        return STATE_BYTES * self.left_each[cut - 1] if cut else 0.0


def measure(
    encoder: PictureEncoder, ids: Sequence[NDArray[Any]], threads: int | None = None
) -> PictureCosts:
    """Time some passes of pictures, all of one size, block by block; a second or less for a small
    network. `threads` as for texts."""
    with computing_with(threads):
        return _measured(encoder, ids)


def _measured(encoder: PictureEncoder, ids: Sequence[NDArray[Any]]) -> PictureCosts:
    device = next(encoder.parameters()).device
    pixels = torch.from_numpy(np.stack(ids[:TIMED])).to(device)
    count = len(encoder.blocks)
    rounds, left = [], [0] * count
    with torch.no_grad(), autocast(precision()):
        for _ in range(1 + ROUNDS):
            spent = []
            began = perf_counter()
            hidden = encoder.stem(pixels)
            for number in range(count + 1):
                if number:
                    hidden = encoder.run(hidden, None, number - 1, number)
                    left[number - 1] = hidden[0].numel()
                hidden.flatten()[0].item()  # waits for the device
                spent.append(perf_counter() - began)
                began = perf_counter()
            rounds.append(spent)
    each = AROUND * np.median(rounds[1:], axis=0) / len(pixels)
    step = number_seconds(device, torch.get_num_threads()) * AROUND / BATCH
    sizes = [sum(p.numel() for p in block.parameters()) for block in encoder.blocks]
    whole = sum(p.numel() for p in encoder.parameters())
    train = [FORWARD_AND_BACK * float(a) + step * n for a, n in zip(each[1:], sizes, strict=True)]
    below = FORWARD_AND_BACK * float(each[0]) + step * max(0, whole - sum(sizes))
    return PictureCosts(
        blocks=count,
        stem_seconds=float(each[0]),
        block_seconds=float(each[1:].mean()),
        train_stem_seconds=below,
        train_block_seconds=float(np.mean(train)),
        weight_bytes=sum(p.nbytes for p in encoder.parameters()),
        block_bytes=4 * max(sizes),
        row_tokens=1.0,
        width=encoder.width,
        read_each=tuple(float(one) for one in each[1:]),
        train_each=tuple(train),
        left_each=tuple(left),
        bytes_each=tuple(4 * one for one in sizes),
    )
