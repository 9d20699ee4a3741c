"""Frozen features: what an encoder makes of each text, computed once per process.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn.batches import Rows, by_length, collate
from tunesmith.nn.devices import autocast, precision_for
from tunesmith.nn.encoder import Encoder
from tunesmith.nn.tokens import Tokens

MEANS = (-1, -2, -4)
"""Layers, counted from the last, whose mean over tokens is kept; the last one's max comes after."""
BATCH = 64
MOST_BYTES = 2 * 1024**3


def width(encoder: Encoder) -> int:
    """Numbers a row: one mean for each layer there is, and a max."""
    return encoder.width * (len(_layers(encoder)) + 1)


def _layers(encoder: Encoder) -> list[int]:
    """The layers of `MEANS` as numbers of blocks run, the last first."""
    count = len(encoder.blocks)
    return sorted({max(0, count + 1 + place) for place in MEANS}, reverse=True)


@torch.no_grad()
def embed(
    encoder: Encoder,
    ids: Sequence[Tokens],
    *,
    precision: str | None = None,
    after: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Features of each row, shape (rows, `width`): means over tokens of several layers, the last
    first, then the max of the last. `after` is told how many rows are done, and may raise."""
    encoder.eval()
    precision = precision or precision_for(len(ids))
    device = next(encoder.parameters()).device
    rows = Rows(ids, np.empty((len(ids), 0), dtype=np.float32), encoder.pad_id)
    found = np.empty((len(ids), width(encoder)), dtype=np.float32)
    done = 0
    for chosen in by_length(rows.lengths(), BATCH):
        batch = collate(rows, chosen, device)
        mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
        with autocast(precision):
            found[chosen] = _pooled(encoder, batch.ids, mask).cpu().numpy()
        done += len(chosen)
        if after:
            after(done)
    return found


def _pooled(encoder: Encoder, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    hidden = encoder.stem(ids, mask)
    context = encoder.context(hidden, mask)
    inside = mask.unsqueeze(-1).float()
    count = inside.sum(dim=1)
    parts, place = [], 0
    for layer in reversed(_layers(encoder)):
        hidden = encoder.run(hidden, context, place, layer)
        place = layer
        parts.append((hidden.float() * inside).sum(dim=1) / count)
    last = hidden.float().masked_fill(inside == 0, float("-inf")).amax(dim=1)
    return torch.cat([*reversed(parts), last], dim=1)


Key = tuple[str, str]


@dataclass
class FeatureMemo:
    """Features by (how they were made, text). Emptied when it would grow over its byte limit."""

    most_bytes: int = MOST_BYTES
    _known: dict[Key, NDArray[np.float32]] = field(default_factory=dict)
    _bytes: int = 0

    def missing(self, keys: Sequence[Key]) -> list[Key]:
        """The distinct keys whose features are not known."""
        return list(dict.fromkeys(key for key in keys if key not in self._known))

    def get(
        self, keys: Sequence[Key], compute: Callable[[Sequence[Key]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Features of all the keys, shape (rows, width), those not known computed."""
        found = {key: self._known[key] for key in keys if key in self._known}
        new = self.missing(keys)
        if new:
            fresh = compute(new)
            found.update(zip(new, fresh, strict=True))
            self._keep(new, fresh)
        return np.stack([found[key] for key in keys])

    def _keep(self, keys: Sequence[Key], features: NDArray[np.float32]) -> None:
        self._bytes += features.nbytes
        if self._bytes > self.most_bytes:
            self._known.clear()
            self._bytes = features.nbytes
        self._known.update(zip(keys, features, strict=True))


FEATURES = FeatureMemo()
