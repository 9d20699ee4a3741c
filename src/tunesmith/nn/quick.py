"""Networks in bf16 on a processor, by the kernels whose way back is quick in it.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.nn.functional import conv2d, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from tunesmith.nn.attention import attend
from tunesmith.nn.depthwise import convolve

OURS: Mapping[Callable[..., Any], tuple[Callable[..., torch.Tensor | None], str]] = {
    scaled_dot_product_attention: (attend, "query"),
    conv2d: (convolve, "input"),
}
"""What stands for a function of torch, and the name of the tensor that it is given first."""


class Quick(TorchFunctionMode):
    """Within it, attention and depthwise convolutions under bf16 autocast on a processor are ours,
    whichever model asks."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in OURS:
            own, first = OURS[func]
            answer = own(*args, **kwargs) if _is_low(args[0] if args else kwargs[first]) else None
            if answer is not None:
                return answer
        return func(*args, **kwargs)


def _is_low(given: torch.Tensor) -> bool:
    return (
        given.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


@contextlib.contextmanager
def low() -> Iterator[None]:
    """Matrix products of a processor in bf16, with the quick ways back."""
    with torch.autocast("cpu", dtype=torch.bfloat16), Quick():
        yield
