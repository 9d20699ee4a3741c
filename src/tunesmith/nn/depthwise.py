"""Depthwise convolutions of networks in bf16 on a processor, where their way back is slow in it.

Convolutions of one channel each go back in bf16 by a kernel of last resort where they stride or
reach beyond 3 x 3: 36 ms against 4 in fp32 (96 channels of 48 x 48, 32 pictures, stride 2, two
cores of an AMD EPYC with avx512_bf16), 49 against 5 with 5 x 5. Others are quicker in bf16.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import conv2d

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
        return conv2d(input.float(), weight.float(), given, stride, padding, dilation, groups).to(
            torch.bfloat16
        )


def _most(stride: Any) -> int:
    return int(stride if isinstance(stride, int) else max(stride))
