"""The optimiser Lion. Imports torch: import this file where it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class LionOptimizer(torch.optim.Optimizer):
    """Steps by the sign of an interpolated momentum, with decoupled weight decay.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, Algorithm 2.
    """

    def __init__(
        self, params: Any, lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = closure() if closure else None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)
        return loss

    def _update(self, group: dict[str, Any], params: list[torch.Tensor]) -> None:
        fast, slow = group["betas"]
        grads = [p.grad for p in params if p.grad is not None]
        for p in params:
            self.state[p].setdefault("momentum", torch.zeros_like(p))
        momenta = [self.state[p]["momentum"] for p in params]
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        steps = torch._foreach_lerp(momenta, grads, 1 - fast)
        torch._foreach_sign_(steps)
        torch._foreach_add_(params, steps, alpha=-group["lr"])
        torch._foreach_lerp_(momenta, grads, 1 - slow)
