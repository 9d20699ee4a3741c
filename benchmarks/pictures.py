"""How many pictures a second become pixels: cold (read, decoded, resized, kept), from the cache as
it is opened anew, and again in the same process; against a plain loop over the files
with Pillow (open, convert, resize, crop), in turn in one run. Pictures are made anew (smooth
colours with noise), as PNG of 28 pixels and JPEG of 640 × 480 and 4000 × 3000, or come from a
folder.

    python benchmarks/pictures.py decode [--folder DIR] [--size 224] [--rounds 3] [--workers 0]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tunesmith.data.read import read
from tunesmith.modalities import _picture_cache
from tunesmith.modalities.pictures import pixels

MADE = (("png", 28, 28, 2_000), ("jpg", 640, 480, 300), ("jpg", 4_000, 3_000, 8))
BATCH = 64


def make(folder: Path, ending: str, width: int, height: int, count: int) -> list[str]:
    """Write so many pictures; gives their paths."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = rng.normal(0, 8, (height, width, 3)).astype(np.float32)
    paths = []
    for number in range(count):
        waves = [np.sin(down / rng.integers(5, 90) + across / rng.integers(5, 90)) for _ in "rgb"]
        shade = 128 + 90 * np.stack(waves, axis=2) + np.roll(noise, number, axis=1)
        path = folder / f"{number:05d}.{ending}"
        Image.fromarray(shade.clip(0, 255).astype(np.uint8)).save(path)
        paths.append(str(path))
    return paths


def plain(paths: Sequence[str], size: int) -> None:
    """What one writes without a library."""
    for path in paths:
        with Image.open(path) as image:
            whole = image.convert("RGB")
        scale = size / min(whole.size)
        width, height = (max(size, round(side * scale)) for side in whole.size)
        small = whole.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - size) // 2, (height - size) // 2
        np.asarray(small.crop((left, top, left + size, top + size)))


def ours(paths: Sequence[str], size: int, workers: int) -> None:
    for start in range(0, len(paths), BATCH):
        pixels(paths[start : start + BATCH], size, workers=workers)


def rate(work: Callable[[], None], pictures: int) -> float:
    began = time.perf_counter()
    work()
    return pictures / (time.perf_counter() - began)


def decode(name: str, paths: Sequence[str], size: int, rounds: int, workers: int) -> None:
    """One line: pictures a second, and how many times the plain loop's."""
    rates: dict[str, list[float]] = {"plain": [], "cold": [], "cache": [], "again": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            os.environ["TUNESMITH_PICTURES"] = place
            rates["plain"].append(rate(lambda: plain(paths, size), len(paths)))
            rates["cold"].append(rate(lambda: _cold(paths, size, workers), len(paths)))
            _picture_cache._opened.cache_clear()
            rates["cache"].append(rate(lambda: ours(paths, size, workers), len(paths)))
            rates["again"].append(rate(lambda: ours(paths, size, workers), len(paths)))
            _picture_cache._opened.cache_clear()
    base = statistics.median(rates["plain"])
    told = "  ".join(
        f"{what} {statistics.median(found):,.0f}/s (×{statistics.median(found) / base:.2f})"
        for what, found in rates.items()
    )
    print(f"{name} → {size}: {told}")


def _cold(paths: Sequence[str], size: int, workers: int) -> None:
    ours(paths, size, workers)
    _picture_cache.open_cache(size, "centre").flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["decode"])
    parser.add_argument("--folder")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    asked = parser.parse_args()
    if asked.folder:
        paths = [cell for cell in read(asked.folder).values("image").tolist() if cell]
        decode(asked.folder, paths, asked.size, asked.rounds, asked.workers)
        return
    with tempfile.TemporaryDirectory() as place:
        for ending, width, height, count in MADE:
            paths = make(Path(place) / f"{ending}{width}", ending, width, height, count)
            name = f"{count:,} {ending} of {width} × {height}"
            decode(name, paths, asked.size, asked.rounds, asked.workers)


if __name__ == "__main__":
    main()
