"""What is read out of a frozen encoder: pooled vectors of several layers, a row of them for a text.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn.batches import Batch, Rows, by_length, collate
from tunesmith.nn.devices import autocast, precision_for
from tunesmith.nn.encoder import Encoder
from tunesmith.nn.tokens import Tokens

BATCH = 64
MOST_LAYERS = 13
TOP_LAYERS = 4
READOUTS: Mapping[str, tuple[str, ...]] = {
    "several": ("mean:-1", "mean:-2", "mean:-4", "max"),
    "last": ("mean:-1",),
    "max": ("max",),
    "first": ("first",),
    "final": ("final",),
    "ends": ("mean:-1", "final", "max"),
    "deep": ("mean:-1", "mean:-2", "mean:-3", "mean:-4", "max", "first"),
}
"""Sets of pooled vectors by name: `mean:-1` is the mean over tokens of the last layer, `mean:-2` of
the one before; `max`, `first` and `final` (token) are of the last layer."""


def layers(encoder: Encoder) -> list[int]:
    """The layers whose mean is kept, as numbers of blocks run: all of them, or of deep encoders the
    top four and some spread evenly below."""
    count = len(encoder.blocks)
    if count < MOST_LAYERS:
        return list(range(count + 1))
    spread = np.linspace(0, count - TOP_LAYERS, MOST_LAYERS - TOP_LAYERS).round().astype(int)
    return sorted({*spread.tolist(), *range(count - TOP_LAYERS + 1, count + 1)})


def names(encoder: Encoder) -> tuple[str, ...]:
    """The pooled vectors that can be kept of an encoder, in their order."""
    return (*(f"mean:{layer}" for layer in layers(encoder)), "max", "first", "final")


def places(encoder: Encoder, readout: str) -> list[int]:
    """Where the vectors of a read-out stand among `names`. A layer below the first is the first."""
    count, kept = len(encoder.blocks), layers(encoder)
    found = []
    for one in READOUTS[readout]:
        kind, _, place = one.partition(":")
        if kind != "mean":
            found.append(len(kept) + ("max", "first", "final").index(kind))
            continue
        layer = max(0, count + 1 + int(place))
        found.append(min(range(len(kept)), key=lambda i: abs(kept[i] - layer)))
    return found


def width(encoder: Encoder, readout: str = "several") -> int:
    """Numbers a row of a read-out."""
    return encoder.width * len(READOUTS[readout])


@torch.no_grad()
def embed(
    encoder: Encoder,
    ids: Sequence[Tokens],
    readout: str = "several",
    *,
    precision: str | None = None,
    after: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """A read-out of each row, shape (rows, `width`), nothing remembered. `after` is told how many
    rows are done, and may raise."""
    chosen_places = places(encoder, readout)
    found = np.empty((len(ids), width(encoder, readout)), dtype=np.float32)
    done = 0
    for chosen, _, pooled in read(encoder, ids, precision=precision or precision_for(len(ids))):
        found[chosen] = pooled[:, chosen_places].reshape(len(chosen), -1)
        done += len(chosen)
        if after:
            after(done)
    return found


@torch.no_grad()
def read(
    encoder: Encoder, ids: Sequence[Tokens], *, precision: str, keep: Sequence[int] = ()
) -> Iterator[tuple[NDArray[np.int64], dict[int, torch.Tensor], NDArray[np.float32]]]:
    """One pass over all rows, a batch of like length at a time: which rows, the token vectors after
    each number of blocks in `keep` (batch, tokens, width), and all pooled vectors (batch, `names`,
    width)."""
    encoder.eval()
    device = next(encoder.parameters()).device
    rows = Rows(ids, np.empty((len(ids), 0), dtype=np.float32), encoder.pad_id)
    for chosen in by_length(rows.lengths(), BATCH):
        batch = collate(rows, chosen, device)
        with autocast(precision):
            states, pooled = _pooled(encoder, batch, keep)
        yield chosen, states, pooled.cpu().numpy()


def _pooled(
    encoder: Encoder, batch: Batch, keep: Sequence[int]
) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
    mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
    hidden = encoder.stem(batch.ids, mask)
    context = encoder.context(hidden, mask)
    count, states = mask.sum(dim=1), {}
    shares = (mask / count.unsqueeze(1)).unsqueeze(1)  # (batch, 1, tokens)
    means, place = [], 0
    stops = sorted({*layers(encoder), *keep})
    for stop in stops:
        hidden = encoder.run(hidden, context, place, stop) if stop > place else hidden
        place = stop
        if stop in keep:
            states[stop] = hidden
        if stop in layers(encoder):
            with autocast("fp32"), torch.autocast(hidden.device.type, enabled=False):
                means.append(torch.bmm(shares, hidden.float())[:, 0])
    last = hidden.float()
    most = last.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)
    final = last[torch.arange(len(last), device=last.device), count - 1]
    return states, torch.stack([*means, most, last[:, 0], final], dim=1)
