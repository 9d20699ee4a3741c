"""How timm's families of networks of pictures are taken apart.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Hidden = torch.Tensor
"""Of convolutional networks (batch, channels, height, width), else (batch, tokens, width); Swin's
are (batch, height, width, channels)."""


@dataclass(frozen=True)
class Family:
    """How one family of networks is taken apart.

    `blocks` are modules of the model, in order; `stem` gives the first hidden from normalised
    pixels (batch, 3, side, side); `step` runs block number i; `finish` follows the last block.
    """

    blocks: Callable[[Any], Sequence[nn.Module]]
    stem: Callable[[Any, torch.Tensor], Hidden]
    step: Callable[[Any, int, nn.Module, Hidden], Hidden] = lambda model, number, block, hidden: (
        block(hidden)
    )
    finish: Callable[[Any, Hidden], Hidden] = lambda model, hidden: hidden
    layout: str = "channels first"
    """Or "tokens", "channels last"."""
    any_size: bool = True
    """Whether pictures of other sizes than it was trained with can be read."""
    lora_targets: tuple[str, ...] = ()
    own_tokens: Callable[[Any], int] = lambda model: int(getattr(model, "num_prefix_tokens", 0))
    """How many tokens before those of the places stand for the whole."""


def _inner(parts: Any) -> list[nn.Module]:
    return [block for part in parts for block in part]


def _resnet_blocks(model: Any) -> list[nn.Module]:
    return _inner([model.layer1, model.layer2, model.layer3, model.layer4])


def _resnet_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    return model.maxpool(model.act1(model.bn1(model.conv1(pixels))))  # type: ignore[no-any-return]


def _efficientnet_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    return model.bn1(model.conv_stem(pixels))  # type: ignore[no-any-return]


def _staged(name: str) -> Callable[[Any], list[nn.Module]]:
    """The blocks of stages that begin with a change of resolution."""
    return lambda model: _inner(stage.blocks for stage in getattr(model, name))


def _with_downsample(name: str) -> Callable[[Any, int, nn.Module, Hidden], Hidden]:
    def step(model: Any, number: int, block: nn.Module, hidden: Hidden) -> Hidden:
        for stage in getattr(model, name):
            if len(stage.blocks) and stage.blocks[0] is block:
                hidden = stage.downsample(hidden)
        return block(hidden)  # type: ignore[no-any-return]

    return step


def _vit_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    tokens = model._pos_embed(model.patch_embed(pixels))
    return model.norm_pre(model.patch_drop(tokens))  # type: ignore[no-any-return]


def _eva_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    tokens, _ = model._pos_embed(model.patch_embed(pixels))
    return model.norm_pre(tokens)  # type: ignore[no-any-return]


def _eva_step(model: Any, number: int, block: nn.Module, hidden: Hidden) -> Hidden:
    turns = None if model.rope is None else model.rope.get_embed()
    return block(hidden, rope=turns)  # type: ignore[no-any-return]


def _swin_stem(model: Any, pixels: torch.Tensor) -> Hidden:
    return model.patch_embed(pixels)  # type: ignore[no-any-return]


_VIT = Family(
    lambda m: list(m.blocks),
    _vit_stem,
    finish=lambda m, hidden: m.norm(hidden),
    layout="tokens",
    lora_targets=("qkv",),
)
FAMILIES: Mapping[str, Family] = {
    "ResNet": Family(_resnet_blocks, _resnet_stem),
    "VGG": Family(lambda m: list(m.features), lambda m, pixels: pixels),
    "EfficientNet": Family(
        lambda m: _inner(m.blocks),
        _efficientnet_stem,
        finish=lambda m, hidden: m.bn2(m.conv_head(hidden)),
    ),
    "MobileNetV3": Family(lambda m: _inner(m.blocks), _efficientnet_stem),
    "ConvNeXt": Family(
        _staged("stages"),
        lambda m, pixels: m.stem(pixels),
        _with_downsample("stages"),
        lambda m, hidden: m.norm_pre(hidden),
    ),
    "VisionTransformer": _VIT,
    "VisionTransformerDistilled": _VIT,
    "SwinTransformer": Family(
        _staged("layers"),
        _swin_stem,
        _with_downsample("layers"),
        lambda m, hidden: m.norm(hidden),
        layout="channels last",
        any_size=False,
        lora_targets=("qkv",),
    ),
    "Eva": Family(
        lambda m: list(m.blocks),
        _eva_stem,
        _eva_step,
        lambda m, hidden: m.norm(hidden),
        layout="tokens",
        any_size=False,
        lora_targets=("qkv", "q_proj", "v_proj"),
    ),
}
"""By the class of timm's network. MobileNetV2 and EfficientNet-Lite are EfficientNets there, DeiT,
DINOv2 and CLIP's image towers VisionTransformers."""
