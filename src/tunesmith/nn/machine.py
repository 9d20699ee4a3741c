"""What this machine does best, measured once and remembered: bf16 or fp32, and how many threads.

A block of a small transformer goes forward and back each way in turn; the least of several times
counts, since load only ever adds. What was found is kept in a small file beside the weights, so
that one machine always decides the same. Where it cannot be kept, what the processor says of itself
decides; where others use the cores while it is measured, all cores are taken. Others may be ones
that this system does not see, on the same host: the same step then takes unlike times.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.data import wheels

GAIN = 1.1
"""Times as fast a costlier way (bf16, more threads) must be to be taken."""
ROUNDS = 4
MOST_TRIES = 3
"""Measurements on a busy machine, after which it is left at that."""
QUIET_CORES = 0.3
"""Of a core that others may use of ours while it is measured."""
ROWS, TOKENS, WIDTH, HEADS = 8, 64, 384, 12


@dataclass(frozen=True)
class Found:
    """`precision` and `threads` to use; `milliseconds` of the block by way ("fp32", "bf16", "1
    thread"), empty where nothing was measured; `is_quiet` says that nobody else used the cores, as
    far as that can be seen, `tries` how often it was measured."""

    precision: str
    threads: int
    milliseconds: Mapping[str, float]
    is_quiet: bool
    tries: int


def cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores this process may use: by its affinity, and whole ones of its container's share."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    places = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
    for names in places:
        try:
            words = [word for name in names for word in (groups / name).read_text().split()]
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue  # no such file, or "max"
        if quota > 0 and period > 0:
            count = min(count, quota // period)
    return max(1, count)


def can_bf16() -> bool:
    """Whether this processor multiplies bf16 natively, by its own word."""
    import torch

    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16") or known.get("bf16"))


@cache
def find() -> Found:
    """What was found here once, or now."""
    return remembered(wheels.cache() / f"machine-{_key()}.json", measure, usual())


def usual() -> Found:
    """What the processor says of itself: nothing measured."""
    return Found("bf16" if can_bf16() else "fp32", cores(), {}, is_quiet=False, tries=0)


def remembered(file: Path, measure: Callable[[], Found], usual: Found) -> Found:
    """What the file holds; where it holds nothing, or what was found on a busy machine, measure and
    keep it. Of several processes that do so at once, the first to find it quiet wins."""
    known = _read(file)
    if known and (known.is_quiet or known.tries >= MOST_TRIES):
        return known
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return usual
    if not os.access(file.parent, os.W_OK):
        return usual
    found = measure()
    before = _read(file)
    if before and before.is_quiet:
        return before
    tries = 1 + (before.tries if before else 0)
    found = Found(found.precision, found.threads, found.milliseconds, found.is_quiet, tries)
    try:
        write_json(file, asdict(found))
    except DataError:
        return usual
    return found


def _read(file: Path) -> Found | None:
    """What was written there; None where it is not whole, or says what cannot be here."""
    try:
        found = Found(**read_json(file))
        is_whole = found.precision in ("fp32", "bf16") and 1 <= int(found.threads) <= cores()
        is_quiet = found.is_quiet and is_steady(found.milliseconds, found.precision, cores())
    except (OSError, ValueError, TypeError, DataError):
        return None
    threads = found.threads if is_quiet else cores()
    return replace(found, is_quiet=is_quiet, threads=threads) if is_whole else None


def measure() -> Found:
    """Time a block each way; half a second on two cores."""
    import torch

    most, before = cores(), torch.get_num_threads()
    busy = _Others()
    try:
        ways = ("fp32", "bf16") if can_bf16() else ("fp32",)
        steps = {way: (most, step) for way, step in _steps(ways).items()}
        times = _least(steps, torch.set_num_threads)
        precision = pick(times, ways)
        counts = [count for count in (2**i for i in range(most.bit_length())) if count < most]
        step = steps[precision][1]
        times |= _least(
            {_threads(n): (n, step) for n in (*counts, most) if most > 1}, torch.set_num_threads
        )
    finally:
        torch.set_num_threads(before)
    is_quiet = busy.cores() < (os.cpu_count() or 1) - most + QUIET_CORES
    is_quiet = is_quiet and is_steady(times, precision, most)
    threads = most
    if is_quiet and most > 1:
        names = [_threads(n) for n in (*counts, most)]
        threads = (*counts, most)[names.index(pick(times, names))]
    rounded = {name: round(1000 * seconds, 2) for name, seconds in times.items()}
    return Found(precision, threads, rounded, is_quiet, tries=1)


def pick(times: Mapping[str, float], ways: Sequence[str]) -> str:
    """The first of the ways, which stand from the cheapest to the costliest, that no later one
    beats by more than a tenth."""
    for place, way in enumerate(ways):
        if all(times[way] <= GAIN * times[later] for later in ways[place + 1 :]):
            return way
    raise ValueError("there is no way to pick from")


def is_steady(times: Mapping[str, float], precision: str, most: int) -> bool:
    """Whether the step in this precision by all cores, which is timed twice, took as long both
    times, but for a tenth."""
    both = [times[name] for name in (precision, _threads(most)) if name in times]
    return not both or max(both) <= GAIN * min(both)


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")


def _least(
    steps: Mapping[str, tuple[int, Callable[[], None]]], use: Callable[[int], None]
) -> dict[str, float]:
    """Seconds of each step with its number of threads, the least of several, taken in turn."""
    found = dict.fromkeys(steps, float("inf"))
    for turn in range(ROUNDS + 1):
        for name, (threads, step) in steps.items():
            use(threads)
            began = time.perf_counter()
            step()
            if turn:  # the first one sets things up
                found[name] = min(found[name], time.perf_counter() - began)
    return found


def _steps(ways: Sequence[str]) -> dict[str, Callable[[], None]]:
    """A block forward and back in each precision. Draws from a generator of its own, and takes a
    gradient even where the caller wants none."""
    import torch
    from torch import nn

    from tunesmith.nn.quick import low

    source = torch.Generator().manual_seed(0)
    shapes = [(WIDTH, WIDTH)] * 4 + [(4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH)]
    with torch.inference_mode(False):
        hidden = torch.randn(ROWS, TOKENS, WIDTH, generator=source)
        weights = [torch.randn(s, generator=source).mul_(0.02).requires_grad_() for s in shapes]
    linear, norm = nn.functional.linear, nn.functional.layer_norm

    def block() -> torch.Tensor:
        query, key, value = (
            linear(hidden, weight).view(ROWS, TOKENS, HEADS, -1).transpose(1, 2)
            for weight in weights[:3]
        )
        seen = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        middle = norm(hidden + linear(seen.reshape(hidden.shape), weights[3]), (WIDTH,))
        wide = nn.functional.gelu(linear(middle, weights[4]))
        return norm(middle + linear(wide, weights[5]), (WIDTH,))

    def step(way: str) -> Callable[[], None]:
        def run() -> None:
            precise = torch.autocast("cpu", enabled=False)
            with torch.inference_mode(False), torch.enable_grad():
                with low() if way == "bf16" else precise:
                    total = block().float().square().mean()
                torch.autograd.grad(total, weights)

        return run

    return {way: step(way) for way in ways}


class _Others:
    """What other processes use of the machine from now on, where Linux tells; nothing elsewhere."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), _busy_seconds(), time.process_time()

    def cores(self) -> float:
        began, busy, own = self._began
        now = _busy_seconds()
        if busy is None or now is None:
            return 0.0
        wall = max(1e-9, time.perf_counter() - began)
        return max(0.0, now - busy - (time.process_time() - own)) / wall


def _busy_seconds() -> float | None:
    """Seconds that all cores together were not idle since the machine began."""
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        ticks = [int(word) for word in words[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _key() -> str:
    """Names the machine for this purpose: processor, torch, number of cores."""
    import torch

    told = f"{processor()}|{torch.backends.cpu.get_cpu_capability()}|{can_bf16()}|{cores()}"
    return hashlib.sha256(f"{told}|torch {torch.__version__}".encode()).hexdigest()[:16]


def processor() -> str:
    """The processor's name as Linux gives it, else as Python knows it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def facts() -> dict[str, Any]:
    """What was found, for `doctor`."""
    found = find()
    return {"processor": processor(), "cores": cores(), **asdict(found)}
