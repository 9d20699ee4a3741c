"""Layers of the blocks of a network by others of their kind that keep every weight: what bends in
the feed-forward part, and layer norms by norms of the root mean square.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

from tunesmith.nn.features import AnyEncoder
from tunesmith.nn.inside import OWN
from tunesmith.nn.shapes import inside_of


class QuickGelu(nn.Module):
    """x times the logistic function of 1.702 x, which is near a GELU.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2.
    """

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden * torch.sigmoid(1.702 * hidden)


class RootMeanSquare(nn.Module):
    """What a layer norm is without the mean that it takes away, with its scale and its shift.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019, equation 4.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.shape, self.eps = list(norm.normalized_shape), norm.eps

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        found = nn.functional.rms_norm(hidden.float(), self.shape, self.weight, self.eps)
        return (found if self.bias is None else found + self.bias).to(hidden.dtype)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "quick_gelu": QuickGelu,
    "relu": nn.ReLU,
}
NORMS: Mapping[str, Callable[[nn.LayerNorm], nn.Module]] = {"rms": RootMeanSquare}


def change(encoder: AnyEncoder, count: int, activation: str, norm: str) -> None:
    """Let the top `count` blocks bend and be normed so, in place; "own" leaves what is there. All
    weights stay as they are, under their names.

    Raises:
        ValueError: It has no such blocks, or there is no such kind.
    """
    inside = inside_of(encoder)
    is_known = activation in (OWN, *ACTIVATIONS) and norm in (OWN, *NORMS)
    if inside is None or not inside.bend or not is_known or not 0 <= count <= len(encoder.blocks):
        raise ValueError(f"no {count} blocks here can have {activation!r} and norm {norm!r}")
    for block in encoder.blocks[len(encoder.blocks) - count :]:
        if activation != OWN:
            _put(block, inside.bend, ACTIVATIONS[activation]())
        for path, one in list(block.named_modules()) if norm != OWN else ():
            if isinstance(one, nn.LayerNorm):
                _put(block, path, NORMS[norm](one))


def _put(block: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(block.get_submodule(parent), name, module)
