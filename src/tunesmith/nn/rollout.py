"""How attention carries tokens up through a network, from the weights that it gives on the way.

The weights are read off as they are made: within `Watching`, attention is computed in a way that
shows them, whichever model asks and by whichever kernel. No setting of a model is touched, so that
none has to be put back. Imports torch: import this file where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

SOFTMAXES = (functional.softmax, torch.softmax, torch.Tensor.softmax)
"""What a block that does not ask for fused attention ends its scores with."""


class Watching(TorchFunctionMode):
    """Within it the weights of every attention of one row are noted, each the mean over its heads,
    (tokens, tokens)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            answer, weights = attended(*args, **kwargs)
            self._note(weights)
            return answer
        found = func(*args, **kwargs)
        if func in SOFTMAXES:
            self._note(found)
        return found

    def _note(self, weights: torch.Tensor) -> None:
        if weights.ndim == 4 and len(weights) == 1 and weights.shape[2] == weights.shape[3]:
            self.seen.append(weights[0].detach().cpu().double().mean(dim=0))


def attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `scaled_dot_product_attention` answers, without dropout, and the weights of it, (rows,
    heads, tokens, others).

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, eq. 1.
    """
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
    width = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.transpose(-2, -1) * width
    if is_causal:
        attn_mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        hidden = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if hidden else scores + attn_mask
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


@torch.no_grad()
def rolled_out(run: Callable[[], object], *, pool: str, own: int = 0) -> torch.Tensor | None:
    """How much of each place of one row gets into what is read of the last block, (tokens,): shares
    of one. The weights of all blocks are gone through one after the other, half of each being the
    way past its attention. The last block is read at its "first" place, its "final" one, or, by any
    other `pool`, all behind the first `own`. None where blocks give no weights of all places to
    all.

    Source: Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3.
    """
    with Watching() as watching:
        run()
    seen = watching.seen
    if not seen or len({one.shape for one in seen}) > 1:
        return None
    carried = same = torch.eye(len(seen[0]), dtype=torch.float64)
    for weights in seen:
        mixed = 0.5 * weights + 0.5 * same
        carried = (mixed / mixed.sum(dim=1, keepdim=True)) @ carried
    if pool == "first":
        return carried[0]
    return carried[-1] if pool == "final" else carried[own:].mean(dim=0)
