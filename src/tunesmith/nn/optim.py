"""Optimisers as configs, parameter groups with layer-wise decay, learning-rate schedules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from tunesmith.core.space import Choice, Linear, Log, config

if TYPE_CHECKING:
    import torch

Groups = list[dict[str, Any]]


@config
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    weight_decay: Annotated[float, Log(1e-4, 0.3)] = 0.01
    """Pull of every weight matrix towards zero; biases and norms have none."""
    beta2: Annotated[float, Choice(0.95, 0.98, 0.999)] = 0.98
    """Memory of the squared gradient: shorter suits short runs."""

    def build(self, groups: Groups, lr: float) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(
            groups, lr=lr, betas=(0.9, self.beta2), weight_decay=self.weight_decay, fused=True
        )


@config
class SGD:
    """Stochastic gradient descent with Nesterov momentum; wants a far higher learning rate."""

    momentum: Annotated[float, Linear(0.8, 0.99)] = 0.9
    """Share of the last step kept."""
    weight_decay: Annotated[float, Log(1e-6, 1e-2)] = 1e-4
    """Pull of every weight matrix towards zero."""
    boost: Annotated[float, Log(30.0, 3000.0)] = 300.0
    """Times the learning rate of the adaptive optimisers."""

    def build(self, groups: Groups, lr: float) -> torch.optim.Optimizer:
        import torch

        for group in groups:
            group["lr"] = group.get("lr", lr) * self.boost
        return torch.optim.SGD(
            groups,
            lr=lr * self.boost,
            momentum=self.momentum,
            nesterov=True,
            weight_decay=self.weight_decay,
        )


@config
class Lion:
    """Lion (Chen et al. 2023): steps by sign; wants a lower learning rate and a stronger decay."""

    weight_decay: Annotated[float, Log(1e-3, 1.0)] = 0.1
    """Pull of every weight matrix towards zero."""
    damp: Annotated[float, Log(0.05, 0.5)] = 0.2
    """Times the learning rate of the other adaptive optimisers."""

    def build(self, groups: Groups, lr: float) -> torch.optim.Optimizer:
        from tunesmith.nn.lion import LionOptimizer

        for group in groups:
            group["lr"] = group.get("lr", lr) * self.damp
        return LionOptimizer(
            groups, lr=lr * self.damp, betas=(0.9, 0.99), weight_decay=self.weight_decay
        )


def groups(
    layers: list[list[torch.nn.Parameter]], lr: float, decay: float, no_decay: set[int]
) -> Groups:
    """Parameter groups from the head (first) down to the stem: each layer's learning rate is
    `decay` times that of the layer above. `no_decay` holds ids of parameters without weight decay
    (biases and norms).

    Source: Howard & Ruder, "Universal Language Model Fine-tuning", ACL 2018, section 3.2.
    """
    found: Groups = []
    for depth, params in enumerate(layers):
        rate = lr * decay**depth
        for bare in (False, True):
            chosen = [p for p in params if p.requires_grad and (id(p) in no_decay) == bare]
            if chosen:
                settings = {"weight_decay": 0.0} if bare else {}
                found.append({"params": chosen, "lr": rate, **settings})
    return found


def factor(schedule: str, progress: float, warmup: float) -> float:
    """Share of the peak learning rate at a progress in [0, 1]: a linear rise over the share
    `warmup`, then "linear" or "cosine" down to zero, or "constant"."""
    if progress < warmup:
        return max(progress / warmup, 0.02)
    rest = min(1.0, (progress - warmup) / max(1e-9, 1 - warmup))
    if schedule == "linear":
        return 1 - rest
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    return 1.0
