"""How much parts of a network count: attention heads by the gradient of the loss, feed-forward
units by what they pass on, blocks by how little they change.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tunesmith.nn.batches import Rows, by_length, collate
from tunesmith.nn.features import AnyEncoder
from tunesmith.nn.network import Network
from tunesmith.nn.picture_encoder import PictureEncoder
from tunesmith.nn.shapes import counts_of, outs

BATCH = 32
Loss = Callable[[torch.Tensor, NDArray[np.int64]], torch.Tensor]
"""Of logits (batch, outputs) of the rows of these numbers: the sum of their losses."""
Scores = Mapping[tuple[int, str], NDArray[np.float64]]
"""By block and part ("heads", "units"): how much each counts."""


def of_parts(network: Network, rows: Rows, loss: Loss | None) -> Scores:
    """How much each head and each unit of the trained blocks counts.

    A unit counts by the norm of the weights that read it times the norm of what it passes on (Sun
    et al., "A Simple and Effective Pruning Approach for Large Language Models", ICLR 2024, eq. 1,
    summed over what reads it). A head counts by the mean over rows of the size of the derivative of
    the loss by a factor of its output (Michel et al., "Are Sixteen Heads Really Better than One?",
    NeurIPS 2019, eq. 2), or as units do where there is no `loss` that tells anything.
    """
    encoder = network.encoder
    places = range(network.first_trained, len(encoder.blocks))
    gates: dict[tuple[int, str], torch.Tensor] = {}
    sums: dict[tuple[int, str], torch.Tensor] = {}
    slopes: dict[tuple[int, str], torch.Tensor] = {}
    network.eval()
    with contextlib.ExitStack() as hooks:
        for place, part, module in outs(encoder, list(places)):
            count = counts_of(encoder, place)[0] if part == "heads" else 0
            hook = _watch((place, part), count, gates, sums)
            hooks.callback(module.register_forward_pre_hook(hook).remove)
        for chosen in by_length(rows.lengths(), BATCH):
            batch = collate(rows, chosen, next(network.parameters()).device)
            gates.clear()
            with torch.set_grad_enabled(loss is not None):
                logits = network(batch)
            if loss is None:
                continue
            found = torch.autograd.grad(loss(logits, chosen), list(gates.values()))
            for name, slope in zip(gates, found, strict=True):
                slopes[name] = slopes.get(name, 0) + slope.abs().double().sum(dim=0)
    return {
        (place, part): _counted(module, sums[place, part], slopes.get((place, part)))
        if (place, part) in slopes or part == "units"
        else _by_head(_counted(module, sums[place, part], None), counts_of(encoder, place)[0])
        for place, part, module in outs(encoder, list(places))
    }


def _watch(
    name: tuple[int, str],
    heads: int,
    gates: dict[tuple[int, str], torch.Tensor],
    sums: dict[tuple[int, str], torch.Tensor],
) -> Callable[[Any, Any], Any]:
    """Notes the squares of what goes into a map, and puts a factor of one before each head."""

    def hook(module: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        told = given[0]
        squares = told.detach().double().square().flatten(0, -2).sum(dim=0)
        sums[name] = sums[name] + squares if name in sums else squares
        if not heads or not torch.is_grad_enabled():
            return given
        gate = torch.ones(len(told), heads, device=told.device, requires_grad=True)
        gates[name] = gate
        factors = gate.repeat_interleave(told.shape[-1] // heads, dim=1)
        return (told * factors.reshape(len(told), *[1] * (told.ndim - 2), -1), *given[1:])

    return hook


def _counted(module: Any, squares: torch.Tensor, slope: torch.Tensor | None) -> NDArray[np.float64]:
    if slope is not None:
        return slope.cpu().numpy()
    norms = module.weight.detach().double().norm(dim=0)
    return np.asarray((norms * squares.sqrt()).cpu().numpy())


def _by_head(numbers: NDArray[np.float64], heads: int) -> NDArray[np.float64]:
    return np.asarray(numbers.reshape(heads, -1).sum(axis=1))


@torch.no_grad()
def changes(encoder: AnyEncoder, rows: Rows) -> NDArray[np.float64]:
    """How much each block changes what goes through it: one less the mean cosine between what a
    pool makes of its input and of its output, shape (blocks,); infinite where these differ in size.

    Source: Men et al., "ShortGPT: Layers in Large Language Models are More Redundant Than You
    Expect", 2024, eq. 1, on means over tokens.
    """
    encoder.eval()
    found: list[float] = []
    pooled = list(_after_each(encoder, rows))
    for below, above in itertools.pairwise(pooled):
        if below.shape != above.shape:
            found.append(float("inf"))
            continue
        found.append(float(1 - functional.cosine_similarity(below, above, dim=1).mean()))
    return np.array(found)


def _after_each(encoder: AnyEncoder, rows: Rows) -> Iterator[torch.Tensor]:
    """The mean over places after so many blocks, of all rows, (rows, width), from the stem up."""
    count = len(encoder.blocks)
    parts: list[list[torch.Tensor]] = [[] for _ in range(count + 1)]
    for _, place, hidden, mask in through(encoder, rows, range(count)):
        parts[place].append(mean_of(encoder, hidden, mask))
    yield from (torch.cat(part) for part in parts)


def through(
    encoder: AnyEncoder, rows: Rows, kept: Sequence[int]
) -> Iterator[tuple[NDArray[np.int64], int, torch.Tensor, Any]]:
    """Batches of rows through these blocks: which rows, how many of the blocks, what they leave,
    and the mask."""
    device = next(encoder.parameters()).device
    for chosen in by_length(rows.lengths(), BATCH):
        batch = collate(rows, chosen, device)
        hidden, context, mask = started(encoder, batch)
        yield chosen, 0, hidden, mask
        for place, number in enumerate(kept, start=1):
            hidden = stepped(encoder, hidden, context, number)
            yield chosen, place, hidden, mask


def started(encoder: AnyEncoder, batch: Any) -> tuple[torch.Tensor, Any, Any]:
    """What the stem makes of a batch, what blocks share, and the mask (None of pictures)."""
    if isinstance(encoder, PictureEncoder):
        hidden = encoder.stem(batch.ids)
        return hidden, encoder.context(hidden), None
    mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
    hidden = encoder.stem(batch.ids, mask)
    return hidden, encoder.context(hidden, mask), mask


def stepped(encoder: AnyEncoder, hidden: torch.Tensor, context: Any, number: int) -> torch.Tensor:
    """What one block makes of what was left below."""
    return encoder.run(hidden, context, number, number + 1)


def mean_of(encoder: AnyEncoder, hidden: torch.Tensor, mask: Any) -> torch.Tensor:
    """The mean over the places of each row, (batch, width), in fp32."""
    if mask is None:
        assert isinstance(encoder, PictureEncoder)
        return encoder.pool(hidden, "mean").float()
    weights = mask.unsqueeze(-1).float()
    found: torch.Tensor = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)
    return found
