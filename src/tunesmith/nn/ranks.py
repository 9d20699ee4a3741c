"""Which blocks need additions of what rank: all begin with too much, and what counts least goes.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import need

SMOOTH, DOUBT = 0.85, 0.85
"""Of what counted so far, and of how much that wavered, the share kept at each step."""
AFTER = 0.2
"""Share of the training after which ranks are settled, an epoch at most."""


class Ranks:
    """The additions of some blocks, and how much each of their directions counts: the mean of the
    sizes of weight times gradient over a direction, smoothed, times how much that wavers.

    Source: Zhang et al., "AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning",
    ICLR 2023, equations 8 to 10; here of the two matrices that LoRA has, and settled once.
    """

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        layer_type = need("peft.tuners.lora", extra="text").LoraLayer
        self._pairs: list[tuple[int, Any, Any]] = []
        for number, block in enumerate(blocks):
            for module in block.modules():
                if isinstance(module, layer_type):
                    pair = module.lora_A["default"].weight, module.lora_B["default"].weight
                    self._pairs.append((number, *pair))
        self._count = len(blocks)
        self._sizes: list[torch.Tensor] = []
        self._wavers: list[torch.Tensor] = []
        self.is_settled = False

    @torch.no_grad()
    def look(self) -> None:
        """Note how much each direction counts by the gradients of the step that was done."""
        now = [
            (down * down.grad).abs().mean(dim=1) + (up * up.grad).abs().mean(dim=0)
            for _, down, up in self._pairs
        ]
        if not self._sizes:
            self._sizes, self._wavers = now, [torch.zeros_like(one) for one in now]
            return
        for place, one in enumerate(now):
            size = SMOOTH * self._sizes[place] + (1 - SMOOTH) * one
            waver = (one - size).abs()
            self._wavers[place] = DOUBT * self._wavers[place] + (1 - DOUBT) * waver
            self._sizes[place] = size

    @torch.no_grad()
    def settle(self, optimizer: torch.optim.Optimizer) -> list[int]:
        """Take away the half of all directions that counts least, for good; gives the rank that
        each block has left, the mean over its maps, rounded."""
        scores = [
            size * (waver + 1e-12) for size, waver in zip(self._sizes, self._wavers, strict=True)
        ]
        every = torch.cat(scores)
        order = torch.argsort(every, descending=True, stable=True)
        keeps = torch.zeros_like(every, dtype=torch.bool)
        keeps[order[: len(every) // 2]] = True
        parts = torch.split(keeps, [len(one) for one in scores])
        for (_, down, up), kept in zip(self._pairs, parts, strict=True):
            for weight, mask in ((down, kept[:, None]), (up, kept[None, :])):
                weight.mul_(mask)
                for tensor in optimizer.state.get(weight, {}).values():
                    if torch.is_tensor(tensor) and tensor.shape == weight.shape:
                        tensor.mul_(mask)
        self._hold()
        return self.left()

    def left(self) -> list[int]:
        """The rank that each block has, the mean over its maps, rounded."""
        found: list[list[int]] = [[] for _ in range(self._count)]
        for number, down, up in self._pairs:
            found[number].append(int(self._lives(down, up).sum()))
        return [round(sum(ranks) / max(1, len(ranks))) for ranks in found]

    def take_up(self) -> None:
        """Where a training goes on whose ranks were settled: what is gone stays gone."""
        alive = [self._lives(down, up).all() for _, down, up in self._pairs]
        if not all(alive):
            self._hold()

    def _hold(self) -> None:
        """What was taken away gets no gradient."""
        self.is_settled = True
        for _, down, up in self._pairs:
            lives = self._lives(down, up)
            down.register_hook(lambda grad, mask=lives[:, None]: grad * mask)
            up.register_hook(lambda grad, mask=lives[None, :]: grad * mask)

    @staticmethod
    def _lives(down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        return (down != 0).any(dim=1) | (up != 0).any(dim=0)
