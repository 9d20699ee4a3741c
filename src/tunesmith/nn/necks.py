"""What may stand between a backbone and its pool: a small convolution, or attention, over the
vectors of the tokens of a text or of the places of a picture.

Each begins as the identity, so that a head that suits the backbone as it is suits it still. Imports
torch: import this file where it is used.
"""

from __future__ import annotations

import math

import torch
from torch import nn

KERNEL = 3
HEAD_WIDTH = 32
"""Numbers of an attention head, where the width is a multiple of that."""


class Convolution(nn.Module):
    """A narrow map of each vector, a depthwise convolution over its neighbours, and a map back,
    beside the identity. `axes` is 1 for tokens in a line and 2 for places in a grid.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
    with a layer norm before it, as in Liu et al., "A ConvNet for the 2020s", CVPR 2022.
    """

    def __init__(self, width: int, inner: int, axes: int) -> None:
        super().__init__()
        convolution = nn.Conv1d if axes == 1 else nn.Conv2d
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, inner)
        self.convolution = convolution(inner, inner, KERNEL, padding=KERNEL // 2, groups=inner)
        self.up = _begun_at_zero(inner, width)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Of vectors (batch, tokens, width) with their mask (batch, tokens), or (batch, height,
        width, channels), the same shape."""
        inner = self.down(self.norm(hidden))
        if mask is not None:  # what is outside is as what is beyond the end
            inner = inner * mask.unsqueeze(-1).to(inner.dtype)
        seen = self.convolution(inner.movedim(-1, 1)).movedim(1, -1)
        return hidden + self.up(nn.functional.gelu(seen))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Attention of every vector to all of its row, beside the identity, after a layer norm.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2; the norm before
    it as in Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.heads = math.gcd(inner, max(1, inner // HEAD_WIDTH))
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.up = _begun_at_zero(inner, width)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Of vectors (batch, tokens, width) with their mask (batch, tokens), or (batch, height,
        width, channels), the same shape."""
        normed = self.norm(hidden.flatten(1, -2))
        query, key, value = (
            part(normed).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        inside = None if mask is None else mask[:, None, None, :].bool()
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=inside)
        return hidden + self.up(seen.transpose(1, 2).flatten(2)).view_as(hidden)  # type: ignore[no-any-return]


def neck(kind: str, width: int, inner: int, axes: int) -> nn.Module | None:
    """One for vectors of a width, so wide inside; None where the kind is "none".

    Raises:
        ValueError: There is none of that kind.
    """
    if kind == "none":
        return None
    if kind == "convolution":
        return Convolution(width, inner, axes)
    if kind == "attention":
        return Attention(width, inner)
    raise ValueError(f"there is no neck {kind!r}")


def _begun_at_zero(inner: int, width: int) -> nn.Linear:
    made = nn.Linear(inner, width)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    return made
