"""What a fit of pictures is worth after so many seconds.

    python benchmarks/pictures_learning.py fashion FOLDER [--seconds 60 300]
    python benchmarks/pictures_learning.py pasted [--seconds 150]

`fashion`: FOLDER holds Fashion-MNIST's four .gz files (Debian's package dataset-fashion-mnist);
2,000 of its pictures are written as PNG in class folders, and 2,000 others to test. `pasted`:
digits of scikit-learn pasted on photographs of scikit-image, 1,000 to fit and 1,000 to test; beside
it a support vector machine on raw pixels. Every fit is a process of its own, with an empty
activation store; its seconds are those of the whole command.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _hundred import wheel
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC

NAMES = [
    "tshirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
]
SIDE, TIMES, SHIFT, DIMMED = 64, 4, 4, 0.9
"""Of the pasted pictures: pixels, how much a digit is enlarged, how far it lies off the middle, and
how bright the photograph stays."""
Pictures = tuple[NDArray[np.uint8], list[str]]


def read_idx(file: Path) -> NDArray[np.uint8]:
    """An array of bytes in the format of MNIST."""
    with gzip.open(file) as stream:
        raw = stream.read()
    axes = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def fashion(folder: Path, part: str, count: int) -> Pictures:
    (pixels,) = [read_idx(file) for file in folder.rglob(f"{part}-images*.gz")]
    (codes,) = [read_idx(file) for file in folder.rglob(f"{part}-labels*.gz")]
    rows = np.random.default_rng(0).permutation(len(pixels))[:count]
    return pixels[rows], [NAMES[code] for code in codes[rows]]


def pasted(seed: int, count: int) -> Pictures:
    """A digit, four times enlarged, light, near the middle of a darkened piece of a photograph."""
    dice = np.random.default_rng(seed)
    folder = wheel("scikit-image")
    photographs = [
        np.asarray(Image.open(file).convert("RGB"))
        for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
        for file in folder.rglob(name)
    ]
    digits = load_digits()
    rows = np.random.default_rng(0).permutation(len(digits.images))
    rows = rows[: len(rows) // 2] if seed == 0 else rows[len(rows) // 2 :]
    found, labels = [], []
    for row in dice.choice(rows, count):
        photograph = photographs[dice.integers(len(photographs))]
        top, left = (dice.integers(0, size - SIDE) for size in photograph.shape[:2])
        ground = DIMMED * photograph[top : top + SIDE, left : left + SIDE].astype(np.float64)
        ink = np.kron(digits.images[row] / 16, np.ones((TIMES, TIMES)))[:, :, None]
        y, x = (SIDE - len(ink)) // 2 + dice.integers(-SHIFT, SHIFT + 1, 2)
        place = ground[y : y + len(ink), x : x + len(ink)]
        place += (255 - place) * ink
        found.append(ground.astype(np.uint8))
        labels.append(f"d{digits.target[row]}")
    return np.stack(found), labels


def written(pictures: Pictures, folder: Path) -> Path:
    for number, (pixels, label) in enumerate(zip(*pictures, strict=True)):
        place = folder / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def fit(train: Path, test: Path, seconds: float, folder: Path) -> None:
    env = {**os.environ, "TUNESMITH_STORE": str(folder / "store")}
    env["TUNESMITH_PICTURES"] = str(folder / "pictures")
    run, command = str(folder / "run"), [sys.executable, "-m", "tunesmith"]
    began = time.monotonic()
    asked = ["fit", str(train), "--target", "label", "--budget", f"{seconds:g}s", "--offline"]
    told = subprocess.run(
        [*command, *asked, "--folder", run], capture_output=True, text=True, env=env
    )
    took = time.monotonic() - began
    if told.returncode:
        raise SystemExit(told.stderr[-2000:])
    code = (
        "import json, sys, tunesmith as ts\n"
        "model = ts.load(sys.argv[1])\n"
        "found = model.evaluate(sys.argv[2], metrics=['accuracy'])['accuracy']\n"
        "facts = [model.summary['trials'], model.summary['reasons']['winner']]\n"
        "print(json.dumps([str(found), *facts]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run, str(test)], capture_output=True, text=True, env=env
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    value, trials, winner = json.loads(done.stdout.splitlines()[-1])
    print(f"{seconds:g} s: accuracy {value}; ended after {took:.1f} s, {trials} trials; {winner}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fashion", "pasted"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, nargs="*")
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    if asked.what == "fashion":
        parts = {
            name: fashion(asked.folder, key, 2000)
            for name, key in (("train", "train"), ("test", "t10k"))
        }
    else:
        parts = {name: pasted(seed, 1000) for name, seed in (("train", 0), ("test", 1))}
        flat = {name: one[0].reshape(len(one[0]), -1) / 255 for name, one in parts.items()}
        machine = SVC().fit(flat["train"], parts["train"][1])
        print(
            f"support vector machine on pixels: {machine.score(flat['test'], parts['test'][1]):.3f}"
        )
    train, test = (written(one, place / name) for name, one in parts.items())
    for seconds in asked.seconds or ([60, 300] if asked.what == "fashion" else [150]):
        fit(train, test, seconds, Path(tempfile.mkdtemp()))


if __name__ == "__main__":
    main()
