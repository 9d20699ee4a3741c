"""How many rows fit into memory at once, and what is kept of it from one step to the next."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SHARE = 0.5
"""Of the free memory that a step may take: gradients on their way need some, and others too."""
KEPT_BYTES: Mapping[str, int] = {"fp32": 65, "bf16": 41}
"""For each token, block and number of its width, until the gradient is known; measured on BERT,
four times as wide inside, see `tests/nn/test_memory.py`."""
PAIR_BYTES: Mapping[str, int] = {"fp32": 4, "bf16": 2}
"""For each pair of tokens, block and head; a fused kernel spares them."""
HELD_BYTES, LARGEST_BYTES = 2**30, 2**27
"""What the C library may hold of memory that is free again, at the end of its heap, and the
largest block that comes from there. A step frees what it kept (`step_bytes`) at its end: 0.2 GB
where all of MiniLM-L6 trains on 32 rows of 64 tokens, 0.5 GB of 128."""
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""
GROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))


def step_bytes(
    rows: int, tokens: int, *, width: int, blocks: int, heads: int, precision: str
) -> int:
    """What the way through so many trained blocks keeps for the way back."""
    each = width * KEPT_BYTES[precision] + heads * tokens * PAIR_BYTES[precision]
    return rows * tokens * blocks * each


def free_bytes(
    info: Path = Path("/proc/meminfo"), groups: tuple[Path, Path] = GROUPS
) -> int | None:
    """Memory that this process can still take, on the device where that has its own; None where
    nobody tells. A container's limit counts too."""
    from tunesmith.nn.devices import device

    if device().type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = info.read_text(encoding="ascii").splitlines()
        free = 1024 * next(int(one.split()[1]) for one in lines if one.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    try:
        most, taken = (int(group.read_text(encoding="ascii")) for group in groups)
    except (OSError, ValueError):
        return free
    return min(free, max(0, most - taken))


def hold() -> bool:
    """Memory that a step frees stays with this process, up to `HELD_BYTES`, for the next step to
    take; whether that could be settled, as glibc alone allows. Else tensors of some megabytes go
    back to the system and come again at every step, page by page, each page cleared. Who has told
    glibc otherwise is left alone.

    Source: mallopt(3).
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    settle = _of_malloc("mallopt")
    return bool(settle(MMAP_THRESHOLD, LARGEST_BYTES) and settle(TRIM_THRESHOLD, HELD_BYTES))


def release() -> bool:
    """Give back what is held; whether there was any."""
    return bool(_of_malloc("malloc_trim")(0))


def _of_malloc(name: str) -> Callable[..., int]:
    """A function of glibc's malloc; where another library allots memory, one that does nothing."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, name, lambda *_: 0)


@contextmanager
def growth(own: Path = Path("/proc/self")) -> Iterator[Callable[[], int | None]]:
    """How far the memory of this process, or of its accelerator where there is one, rises at most
    above where it stands at the beginning, in bytes; asked at any time. None where the system does
    not tell, as where it is not Linux."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield lambda: int(torch.cuda.max_memory_allocated() - before)
        return
    release()
    try:
        (own / "clear_refs").write_text("5", encoding="ascii")  # the peak is as what is held now
        stands = _status_bytes(own, "VmRSS")
    except OSError:
        yield lambda: None
        return
    yield lambda: max(0, _status_bytes(own, "VmHWM") - stands)


def _status_bytes(own: Path, name: str) -> int:
    lines = (own / "status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def micro_batch(
    batch: int,
    tokens: int,
    *,
    width: int,
    blocks: int,
    heads: int,
    precision: str,
    free: int | None,
) -> int:
    """Rows to go through at once so that a step keeps at most half of the free bytes: the batch, or
    as many of equal pieces of it as are needed."""
    if free is None:
        return batch
    row = step_bytes(1, tokens, width=width, blocks=blocks, heads=heads, precision=precision)
    most = max(1, int(free * SHARE) // max(1, row))
    return -(-batch // -(-batch // most))
