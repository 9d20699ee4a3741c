"""What is read out of a frozen encoder: pooled vectors of several layers, a row of them for a text.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn.batches import Batch, Content, Rows, by_length, collate
from tunesmith.nn.devices import autocast, precision_for
from tunesmith.nn.encoder import Encoder
from tunesmith.nn.picture_encoder import PictureEncoder

AnyEncoder = Encoder | PictureEncoder
BATCH = 64
MOST_LAYERS = 13
TOP_LAYERS = 4
ENDS = ("max", "first", "final")
"""Of the last layer alone; the final token of a picture is its mean, as none of them is last."""
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
QUARTERS = "quarters"
"""Of pictures: `quarters:-3` are the means over the four quarters of what a layer leaves."""
JOINT = "+"
"""Between the pooled vectors of a read-out that has no name: "mean:-1+mean:-3+max"."""


def vectors(readout: str) -> tuple[str, ...]:
    """The pooled vectors of a read-out, which is a name of `READOUTS` or spelled out."""
    return READOUTS[readout] if readout in READOUTS else tuple(readout.split(JOINT))


def layers(encoder: AnyEncoder) -> list[int]:
    """The layers whose mean is kept, as numbers of blocks run: all of them, or of deep encoders the
    top four and some spread evenly below."""
    return layers_of(len(encoder.blocks))


def layers_of(count: int) -> list[int]:
    """The same by the number of blocks."""
    if count < MOST_LAYERS:
        return list(range(count + 1))
    spread = np.linspace(0, count - TOP_LAYERS, MOST_LAYERS - TOP_LAYERS).round().astype(int)
    return sorted({*spread.tolist(), *range(count - TOP_LAYERS + 1, count + 1)})


def names(encoder: AnyEncoder) -> tuple[str, ...]:
    """The pooled vectors that can be kept of an encoder, in their order."""
    return (*(f"mean:{layer}" for layer in layers(encoder)), "max", "first", "final")


def places(encoder: AnyEncoder, readout: str) -> NDArray[np.int64]:
    """Where the numbers of a read-out stand among those of all `names` one after the other, behind
    which come the quarters of every layer, shape (width,)."""
    kept = layers(encoder)
    own = [encoder.widths[layer] for layer in kept]
    widths = own + [encoder.width] * len(ENDS) + [4 * one for one in own]
    starts = np.concatenate([[0], np.cumsum(widths)])
    found = []
    for kind, layer in parts(len(encoder.blocks), readout):
        if kind in ENDS:
            number = len(kept) + ENDS.index(kind)
        else:
            number = kept.index(layer) + (kind == QUARTERS) * (len(kept) + len(ENDS))
        found.append(np.arange(starts[number], starts[number + 1]))
    return np.concatenate(found)


def parts(count: int, readout: str) -> list[tuple[str, int]]:
    """The pooled vectors of a read-out of so many blocks: how each is pooled, and of which layer,
    the nearest that is kept. A layer below the first is the first. A part may stand for itself:
    `mean:3` is the mean over tokens after three blocks."""
    kept = layers_of(count)
    found = []
    for one in vectors(readout):
        kind, _, place = one.partition(":")
        layer = count
        if kind in ("mean", QUARTERS):
            layer = int(place) if int(place) >= 0 else max(0, count + 1 + int(place))
        found.append((kind, min(kept, key=lambda number: abs(number - layer))))
    return found


def has_quarters(readout: str) -> bool:
    """Whether a read-out has some of the quarters of a picture."""
    return any(one.startswith(QUARTERS) for one in vectors(readout))


def lowest(encoder: AnyEncoder, readout: str) -> int:
    """The lowest layer of a read-out, as a number of blocks run."""
    return min(layer for _, layer in parts(len(encoder.blocks), readout))


def reading(
    encoder: AnyEncoder, hidden: torch.Tensor, readout: str, start: int = 0
) -> torch.Tensor:
    """A read-out of what the first `start` blocks leave of whole rows, none of them padded, in fp32
    with the way back open: (batch, `width`), where it reads nothing below."""
    wanted, context = parts(len(encoder.blocks), readout), None
    if isinstance(encoder, Encoder):
        context = encoder.context(hidden, hidden.new_ones(hidden.shape[:2], dtype=torch.int64))
    found: dict[tuple[str, int], torch.Tensor] = {}
    place = start
    for stop in sorted({layer for _, layer in wanted}):
        hidden = encoder.run(hidden, context, place, stop) if stop > place else hidden
        place = stop
        for kind, layer in wanted:
            if layer == stop:
                found[kind, layer] = _of_places(encoder, hidden, kind)
    return torch.cat([found[part] for part in wanted], dim=1)


def _of_places(encoder: AnyEncoder, hidden: torch.Tensor, kind: str) -> torch.Tensor:
    """The places of whole rows as one vector."""
    if isinstance(encoder, PictureEncoder):
        if kind == QUARTERS:
            return encoder.quarters(hidden).float()
        return encoder.pool(hidden, "mean" if kind == "final" else kind).float()
    if kind == "first":
        return hidden[:, 0].float()
    if kind == "final":
        return hidden[:, -1].float()
    return hidden.float().amax(dim=1) if kind == "max" else hidden.float().mean(dim=1)


def width(encoder: AnyEncoder, readout: str = "several") -> int:
    """Numbers a row of a read-out."""
    return len(places(encoder, readout))


@torch.no_grad()
def embed(
    encoder: AnyEncoder,
    ids: Sequence[Content],
    readout: str = "several",
    *,
    precision: str | None = None,
    after: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """A read-out of each row, shape (rows, `width`), nothing remembered. `after` is told how many
    rows are done, and may raise."""
    chosen_places = places(encoder, readout)
    found = np.empty((len(ids), width(encoder, readout)), dtype=np.float32)
    done, kind, more = 0, precision or precision_for(len(ids)), has_quarters(readout)
    for chosen, _, pooled in read(encoder, ids, precision=kind, quarters=more):
        found[chosen] = pooled[:, chosen_places]
        done += len(chosen)
        if after:
            after(done)
    return found


@torch.no_grad()
def read(
    encoder: AnyEncoder,
    ids: Sequence[Content],
    *,
    precision: str,
    keep: Sequence[int] = (),
    quarters: bool = False,
) -> Iterator[tuple[NDArray[np.int64], dict[int, torch.Tensor], NDArray[np.float32]]]:
    """One pass over all rows, a batch of like length at a time: which rows, the token vectors after
    each number of blocks in `keep` (batch, tokens, width), and all pooled vectors side by side, in
    the order of `names`, (batch, numbers), and where asked for all `quarters` behind them.
    Of pictures the states are as the blocks leave them."""
    encoder.eval()
    device = next(encoder.parameters()).device
    rows = Rows(ids, np.empty((len(ids), 0), dtype=np.float32), getattr(encoder, "pad_id", 0))
    for chosen in by_length(rows.lengths(), BATCH):
        batch = collate(rows, chosen, device)
        with autocast(precision):
            if isinstance(encoder, PictureEncoder):
                states, pooled = _pooled_pictures(encoder, batch, keep, quarters=quarters)
            else:
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
    return states, torch.cat([*means, most, last[:, 0], final], dim=1)


def _pooled_pictures(
    encoder: PictureEncoder, batch: Batch, keep: Sequence[int], *, quarters: bool
) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
    hidden = encoder.stem(batch.ids)
    kept = layers(encoder)
    states, means, each, place = {}, [], [], 0
    for stop in sorted({*kept, *keep}):
        hidden = encoder.run(hidden, None, place, stop) if stop > place else hidden
        place = stop
        if stop in keep:
            states[stop] = hidden
        if stop in kept:
            means.append(encoder.pool(hidden, "mean").float())
            each += [encoder.quarters(hidden).float()] if quarters else []
    ends = [encoder.pool(hidden, "max"), encoder.pool(hidden, "first")]
    pooled = [*means, *(one.float() for one in ends), means[-1], *each]
    return states, torch.cat(pooled, dim=1)
