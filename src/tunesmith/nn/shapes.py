"""Networks made smaller: blocks that are left out, attention heads and feed-forward units that are
cut out of the weights of a block, so that what is left is a smaller network and not a masked one.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tunesmith.core.errors import ConfigError
from tunesmith.nn.encoder import Encoder
from tunesmith.nn.features import AnyEncoder
from tunesmith.nn.inside import INSIDE, Inside, Shape
from tunesmith.nn.picture_encoder import PictureEncoder

STAGES = ("stages", "layers")
"""Where networks of pictures hold the blocks of one resolution."""
ENDS = ("conv_head", "bn2")
"""What EfficientNets end with, which reads the channels of their last block."""


def inside_of(encoder: AnyEncoder) -> Inside | None:
    """How the blocks of a network are made; None where that is not known here."""
    return INSIDE.get(family_of(encoder))


def family_of(encoder: AnyEncoder) -> str:
    if isinstance(encoder, PictureEncoder):
        return type(encoder.model).__name__
    return str(encoder.model.config.model_type)


def with_blocks(encoder: AnyEncoder, kept: Sequence[int]) -> AnyEncoder:
    """The same network with these blocks alone; weights are shared with the one that was given.

    Raises:
        ConfigError: What is left does not fit together.
    """
    refuse_misfits(encoder, kept)
    found = copy.deepcopy(encoder, {id(p): p for p in encoder.parameters()})
    keep_blocks(found, kept)
    return found


def keep_blocks(encoder: AnyEncoder, kept: Sequence[int]) -> None:
    """Leave these blocks alone in a network."""
    if isinstance(encoder, PictureEncoder):
        _keep_in_pictures(encoder, kept)
        return
    blocks = encoder.blocks
    for number in reversed(range(len(blocks))):
        if number not in kept:
            del blocks[number]
    settings = encoder.model.config
    kinds = getattr(settings, "layer_types", None)
    settings.num_hidden_layers = len(kept)
    if kinds:
        settings.layer_types = [kinds[number] for number in kept]


def refuse_misfits(encoder: AnyEncoder, kept: Sequence[int]) -> None:
    """Refuse to leave out a block of pictures between others that changes resolution or channels:
    those above it would be given what they do not read.

    Raises:
        ConfigError: Names the block, by its number from 1.
    """
    if not isinstance(encoder, PictureEncoder):
        return
    for number in range(max(kept)):
        same = encoder.shape_at(number, encoder.size) == encoder.shape_at(number + 1, encoder.size)
        if number not in kept and not same:
            raise ConfigError(
                f"Block {number + 1} of this network cannot be skipped: it changes the size of "
                "what goes through. Skip others, or none."
            )


def skippable(encoder: AnyEncoder, kept: Sequence[int]) -> list[int]:
    """Of these blocks, those that may be left out: not the first, which the stem was made for, and
    of pictures none that changes resolution or channels."""
    if not isinstance(encoder, PictureEncoder):
        return [number for number in kept if number]
    sizes = [encoder.shape_at(number, encoder.size) for number in range(len(encoder.blocks) + 1)]
    return [number for number in kept if number and sizes[number] == sizes[number + 1]]


def _keep_in_pictures(encoder: PictureEncoder, kept: Sequence[int]) -> None:
    """The end of the trunk goes too where it reads other channels than there are now."""
    blocks = list(encoder.blocks)
    gone = {id(block) for number, block in enumerate(blocks) if number not in kept}
    misfits = _misfits_end(encoder, kept[-1] + 1)
    for part in list(encoder.model.modules()):
        if isinstance(part, nn.Sequential | nn.ModuleList):
            for place in reversed(range(len(part))):
                if id(part[place]) in gone:
                    del part[place]
    for name, stages in encoder.model.named_children():
        if name in STAGES and isinstance(stages, nn.Sequential | nn.ModuleList):
            for place in reversed(range(len(stages))):
                inner = dict(stages[place].named_children()).get("blocks")
                if isinstance(inner, nn.Sequential | nn.ModuleList) and not len(inner):
                    del stages[place]
    for name in ENDS if misfits else ():
        setattr(encoder.model, name, nn.Identity())
    encoder.forget_shapes()


def _misfits_end(encoder: PictureEncoder, cut: int) -> bool:
    """Whether the end of the trunk reads other channels than so many blocks leave."""
    ending = dict(encoder.model.named_children()).get("conv_head")
    if not isinstance(ending, nn.Conv2d) or cut == len(encoder.blocks):
        return False
    if "bn2" not in dict(encoder.model.named_children()):
        return False
    return encoder.shape_at(cut, encoder.size)[0] != ending.in_channels


def prune(encoder: AnyEncoder, place: int, heads: Sequence[int], units: Sequence[int]) -> None:
    """Keep these attention heads and feed-forward units of a block, all where none is named."""
    inside, block = inside_of(encoder), encoder.blocks[place]
    assert inside is not None
    if len(heads):
        size = head_width(encoder)
        rows = np.concatenate([np.arange(head * size, (head + 1) * size) for head in heads])
        for name in (inside.query, inside.key, inside.value):
            _keep_rows(block.get_submodule(name), rows)
        _keep_columns(block.get_submodule(inside.out), rows)
    if len(units):
        for name in inside.up:
            _keep_rows(block.get_submodule(name), np.asarray(units))
        _keep_columns(block.get_submodule(inside.down), np.asarray(units))


def reshape(encoder: AnyEncoder, shape: Shape) -> None:
    """Give a network whose weights are about to be set the shape of one that was made smaller; a
    language model's config tells its number of blocks already.

    Raises:
        ValueError: It cannot have that shape.
    """
    if isinstance(encoder, PictureEncoder) and len(shape.blocks) < shape.of:
        if len(encoder.blocks) != shape.of:
            raise ValueError(f"it has {len(encoder.blocks)} blocks, not {shape.of}")
        _keep_in_pictures(encoder, shape.blocks)
    if len(encoder.blocks) != len(shape.blocks):
        raise ValueError(f"it has {len(encoder.blocks)} blocks, not {len(shape.blocks)}")
    for place in range(len(shape.blocks)):
        heads = range(shape.heads[place]) if shape.heads else ()
        units = range(shape.units[place]) if shape.units else ()
        if not (len(heads) or len(units)):
            continue
        most = counts_of(encoder, place)
        if len(heads) > most[0] or len(units) > most[1]:
            raise ValueError(f"block {place} has {most[0]} heads and {most[1]} units")
        prune(encoder, place, heads, units)


def head_width(encoder: AnyEncoder) -> int:
    settings = encoder.model.config
    return int(settings.hidden_size // settings.num_attention_heads)


def counts_of(encoder: AnyEncoder, place: int) -> tuple[int, int]:
    """Attention heads and feed-forward units of a block; 0 where they cannot be taken out."""
    inside = inside_of(encoder)
    if inside is None:
        return 0, 0
    block = encoder.blocks[place]
    down: Any = block.get_submodule(inside.down)
    if not inside.out:
        return 0, int(down.in_features)
    out: Any = block.get_submodule(inside.out)
    return int(out.in_features) // head_width(encoder), int(down.in_features)


def _keep_rows(linear: Any, rows: NDArray[np.int64]) -> None:
    _set(linear, linear.weight[rows], None if linear.bias is None else linear.bias[rows])
    linear.out_features = len(rows)


def _keep_columns(linear: Any, columns: NDArray[np.int64]) -> None:
    _set(linear, linear.weight[:, columns], linear.bias)
    linear.in_features = len(columns)


def _set(linear: Any, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    trains = linear.weight.requires_grad
    linear.weight = nn.Parameter(weight.detach().clone().contiguous(), trains)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().clone(), trains)


def outs(
    encoder: Encoder | PictureEncoder, places: Sequence[int]
) -> Iterator[tuple[int, str, Any]]:
    """Of each of these blocks the maps that read heads ("heads") and units ("units")."""
    inside = inside_of(encoder)
    for place in places if inside else ():
        assert inside is not None
        if inside.out:
            yield place, "heads", encoder.blocks[place].get_submodule(inside.out)
        yield place, "units", encoder.blocks[place].get_submodule(inside.down)
