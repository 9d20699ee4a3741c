"""Narrow networks beside the identity, put after linear maps of a block.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tunesmith.nn.inside import Inside


class Narrowed(nn.Module):
    """A linear map, and what a narrow network makes of its answer added to it."""

    def __init__(self, base: Any, width: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.out_features, width).to(base.weight)
        self.up = nn.Linear(width, base.out_features).to(base.weight)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    @property
    def in_features(self) -> int:
        return int(self.base.in_features)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.base(given)
        return answer + self.up(nn.functional.gelu(self.down(answer)))  # type: ignore[no-any-return]


def insert(block: nn.Module, inside: Inside, width: int) -> None:
    """Put one after attention, where that is known by name, and one after the feed-forward part."""
    for path in filter(None, (inside.out, inside.down)):
        parent, _, name = path.rpartition(".")
        within = block.get_submodule(parent)
        setattr(within, name, Narrowed(block.get_submodule(path), width))
