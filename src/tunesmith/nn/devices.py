"""Which device, which precision, how many threads."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@cache
def device() -> torch.device:
    """The fastest device here."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@cache
def is_bf16_good() -> bool:
    """Whether this device multiplies bf16 natively. Decided from what the device says of itself,
    not from a timing, so that one machine always decides the same."""
    import torch

    kind = device().type
    if kind == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    if kind == "cpu":
        known = torch.cpu.get_capabilities()
        return bool(known.get("avx512_bf16") or known.get("amx_bf16") or known.get("bf16"))
    return False


def precision() -> str:
    """The precision of matrix products here: "bf16" or "fp32"."""
    return "bf16" if is_bf16_good() else "fp32"


FEW_ROWS = 4


def precision_for(rows: int) -> str:
    """The precision to answer so many rows in: fewer than four are sooner done in fp32 on a
    processor, where casting all the weights costs more than the products."""
    return "fp32" if rows < FEW_ROWS and device().type == "cpu" else precision()


def autocast(wanted: str | None = None) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in the precision wanted (this machine's own by default); sums, norms and
    weights stay in fp32."""
    import torch

    if (wanted or precision()) != "bf16":
        return contextlib.nullcontext()
    return torch.autocast(device().type, dtype=torch.bfloat16)


def forget_memory() -> None:
    """Give cached device memory back."""
    import torch

    if device().type == "cuda":
        torch.cuda.empty_cache()
