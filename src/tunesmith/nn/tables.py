"""Gradients of large embedding tables on a processor: one buffer for all steps, of which a step
writes the rows that it saw. Else each step takes and clears a new one: 35 ms of a step of
MiniLM-L6, whose table is half of its weights.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import torch
from torch import nn

LEAST = 2**20
"""Numbers of a table; smaller ones gain nothing."""


class Tables:
    """Within it, the large tables of a network that train give gradients of rows, which torch adds
    to the dense buffer that stands in `grad`: the very numbers that it gives otherwise."""

    def __init__(self, network: nn.Module, least: int = LEAST) -> None:
        self._tables = [
            module
            for module in network.modules()
            if type(module) is nn.Embedding
            and module.weight.requires_grad
            and module.weight.device.type == "cpu"
            and module.weight.numel() >= least
            and not (module.sparse or module.scale_grad_by_freq)
        ]
        self._kept = [torch.zeros_like(module.weight) for module in self._tables]

    def __enter__(self) -> Tables:
        for module in self._tables:
            module.sparse = True
        return self

    def __exit__(self, *why: object) -> None:
        for module in self._tables:
            # A loop left standing ends with Python, when torch is half gone: past its setter.
            vars(module)["sparse"] = False

    def clear(self, optimizer: torch.optim.Optimizer) -> None:
        """Begin a step: no gradient anywhere, zeros in the buffers."""
        optimizer.zero_grad(set_to_none=True)
        for module, kept in zip(self._tables, self._kept, strict=True):
            module.weight.grad = kept.zero_()
