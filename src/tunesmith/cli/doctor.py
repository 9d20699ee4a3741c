"""`tunesmith doctor`: what is installed, what this machine can do, how fast."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tunesmith.cli.options import Json
from tunesmith.cli.tables import Table, show, show_json

SIDE = 1024
"""Rows and columns of the matrices that the speed is measured with."""


def doctor(as_json: Json = False) -> None:
    """Say what is installed, what this machine can do, and how fast it multiplies."""
    from tunesmith.nn import machine

    facts = {
        "tunesmith": importlib.metadata.version("tunesmith"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": machine.processor(),
        "cores": machine.cores(),
        "memory_bytes": _memory_bytes(),
        "disk_free_bytes": _disk_free(),
        "packages": _packages(),
        "extras": _extras(),
        "devices": _devices(),
        "weights": _weights(),
        "store": _store(),
    }
    if as_json:
        show_json(facts)
    else:
        _show(facts)


def _memory_bytes() -> int | None:
    """Memory of the machine, or of its container where that has less; None where not known."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return total


def _disk_free() -> dict[str, int]:
    """Free bytes where runs go by default and where weights are cached."""
    places = {"runs": Path.cwd(), "home": Path.home()}
    return {name: shutil.disk_usage(path).free for name, path in places.items() if path.exists()}


def _requirements() -> list[tuple[str, str]]:
    """(extra, package) for everything tunesmith may use; extra is empty for the base."""
    found = []
    for line in importlib.metadata.requires("tunesmith") or ():
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        if name and name[0] != "tunesmith":
            found.append((extra[1] if extra else "", name[0]))
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages() -> dict[str, str | None]:
    """Version of each package; None where it is not installed."""
    return {package: _version(package) for extra, package in _requirements() if extra != "dev"}


def _extras() -> dict[str, dict[str, Any]]:
    """For each extra what is missing of it, and the line that installs it."""
    extras: dict[str, list[str]] = {}
    for extra, package in _requirements():
        if extra not in ("", "dev"):
            extras.setdefault(extra, []).append(package)
    return {
        extra: {
            "missing": [package for package in packages if _version(package) is None],
            "install": f'pip install "tunesmith[{extra}]"',
        }
        for extra, packages in extras.items()
    }


def _devices() -> dict[str, Any]:
    """What multiplies here, and how fast (GFLOP/s); nothing of it without torch."""
    if _version("torch") is None:
        return {"torch": False}
    import torch

    from tunesmith.nn import devices

    place = devices.device()
    return {
        "torch": True,
        "device": place.type,
        "cuda": torch.cuda.get_device_name(0) if place.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "machine": devices.facts(),
        "gflops": {
            "fp32": round(_gflops(torch, place, torch.float32), 1),
            "bf16": round(_gflops(torch, place, torch.bfloat16), 1),
        },
        "bf16_good": devices.is_bf16_good(),
    }


def _gflops(torch: Any, device: Any, dtype: Any, seconds: float = 0.4) -> float:
    """Speed of square matrix products over about that many seconds."""
    left, right = (torch.ones(SIDE, SIDE, dtype=dtype, device=device) for _ in range(2))
    (left @ right).sum().item()  # the first one sets things up
    products, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        product = left @ right
        product[0, 0].item()  # waits for the device
        products += 1
    return 2 * SIDE**3 * products / (time.perf_counter() - began) / 1e9


def _store() -> dict[str, Any]:
    """Where the activation store lies, what it holds, and its limit in bytes."""
    from tunesmith.nn.shards import open_store

    store = open_store()
    return {
        "folder": str(store.folder),
        "bytes": store.size_bytes(),
        "most_bytes": store.most_bytes,
    }


def _weights() -> dict[str, bool]:
    """Whether the bytes of each built-in checkpoint are on this machine."""
    from tunesmith.cli.zoo import known

    return {card.name: here for card, here in known()}


def _show(facts: dict[str, Any]) -> None:
    gib = 1024**3
    memory = facts["memory_bytes"]
    free = ", ".join(
        f"{name} {size / gib:.0f} GiB" for name, size in facts["disk_free_bytes"].items()
    )
    lines = [
        ("tunesmith", facts["tunesmith"]),
        ("python", f"{facts['python']} ({sys.executable})"),
        ("platform", facts["platform"]),
        ("processor", f"{facts['cpu']}, {facts['cores']} cores"),
        ("memory", "not known" if memory is None else f"{memory / gib:.1f} GiB"),
        ("disk free", free),
        (
            "activations",
            f"{facts['store']['bytes'] / gib:.1f} of at most "
            f"{facts['store']['most_bytes'] / gib:.1f} GiB in {facts['store']['folder']}",
        ),
        *_device_lines(facts["devices"]),
    ]
    show(Table("This machine", ("what", "value"), tuple(lines)))
    print()
    packages = tuple((name, version or "missing") for name, version in facts["packages"].items())
    show(Table("Packages", ("package", "version"), packages))
    print()
    extras = tuple(
        (
            name,
            "installed" if not e["missing"] else f"missing: {', '.join(e['missing'])}",
            e["install"],
        )
        for name, e in facts["extras"].items()
    )
    show(Table("Extras", ("extra", "state", "to install"), extras))
    print()
    weights = tuple(
        (name, "here" if here else "not here") for name, here in facts["weights"].items()
    )
    show(Table("Weights", ("name", "bytes"), weights))


def _device_lines(devices: dict[str, Any]) -> list[tuple[str, str]]:
    if not devices["torch"]:
        return [("torch", 'not installed: pip install "tunesmith[text]"')]
    speed = devices["gflops"]
    return [
        ("CUDA device", devices["cuda"] or "none"),
        ("threads", str(devices["threads"])),
        ("matmul", f"fp32 {speed['fp32']:.0f} GFLOP/s, bf16 {speed['bf16']:.0f} GFLOP/s"),
        ("bf16", "faster, used" if devices["bf16_good"] else "not faster, fp32 is used"),
    ]
