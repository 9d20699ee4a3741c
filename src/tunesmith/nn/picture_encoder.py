"""Networks that read pictures, seen as a stem, ordered blocks and a pool.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

STRIDE = 32
"""Of convolutional networks, from the picture to the last block."""
Hidden = torch.Tensor
"""Of convolutional networks (batch, channels, height, width), else (batch, tokens, width); Swin's
are (batch, height, width, channels)."""


@dataclass(frozen=True)
class Family:
    """How one family of timm's networks is taken apart.

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
            if stage.blocks[0] is block:
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


class PictureEncoder(nn.Module):
    """A pretrained network of timm as `stem`, `blocks` and `run`.

    `size` is the side of a picture in pixels that it was trained with, `mean` and `std` are of
    pixels from 0 to 1, `shape` tells how it was made (see `zoo/pictures.py`).
    """

    reads_pictures = True
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        model: Any,
        *,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        shape: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.family = FAMILIES[type(model).__name__]
        self.lora_targets = self.family.lora_targets
        self.size, self.any_size, self.shape = size, self.family.any_size, dict(shape)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)
        self._shapes: dict[tuple[int, int], tuple[int, ...]] = {}

    @property
    def blocks(self) -> Sequence[nn.Module]:
        return self.family.blocks(self.model)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels after the stem and after each block, and what follows the last."""
        return tuple(
            self.shape_at(count, self.size)[self._channels] for count in range(len(self.blocks) + 1)
        )

    @property
    def width(self) -> int:
        """Numbers that a pool makes of what follows the last block."""
        return self.widths[-1]

    @property
    def side_multiple(self) -> int:
        """Sides that it reads well are multiples of this: its patches, or what its strides come
        to."""
        if self.family.layout != "tokens":
            return STRIDE
        return int(self.model.patch_embed.patch_size[0])

    @property
    def _channels(self) -> int:
        return 0 if self.family.layout == "channels first" else -1

    def stem(self, pixels: torch.Tensor) -> Hidden:
        """Pixels from 0 to 255, (batch, side, side, 3), to the first hidden."""
        scaled = pixels.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
        scaled = scaled.contiguous(memory_format=torch.channels_last)
        return self.family.stem(self.model, (scaled - self.mean) / self.std)

    def context(self, hidden: Hidden) -> object:
        """Nothing is shared by the blocks."""
        return None

    def run(
        self, hidden: Hidden, context: object = None, start: int = 0, stop: int | None = None
    ) -> Hidden:
        """Run blocks start..stop (all by default); what ends the trunk follows the last."""
        blocks = self.blocks
        stop = len(blocks) if stop is None else stop
        for number in range(start, stop):
            hidden = self.family.step(self.model, number, blocks[number], hidden)
        return self.family.finish(self.model, hidden) if stop == len(blocks) else hidden

    def forward(self, pixels: torch.Tensor) -> Hidden:
        """What follows the last block."""
        return self.run(self.stem(pixels))

    def pool(self, hidden: Hidden, kind: str) -> torch.Tensor:
        """One vector a picture, (batch, channels): "mean" or "max" over places, or the "first"
        token where the family has one of its own for the whole, else the mean."""
        layout = self.family.layout
        if layout == "tokens":
            own = int(getattr(self.model, "num_prefix_tokens", 0))
            if kind == "first" and own:
                return hidden[:, 0]
            places = hidden[:, own:]
            return places.amax(dim=1) if kind == "max" else places.mean(dim=1)
        axes = (2, 3) if layout == "channels first" else (1, 2)
        return hidden.amax(dim=axes) if kind == "max" else hidden.mean(dim=axes)

    @torch.no_grad()
    def shape_at(self, cut: int, size: int) -> tuple[int, ...]:
        """Of what so many blocks leave of one picture of a size, without the batch."""
        if (cut, size) not in self._shapes:
            was, weights = self.training, next(self.parameters())
            self.eval()
            hidden = self.stem(
                torch.zeros(1, size, size, 3, dtype=torch.uint8, device=weights.device)
            )
            for place in range(len(self.blocks) + 1):
                hidden = self.run(hidden, None, place - 1, place) if place else hidden
                self._shapes[place, size] = tuple(hidden.shape[1:])
            self.train(was)
        return self._shapes[cut, size]
