"""Networks that read pictures, seen as a stem, ordered blocks and a pool.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.nn.picture_families import FAMILIES, Hidden
from tunesmith.nn.picture_towers import TOWERS

STRIDE = 32
"""Of convolutional networks, from the picture to the last block."""


class PictureEncoder(nn.Module):
    """A pretrained network of timm or transformers as `stem`, `blocks` and `run`.

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
        self.family = {**FAMILIES, **TOWERS}[type(model).__name__]
        self.lora_targets = self.family.lora_targets
        self.size, self.any_size, self.shape = size, self.family.any_size, dict(shape)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)
        self._shapes: dict[tuple[int, int], tuple[int, ...]] = {}

    @property
    def blocks(self) -> Sequence[nn.Module]:
        return self.family.blocks(self.model)

    @property
    def ends(self) -> bool:
        """Whether anything may follow the last block; of pictures it is not looked into."""
        return True

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
        own = getattr(self.model, "patch_embed", None)
        return int(self.model.config.patch_size if own is None else own.patch_size[0])

    def readable(self, side: int) -> int:
        """The nearest side that it reads: of whole patches where it sees patches, its own where it
        reads no other."""
        if not self.any_size:
            return self.size
        if self.family.layout != "tokens":
            return side
        return max(1, round(side / self.side_multiple)) * self.side_multiple

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
        """Run blocks start..stop (all by default); what ends the trunk follows the last. What comes
        from the store, place by place within a channel, is laid out as the stem leaves it, channel
        by channel within a place: batch normalisation takes several times as long otherwise."""
        if self.family.layout == "channels first":
            hidden = hidden.contiguous(memory_format=torch.channels_last)
        blocks = self.blocks
        stop = len(blocks) if stop is None else stop
        for number in range(start, stop):
            hidden = self.family.step(self.model, number, blocks[number], hidden)
        return self.family.finish(self.model, hidden) if stop == len(blocks) else hidden

    def forward(self, pixels: torch.Tensor) -> Hidden:
        """What follows the last block."""
        return self.run(self.stem(pixels))

    @property
    def pools(self) -> tuple[str, ...]:
        """How one vector comes of the places: "first" where a token of its own stands for the
        whole."""
        has_own = self.family.layout == "tokens" and self.family.own_tokens(self.model)
        return ("mean", "max", "attention", "generalised", *(("first",) if has_own else ()))

    def pool(self, hidden: Hidden, kind: str) -> torch.Tensor:
        """One vector a picture, (batch, channels): "mean" or "max" over places, or the "first"
        token where the family has one of its own for the whole, else the mean."""
        layout = self.family.layout
        if layout == "tokens":
            own = self.family.own_tokens(self.model)
            if kind == "first" and own:
                return hidden[:, 0]
            places = hidden[:, own:]
            return places.amax(dim=1) if kind == "max" else places.mean(dim=1)
        axes = (2, 3) if layout == "channels first" else (1, 2)
        return hidden.amax(dim=axes) if kind == "max" else hidden.mean(dim=axes)

    def places(self, hidden: Hidden) -> torch.Tensor:
        """The vectors of the places, (batch, places, channels), without those of the whole."""
        layout = self.family.layout
        if layout == "tokens":
            return hidden[:, self.family.own_tokens(self.model) :]
        if layout == "channels first":
            return hidden.flatten(2).transpose(1, 2)
        return hidden.flatten(1, 2)

    def grid(self, hidden: Hidden) -> torch.Tensor:
        """The vectors of the places, (batch, height, width, channels), without those of the whole;
        of places that make no square in one line."""
        layout = self.family.layout
        if layout == "channels first":
            return hidden.permute(0, 2, 3, 1)
        if layout == "channels last":
            return hidden
        places = self.places(hidden)
        rows, count, channels = places.shape
        side = math.isqrt(count)
        sides = (side, side) if side**2 == count else (1, count)
        return places.reshape(rows, *sides, channels)

    def with_grid(self, hidden: Hidden, grid: torch.Tensor) -> Hidden:
        """What the last block leaves with these vectors in the places of what `grid` gave."""
        layout = self.family.layout
        if layout == "channels first":
            return grid.permute(0, 3, 1, 2)
        if layout == "channels last":
            return grid
        own = hidden[:, : self.family.own_tokens(self.model)]
        return torch.cat([own, grid.flatten(1, 2)], dim=1)

    def quarters(self, hidden: Hidden) -> torch.Tensor:
        """The means over the four quarters of a picture, (batch, channels * 4); of places that make
        no square over four parts of their row."""
        layout = self.family.layout
        if layout == "channels first":
            places = hidden
        elif layout == "tokens":
            places = hidden[:, self.family.own_tokens(self.model) :].transpose(1, 2)
            side = math.isqrt(places.shape[2])
            if side**2 != places.shape[2]:
                return nn.functional.adaptive_avg_pool1d(places, 4).flatten(1)
            places = places.reshape(*places.shape[:2], side, side)
        else:
            places = hidden.permute(0, 3, 1, 2)
        return nn.functional.adaptive_avg_pool2d(places, 2).flatten(1)

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

    def forget_shapes(self) -> None:
        """Blocks were taken out: what they leave is looked at anew."""
        self._shapes = {}
