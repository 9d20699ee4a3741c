"""Length-bucketed batches: rows of like length together, padded only to the longest of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.nn.augment import View

if TYPE_CHECKING:
    import torch

Content = NDArray[Any] | View
"""Of one row: token ids, the pixels of a picture, or a view of one."""
POOL_BATCHES = 64
PADDING_TOKENS = 128
"""Tokens of padding that cost what a further batch does: casting weights, starting operations.
Measured on 2 cores, networks of 6 to 30 blocks: 100 to 200."""
PAD_MULTIPLE = 4


class Stored(Protocol):
    """Token vectors of rows at a cut, computed before."""

    def padded(self, chosen: NDArray[np.int64], tokens: int) -> torch.Tensor:
        """Those of the chosen rows, zero behind their end: (chosen, tokens, width)."""


@dataclass(frozen=True)
class Rows:
    """Model input of some rows: token ids of any length, or pixels of shape (side, side, 3), which
    may be views that are made when they are read; and dense inputs of shape (rows, width);
    `states` where the frozen part has been run over them, `pooled` (rows, width) where nothing but
    the head trains and that is all it needs."""

    ids: Sequence[Content]
    dense: NDArray[np.float32]
    pad_id: int
    states: Stored | None = None
    pooled: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def lengths(self) -> NDArray[np.int64]:
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)


@dataclass(frozen=True)
class Batch:
    """`ids` and `mask` (batch, tokens), or pixels (batch, side, side, 3) without a mask, none where
    what follows from them is there; `dense` (batch, width); `rows` says which rows these are.
    `mask` is None where no row is padded; `hidden` are token vectors at the cut (batch, tokens,
    width) in fp32, `pooled` one vector a row (batch, width); None where to be computed."""

    rows: NDArray[np.int64]
    ids: torch.Tensor
    mask: torch.Tensor | None
    dense: torch.Tensor
    hidden: torch.Tensor | None = None
    pooled: torch.Tensor | None = None


def collate(rows: Rows, chosen: NDArray[np.int64], device: torch.device | str) -> Batch:
    """Pad the chosen rows to the longest of them; pictures are of one size."""
    import torch

    first = rows.ids[int(chosen[0])]
    if isinstance(first, View) or first.ndim == 3:
        return _pictures(rows, chosen, device)
    ids = [np.asarray(rows.ids[i]) for i in chosen]
    longest = max(len(one) for one in ids)
    longest += -longest % PAD_MULTIPLE
    padded = np.full((len(ids), longest), rows.pad_id, dtype=np.int64)
    mask = np.zeros((len(ids), longest), dtype=np.int64)
    for place, one in enumerate(ids):
        padded[place, : len(one)] = one
        mask[place, : len(one)] = 1
    whole = bool(mask.all())
    hidden = None if rows.states is None else rows.states.padded(chosen, longest)
    return Batch(
        chosen,
        torch.from_numpy(padded).to(device),
        None if whole else torch.from_numpy(mask).to(device),
        torch.from_numpy(rows.dense[chosen]).to(device),
        None if hidden is None else hidden.to(device).float(),
        None if rows.pooled is None else torch.from_numpy(rows.pooled[chosen]).to(device),
    )


def _pictures(rows: Rows, chosen: NDArray[np.int64], device: torch.device | str) -> Batch:
    import torch

    if rows.states is None and rows.pooled is None:
        pixels = np.stack([np.asarray(rows.ids[i], np.uint8) for i in chosen])
    else:
        pixels = np.empty((0, 0, 0, 3), np.uint8)
    hidden = None if rows.states is None else rows.states.padded(chosen, 0)
    return Batch(
        chosen,
        torch.from_numpy(pixels).to(device),
        None,
        torch.from_numpy(rows.dense[chosen]).to(device),
        None if hidden is None else hidden.to(device).float(),
        None if rows.pooled is None else torch.from_numpy(rows.pooled[chosen]).to(device),
    )


def by_length(lengths: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Every row once, longest first, so that a lack of memory shows at the first batch; `size` at a
    time, or fewer where their padding would cost more than a further batch."""
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order]
    start = 0
    while start < len(order):
        window = ordered[start : start + size]
        padding = np.cumsum(window[0] - window)
        count = int(np.searchsorted(padding, PADDING_TOKENS, side="right"))
        yield order[start : start + count]
        start += count


def shuffled(
    lengths: NDArray[np.int64], size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Every row once, in random batches of like length: shuffle, sort within pools of some tens
    of batches, shuffle the batches."""
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), size * POOL_BATCHES):
        pool = order[start : start + size * POOL_BATCHES]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in generator.permutation(len(batches))]
