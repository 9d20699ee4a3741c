"""How transformers' families of networks of pictures are taken apart.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.nn.picture_families import Family, Hidden

LORA = ("q_proj", "v_proj")


def _embed(model: Any, pixels: torch.Tensor) -> Hidden:
    return model.embeddings(pixels)  # type: ignore[no-any-return]


def _stretched(model: Any, pixels: torch.Tensor) -> Hidden:
    """Tokens with position embeddings that are stretched to pictures of other sizes."""
    return model.embeddings(  # type: ignore[no-any-return]
        pixels, interpolate_pos_encoding=True
    )


def _clip_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    return model.pre_layrnorm(_stretched(model, pixels))  # type: ignore[no-any-return]


def _masked(model: Any, number: int, block: nn.Module, hidden: Hidden) -> Hidden:
    return block(hidden, None)  # type: ignore[no-any-return]


def _staged_blocks(model: Any) -> list[nn.Module]:
    return [block for stage in model.encoder.stages for block in stage.layers]


def _convnext_step(model: Any, number: int, block: nn.Module, hidden: Hidden) -> Hidden:
    for stage in model.encoder.stages:
        if stage.layers[0] is block:
            for layer in stage.downsampling_layer:
                hidden = layer(hidden)
    return block(hidden)  # type: ignore[no-any-return]


def _swin_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    tokens, (height, width) = model.embeddings(pixels)
    return tokens.unflatten(1, (height, width))  # type: ignore[no-any-return]


def _swin_step(model: Any, number: int, block: nn.Module, hidden: Hidden) -> Hidden:
    """A stage begins with what ends the one before: every second row and column go."""
    stages = model.encoder.layers
    for before, stage in itertools.pairwise(stages):
        if stage.blocks[0] is block:
            height, width = hidden.shape[1:3]
            merged = before.downsample(hidden.flatten(1, 2), (height, width))
            hidden = merged.unflatten(1, ((height + 1) // 2, (width + 1) // 2))
    height, width = hidden.shape[1:3]
    tokens, _ = block(hidden.flatten(1, 2), (height, width))
    return tokens.unflatten(1, (height, width))  # type: ignore[no-any-return]


def _tokens(
    blocks: Callable[[Any], Sequence[nn.Module]],
    own_tokens: Callable[[Any], int],
    *,
    stem: Callable[[Any, torch.Tensor], Hidden] = _stretched,
    norm: str = "layernorm",
) -> Family:
    """A transformer over patches, whose last norm has a name."""
    return Family(
        blocks,
        stem,
        _masked,
        lambda model, hidden: getattr(model, norm)(hidden),
        layout="tokens",
        lora_targets=LORA,
        own_tokens=own_tokens,
    )


def _in_encoder(name: str) -> Callable[[Any], list[nn.Module]]:
    return lambda model: list(getattr(model.encoder, name))


_CONVNEXT = Family(_staged_blocks, _embed, _convnext_step)
TOWERS: Mapping[str, Family] = {
    "ViTModel": _tokens(lambda m: list(m.layers), lambda m: 1),
    "DeiTModel": _tokens(lambda m: list(m.layers), lambda m: 2),
    "Dinov2Model": _tokens(_in_encoder("layer"), lambda m: 1, stem=_embed),
    "Dinov2WithRegistersModel": _tokens(
        _in_encoder("layer"), lambda m: 1 + m.config.num_register_tokens, stem=_embed
    ),
    "CLIPVisionModel": _tokens(
        _in_encoder("layers"), lambda m: 1, stem=_clip_stem, norm="post_layernorm"
    ),
    "SiglipVisionModel": _tokens(_in_encoder("layers"), lambda m: 0, norm="post_layernorm"),
    "ConvNextModel": _CONVNEXT,
    "ConvNextV2Model": _CONVNEXT,
    "ResNetModel": Family(_staged_blocks, lambda m, pixels: m.embedder(pixels)),
    "SwinModel": Family(
        lambda m: [block for stage in m.encoder.layers for block in stage.blocks],
        _swin_stem,
        _swin_step,
        lambda m, hidden: m.layernorm(hidden),
        layout="channels last",
        any_size=False,
        lora_targets=LORA,
    ),
}
"""By the class of transformers' network. Of CLIP every token passes the norm that its pooled answer
has passed, as in timm."""
