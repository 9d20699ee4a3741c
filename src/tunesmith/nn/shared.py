"""Sub-networks scored with the weights that they share, none of them trained: which blocks of a
network are needed, in seconds.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn.batches import Rows, by_length, collate
from tunesmith.nn.features import AnyEncoder
from tunesmith.nn.importance import BATCH, mean_of, started, stepped

Kept = tuple[int, ...]
"""The blocks of a sub-network, by number, in order."""
STRENGTH = 0.1
"""Of the ridge, as a share of the mean square of the features."""


def scores(
    encoder: AnyEncoder, rows: Rows, targets: NDArray[np.float64], every: Sequence[Kept]
) -> Mapping[Kept, float]:
    """Of each sub-network minus the mean squared error, left one out, of a ridge regression from
    the means over its last layer to the targets (rows, outputs): classes as zeros and ones. Higher
    is better. Blocks that sub-networks begin with alike run once for all of them.

    Source: weights shared by all as in Pham et al., "Efficient Neural Architecture Search via
    Parameter Sharing", ICML 2018, here those of the network itself; the error left one out: Allen,
    "The Relationship between Variable Selection and Data Augmentation and a Method for Prediction",
    Technometrics 1974.
    """
    return {kept: -_left_out(seen, targets) for kept, seen in _pooled(encoder, rows, every).items()}


@torch.no_grad()
def _pooled(
    encoder: AnyEncoder, rows: Rows, every: Sequence[Kept]
) -> Mapping[Kept, NDArray[np.float64]]:
    """The mean over the last layer of each sub-network, (rows, width)."""
    encoder.eval()
    device = next(encoder.parameters()).device
    found: dict[Kept, list[NDArray[np.float64]]] = {kept: [] for kept in every}
    order: list[NDArray[np.int64]] = []
    for chosen in by_length(rows.lengths(), BATCH):
        order.append(chosen)
        hidden, context, mask = started(encoder, collate(rows, chosen, device))
        after: dict[Kept, torch.Tensor] = {(): hidden}
        for kept in sorted(every):
            for end in range(1, len(kept) + 1):
                if kept[:end] not in after:
                    below = after[kept[: end - 1]]
                    after[kept[:end]] = stepped(encoder, below, context, kept[end - 1])
            pooled = mean_of(encoder, after[kept], mask)
            found[kept].append(pooled.double().cpu().numpy())
    place = np.argsort(np.concatenate(order), kind="stable")
    return {kept: np.concatenate(parts)[place] for kept, parts in found.items()}


def _left_out(seen: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """The mean squared error of a ridge regression for rows that it has not seen."""
    centered, wanted = seen - seen.mean(axis=0), targets - targets.mean(axis=0)
    products = centered @ centered.T
    strength = STRENGTH * np.trace(products) / len(products) + 1e-12
    hat = products @ np.linalg.inv(products + strength * np.eye(len(products)))
    hat += 1 / len(products)  # of the means
    errors = (wanted - hat @ wanted) / np.maximum(1 - np.diag(hat), 1e-6)[:, None]
    return float((errors**2).mean())


def without(
    encoder: AnyEncoder,
    rows: Rows,
    targets: NDArray[np.float64],
    kept: Kept,
    count: int,
    may_go: Sequence[int],
) -> Kept:
    """What is left of these blocks without so many that may go: one after the other, each the one
    without which the rest scores best."""
    for _ in range(count):
        options = [tuple(n for n in kept if n != gone) for gone in kept if gone in may_go]
        told = scores(encoder, rows, targets, options)
        kept = max(options, key=lambda one: told[one])
    return kept
