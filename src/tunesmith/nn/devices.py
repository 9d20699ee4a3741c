"""Which device, which precision, how many threads."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ConfigError
from tunesmith.nn import machine, memory

if TYPE_CHECKING:
    import torch

PRECISIONS = ("fp32", "bf16")


@cache
def device() -> torch.device:
    """The fastest device here. The first to ask also settles the number of threads, and that
    memory is held from step to step."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    torch.set_num_threads(threads())
    memory.hold()
    return torch.device("cpu")


@cache
def precision() -> str:
    """The precision of matrix products here: "bf16" where that is faster, else "fp32". On a
    processor it is measured once and remembered; TUNESMITH_PRECISION says otherwise.

    Raises:
        ConfigError: TUNESMITH_PRECISION is neither.
    """
    import torch

    if told := os.environ.get("TUNESMITH_PRECISION", "").strip().lower():
        if told not in PRECISIONS:
            raise ConfigError(f"TUNESMITH_PRECISION is {told!r}; allowed are fp32 and bf16.")
        return told
    kind = device().type
    if kind == "cuda":
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp32"
    return machine.find().precision if kind == "cpu" else "fp32"


def is_bf16_good() -> bool:
    """Whether matrix products are done in bf16 here."""
    return precision() == "bf16"


@cache
def threads() -> int:
    """Threads that one process computes with, never more than its cores: TUNESMITH_THREADS or
    OMP_NUM_THREADS where set, else as measured once and remembered.

    Raises:
        ConfigError: TUNESMITH_THREADS is not a whole number above zero.
    """
    told = os.environ.get("TUNESMITH_THREADS", "").strip()
    if told and not (told.isdecimal() and int(told)):
        raise ConfigError(f"TUNESMITH_THREADS is {told!r}; it must be a whole number above 0.")
    told = told or os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if told.isdecimal() and int(told):
        return min(int(told), machine.cores())
    return machine.find().threads


def share_of_threads(processes: int) -> int:
    """The threads that each of so many processes side by side computes with."""
    each = machine.cores() // max(1, processes)
    return min(each, threads()) if each > 1 else 1


@contextlib.contextmanager
def computing_with(count: int | None) -> Iterator[None]:
    """So many threads meanwhile, where a processor computes; None leaves them as they are."""
    import torch

    if count is None or device().type != "cpu":
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def shares(processes: int) -> list[dict[str, str]]:
    """What of the machine each of so many processes side by side may use, as environment variables:
    threads so that together they are no more than the cores, one device each where there are
    several, by turns."""
    count = str(share_of_threads(processes))
    share = {"TUNESMITH_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    devices = _devices()
    if len(devices) < 2:
        return [dict(share) for _ in range(processes)]
    return [
        {**share, "CUDA_VISIBLE_DEVICES": devices[place % len(devices)]}
        for place in range(processes)
    ]


def _devices() -> list[str]:
    """The names by which the graphics processors that may be used are chosen."""
    if not shutil.which("nvidia-smi"):
        return []
    import torch

    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    every = [str(number) for number in range(torch.cuda.device_count())]
    return [name.strip() for name in told.split(",") if name.strip()] if told else every


def facts() -> dict[str, Any]:
    """What is used and why, for `doctor`."""
    told = {name: os.environ[name] for name in _TOLD if os.environ.get(name)}
    if device().type != "cpu":
        return {"precision": precision(), "told": told}
    return {
        **machine.facts(),
        "precision": precision(),
        "threads": threads(),
        "told": told,
    }


_TOLD = ("TUNESMITH_PRECISION", "TUNESMITH_THREADS", "OMP_NUM_THREADS")

FEW_ROWS = 4


def precision_for(rows: int) -> str:
    """The precision to answer so many rows in: fewer than four are sooner done in fp32 on a
    processor, where casting all the weights costs more than the products."""
    return "fp32" if rows < FEW_ROWS and device().type == "cpu" else precision()


def autocast(wanted: str | None = None) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in the precision wanted (this machine's own by default), attention with the
    way back that is quick in it; sums, norms and weights stay in fp32."""
    import torch

    from tunesmith.nn.quick import low

    if (wanted or precision()) != "bf16":
        return contextlib.nullcontext()
    if device().type == "cpu":
        return low()
    return torch.autocast(device().type, dtype=torch.bfloat16)


def forget_memory() -> None:
    """Give cached device memory back."""
    import torch

    if device().type == "cuda":
        torch.cuda.empty_cache()
    memory.release()
