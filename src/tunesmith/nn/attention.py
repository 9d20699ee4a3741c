"""Attention in bf16 on a processor whose way back is as quick as its way there.

torch's fused kernel goes back 4 times slower in bf16 than in fp32: 71 ms a block against 17 on an
AMD EPYC with avx512_bf16 (32 rows of 80 tokens, 12 heads of 32), more than a quarter of a training
step. The same in whole-batch products takes 9 ms, and keeps the weights of the tokens for it.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from typing import Any

import torch

MOST_SCORES = 2**26
"""Pairs of tokens, over all rows and heads, that are kept: 128 MiB a block. Above, torch's own
kernel, which keeps none, is not slower by much."""


class _Attention(torch.autograd.Function):
    """Softmax of scaled scores times values; the softmax in fp32.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, eq. 1.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor | None,
        scale: float,
    ) -> torch.Tensor:
        """Query (rows, heads, tokens, width), key and value (rows, heads, others, width), bias that
        broadcasts to (rows, heads, tokens, others) to the shape of the query."""
        rows, heads, tokens, width = query.shape
        flat = [
            x.reshape(rows * heads, x.shape[2], x.shape[3]) for x in (query * scale, key, value)
        ]
        scores = torch.bmm(flat[0], flat[1].transpose(1, 2))
        if bias is not None:
            scores.view(rows, heads, tokens, -1).add_(bias)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(scores.dtype)
        ctx.save_for_backward(*flat, weights)
        ctx.scale, ctx.shape = scale, (rows, heads)
        answer = query.new_empty(rows, tokens, heads, width).transpose(1, 2)
        return answer.copy_(torch.bmm(weights, flat[2]).view(rows, heads, tokens, width))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, weights = ctx.saved_tensors
        grad = grads[0].reshape(query.shape)
        to_value = torch.bmm(weights.transpose(1, 2), grad)
        to_weights = torch.bmm(grad, value.transpose(1, 2))
        to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
        to_query = torch.bmm(to_scores, key).mul_(ctx.scale)
        to_key = torch.bmm(to_scores.transpose(1, 2), query)
        found = (x.view(*ctx.shape, *x.shape[1:]) for x in (to_query, to_key, to_value))
        return *found, None, None


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor | None:
    """What `scaled_dot_product_attention` answers, in bf16, with a quick way back; None where that
    gains nothing or is not done here: dropout, shared heads, a bias that learns, very long rows."""
    rows, heads, tokens, width = query.shape if query.ndim == 4 else (0, 0, 0, 0)
    is_ours = (
        torch.is_grad_enabled()
        and (query.requires_grad or key.requires_grad or value.requires_grad)
        and key.shape == value.shape == (rows, heads, key.shape[-2], width)
        and 0 < rows * heads * tokens * key.shape[-2] <= MOST_SCORES
        and not (dropout_p or enable_gqa or (attn_mask is not None and attn_mask.requires_grad))
    )
    if not is_ours:
        return None
    low = torch.bfloat16
    with torch.autocast("cpu", enabled=False):
        answer: torch.Tensor = _Attention.apply(  # type: ignore[no-untyped-call]
            query.to(low),
            key.to(low),
            value.to(low),
            _bias(attn_mask, is_causal, tokens, key.shape[2]),
            width**-0.5 if scale is None else scale,
        )
    return answer


def _bias(
    mask: torch.Tensor | None, is_causal: bool, tokens: int, others: int
) -> torch.Tensor | None:
    """What is added to the scores; the lowest number, not minus infinity, where nothing is to be
    seen, so that a token that sees nothing gets the mean and not NaN."""
    if is_causal:
        mask = torch.ones(tokens, others, dtype=torch.bool).tril()
    if mask is None or mask.dtype != torch.bool:
        return None if mask is None else mask.to(torch.bfloat16)
    lowest = torch.finfo(torch.bfloat16).min
    return torch.zeros(mask.shape, dtype=torch.bfloat16).masked_fill_(~mask, lowest)
