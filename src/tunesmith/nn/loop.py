"""The one training loop: a generator, so that the caller sees every step and decides when to stop.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn import heads
from tunesmith.nn.batches import Batch, Rows, by_length, collate, shuffled
from tunesmith.nn.devices import autocast, precision_for
from tunesmith.nn.feed import AsTheyAre, Feed, Given
from tunesmith.nn.network import Network
from tunesmith.nn.tables import Tables


@dataclass(frozen=True)
class Step:
    """One optimiser step: `epoch` in epochs done (1.5 is the middle of the second), `loss` of its
    rows, `ends_epoch` where the data was gone through."""

    number: int
    epoch: float
    loss: float
    rows: int
    ends_epoch: bool


@dataclass(frozen=True)
class Settings:
    """What the loop needs beside network and optimiser. `truth` has shape (rows,), or (rows,
    labels) where rows may have several, or (rows, classes) where it `is_shared` by them; `progress`
    turns a step's number into the share of the work done in [0, 1], which the schedule follows.
    `row_weights` have a mean of about one, shape (rows,); `focal` is the gamma of the focal loss.
    A batch larger than `micro_batch` is gone through in pieces, its gradient summed."""

    truth: NDArray[Any]
    classes: int
    batch_size: int
    smoothing: float
    class_weights: NDArray[np.float32] | None
    clip: float
    rate: Callable[[float], float]
    progress: Callable[[int], float]
    micro_batch: int
    precision: str
    row_weights: NDArray[np.float64] | None = None
    focal: float = 0.0
    is_shared: bool = False


def train(
    network: Network,
    optimizer: torch.optim.Optimizer,
    rows: Rows | Feed,
    settings: Settings,
    generator: np.random.Generator,
    *,
    steps_done: int = 0,
    epochs_done: int = 0,
) -> Iterator[Step]:
    """Train in place, without end: the caller stops drawing steps. One that goes on at the end of
    an epoch says how many were done."""
    with Tables(network) as tables:
        done = steps_done, epochs_done
        feed = AsTheyAre(rows) if isinstance(rows, Rows) else rows
        yield from _steps(network, optimizer, feed, settings, generator, tables, done)


def _steps(
    network: Network,
    optimizer: torch.optim.Optimizer,
    feed: Feed,
    settings: Settings,
    generator: np.random.Generator,
    tables: Tables,
    done: tuple[int, int],
) -> Iterator[Step]:
    device = next(network.parameters()).device
    is_codes = settings.classes and settings.truth.ndim == 1
    kind = np.int64 if is_codes else np.float32
    truth = torch.from_numpy(np.asarray(settings.truth, dtype=kind)).to(device)
    weights = settings.class_weights
    class_weights = None if weights is None else torch.from_numpy(weights).to(device)
    peaks = [group["lr"] for group in optimizer.param_groups]
    params = [p for group in optimizer.param_groups for p in group["params"]]
    lengths, (number, epoch) = feed.lengths(), done
    while True:
        batches = shuffled(lengths, settings.batch_size, generator)
        given = feed.epoch(epoch, settings.progress(number), batches)
        for place, (chosen, one) in enumerate(zip(batches, given, strict=True), start=1):
            share = settings.rate(settings.progress(number))
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            tables.clear(optimizer)
            network.train()
            loss = _backward(network, one, chosen, truth, class_weights, settings)
            if settings.clip:
                torch.nn.utils.clip_grad_norm_(params, settings.clip)
            optimizer.step()
            number += 1
            through = epoch + place / len(batches)
            yield Step(number, through, loss, len(chosen), place == len(batches))
        epoch += 1


def _backward(
    network: Network,
    given: Given,
    chosen: NDArray[np.int64],
    truth: torch.Tensor,
    class_weights: torch.Tensor | None,
    settings: Settings,
) -> float:
    """Add up the gradient of a batch piece by piece; gives its loss. A piece counts by its share
    of the rows, or of their class weights, since that is what its own mean is divided by. What is
    mixed answers for both of its rows."""
    sides = [(1.0, _truth_of(chosen, truth, class_weights, settings))]
    if given.partners is not None:
        others = _truth_of(chosen[given.partners], truth, class_weights, settings)
        sides = [(given.share, sides[0][1]), (1 - given.share, others)]
    whole = 0.0
    for start in range(0, len(chosen), settings.micro_batch):
        piece = slice(start, start + settings.micro_batch)
        batch = collate(given.rows, given.places[piece], truth.device)
        with autocast(settings.precision):
            logits = network(batch)
        part = sum(
            share * _loss(logits, piece, answers, class_weights, settings)
            for share, answers in sides
        )
        part.backward()  # type: ignore[union-attr]
        whole += float(part.detach())  # type: ignore[union-attr]
    return whole


Truth = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Of a batch: what is true, how much each row counts within it by its class, and by itself."""


def _truth_of(
    chosen: NDArray[np.int64],
    truth: torch.Tensor,
    class_weights: torch.Tensor | None,
    settings: Settings,
) -> Truth:
    answers = truth[torch.from_numpy(chosen).to(truth.device)]
    counts = torch.ones(len(chosen))
    if class_weights is not None:
        counts = answers @ class_weights if settings.is_shared else class_weights[answers]
    each: torch.Tensor | None = None
    if settings.row_weights is not None:
        each = torch.from_numpy(settings.row_weights[chosen].astype(np.float32)).to(truth.device)
    return answers, counts, each


def _loss(
    logits: torch.Tensor,
    piece: slice,
    batch: Truth,
    class_weights: torch.Tensor | None,
    settings: Settings,
) -> torch.Tensor:
    answers, counts, each = batch
    part = heads.loss(
        logits,
        answers[piece],
        classes=settings.classes,
        smoothing=settings.smoothing,
        weights=class_weights,
        focal=settings.focal,
        row_weights=None if each is None else each[piece],
        is_shared=settings.is_shared,
    )
    return part * (counts[piece].sum() / counts.sum())


@torch.no_grad()
def logits(
    network: Network,
    rows: Rows,
    *,
    batch_size: int = 64,
    precision: str | None = None,
    after: Callable[[Batch], None] | None = None,
) -> torch.Tensor:
    """Logits of every row, shape (rows, outputs), in fp32 on the CPU. `after` is called with each
    batch, and may raise to end it."""
    device = next(network.parameters()).device
    network.eval()
    precision = precision or precision_for(len(rows))
    found = torch.empty(len(rows), network.head.plane.out_features)
    for chosen in by_length(rows.lengths(), batch_size):
        batch = collate(rows, chosen, device)
        with autocast(precision):
            part = network(batch).float().cpu()
        found[torch.from_numpy(chosen)] = part
        if after:
            after(batch)
    return found


@torch.no_grad()
def pooled(network: Network, rows: Rows, *, batch_size: int = 64) -> NDArray[np.float32]:
    """What the pool makes of every row, shape (rows, width): all that the head needs of contents
    that many rows have alike."""
    device = next(network.parameters()).device
    network.eval()
    precision = precision_for(len(rows))
    found = np.empty((len(rows), network.encoder.width), dtype=np.float32)
    for chosen in by_length(rows.lengths(), batch_size):
        batch = collate(rows, chosen, device)
        with autocast(precision):
            found[chosen] = network.pooled(batch).float().cpu().numpy()
    return found
