"""Depthwise convolutions of networks in bf16 on a processor, where their way back is slow in it.

Convolutions of one channel each go back in bf16 by a kernel of last resort where they stride or
reach beyond 3 x 3: 36 ms against 4 in fp32 (96 channels of 48 x 48, 32 pictures, stride 2, two
cores of an AMD EPYC with avx512_bf16), 49 against 5 with 5 x 5. Others are quicker in bf16.

In fp32 there is a quick kernel for the gradient of weights no wider than 3. Wider ones are taken in
parts of that width, where there is no stride: see `Wide`.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import conv2d, pad

QUICK_SIDE = 3


def convolve(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> torch.Tensor | None:
    """What `conv2d` answers, in fp32 there and back; None where that gains nothing: nothing goes
    back, channels are not by themselves, or the kernel is one that is quick in bf16."""
    is_ours = (
        groups > 1
        and groups == weight.shape[0]
        and torch.is_grad_enabled()
        and (input.requires_grad or weight.requires_grad)
        and (max(weight.shape[2:]) > QUICK_SIDE or _most(stride) > 1)
    )
    if not is_ours:
        return None
    with torch.autocast("cpu", enabled=False):
        given = None if bias is None else bias.float()
        is_plain = _most(stride) == _most(dilation) == 1 and not isinstance(padding, str)
        if is_plain and weight.shape[3] > QUICK_SIDE and input.ndim == 4:
            answer = Wide.apply(  # type: ignore[no-untyped-call]
                input.float(), weight.float(), given, _both(padding)
            )
        else:
            answer = conv2d(input.float(), weight.float(), given, stride, padding, dilation, groups)
        return answer.to(torch.bfloat16)  # type: ignore[no-any-return]


class Wide(torch.autograd.Function):
    """A depthwise convolution in fp32 that moves by one place, with a kernel wider than 3. The
    gradient of its weights is that of kernels of 3 columns, over a part of the columns of the
    picture each: 29 ms became 8 (1,152 channels of 5 x 5, 32 pictures, kernel 5 x 5, one core)."""

    @staticmethod
    def forward(
        ctx: Any,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        padding: tuple[int, int],
    ) -> torch.Tensor:
        ctx.save_for_backward(input, weight)
        ctx.padding = padding
        return conv2d(input, weight, bias, padding=padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *upon: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (input, weight), (grad,) = ctx.saved_tensors, upon
        wants = ctx.needs_input_grad
        below = _back(grad, input, weight, ctx.padding, "input") if wants[0] else None
        own = weight_gradient(grad, input, weight, ctx.padding) if wants[1] else None
        return below, own, grad.sum((0, 2, 3)) if wants[2] else None, None


def weight_gradient(
    grad: torch.Tensor, input: torch.Tensor, weight: torch.Tensor, padding: tuple[int, int]
) -> torch.Tensor:
    """Of a depthwise convolution that moves by one place: column by column of the kernel, three at
    a time; shape of `weight` (channels, 1, height, width)."""
    high, wide = weight.shape[2:]
    rows = padding[0]
    if input.shape[2] < high:  # the quick kernel takes no picture that is lower than itself
        input, rows = pad(input, (0, 0, rows, rows)), 0
    found = torch.empty_like(weight)
    narrow = weight[..., :QUICK_SIDE].contiguous()
    reach = grad.shape[3] + QUICK_SIDE - 1
    for start in (*range(0, wide - QUICK_SIDE, QUICK_SIDE), wide - QUICK_SIDE):
        first = start - padding[1]
        outside = (-first, first + reach - input.shape[3])  # cuts off where below zero
        part = pad(input, outside).contiguous(memory_format=torch.channels_last)
        columns = slice(start, start + QUICK_SIDE)
        found[..., columns] = _back(grad, part, narrow, (rows, 0), "weight")
    return found


def _back(
    grad: torch.Tensor,
    input: torch.Tensor,
    weight: torch.Tensor,
    padding: tuple[int, int],
    of: str,
) -> torch.Tensor:
    """The gradient of the input or of the weight, by torch's own kernel."""
    wanted = [of == "input", of == "weight", False]
    found = torch.ops.aten.convolution_backward(
        grad, input, weight, None, (1, 1), padding, (1, 1), False, (0, 0), len(weight), wanted
    )
    return found[wanted.index(True)]  # type: ignore[no-any-return]


def _most(told: Any) -> int:
    return int(told if isinstance(told, int) else max(told))


def _both(padding: Any) -> tuple[int, int]:
    return (padding, padding) if isinstance(padding, int) else (padding[0], padding[-1])
