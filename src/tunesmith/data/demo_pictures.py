"""Pictures to try things on: files in class folders, of clothes where apt can bring them, else of
handwritten digits."""

from __future__ import annotations

import gzip
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataWarning, WeightsError, need
from tunesmith.data import debian

TRAIN, TEST = 2_000, 1_000
"""Pictures of clothes; of digits there are 1,797, of which a third tests."""
PACKAGE = "dataset-fashion-mnist"
INSIDE = "usr/share/datasets/fashion-mnist"
_SHA256 = {
    "train-images-idx3": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
SHA256 = {f"{stem}-ubyte.gz": told for stem, told in _SHA256.items()}
CLOTHES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
)
"""By the number of the class."""
ENLARGED = 4
"""How many times a digit of 8 × 8 pixels is made larger, so that a person sees it."""

Labelled = tuple[NDArray[np.uint8], list[str]]
"""Grey pictures, shape (rows, height, width), and the class of each."""


@dataclass(frozen=True)
class DemoPictures:
    """Where they lie, and what they are."""

    train: Path
    test: Path
    what: str


def write_pictures(
    folder: Path, *, seed: int = 0, offline: bool = False, timeout_seconds: float = 300.0
) -> DemoPictures:
    """Write pictures as PNG files into `train` and `test` of a new folder, one folder for each
    class, drawn by the seed: 2,000 and 1,000 of Fashion-MNIST, brought once (31 MB) by apt, or
    where that cannot be, which is said, 1,198 and 599 of scikit-learn's digits.

    Raises:
        ConfigError: The folder is there.
        MissingExtra: Pillow is not installed.

    Source: Xiao et al., "Fashion-MNIST", arXiv 1708.07747 (MIT), as packed in Debian; Alpaydin and
    Kaynak, "Optical Recognition of Handwritten Digits" (CC BY 4.0), as packed in scikit-learn.
    """
    need("PIL.Image", extra="image")
    if folder.exists():
        raise ConfigError(f"{folder}, where the pictures go, is there already. Choose another.")
    try:
        parts = clothes(seed=seed, offline=offline, timeout_seconds=timeout_seconds)
        what = "Fashion-MNIST: clothes, 28 × 28 pixels"
    except WeightsError as error:
        warnings.warn(
            f"Fashion-MNIST cannot be had, digits take its place: {error}".rstrip("."),
            DataWarning,
            stacklevel=2,
        )
        parts, what = digits(seed=seed), "scikit-learn's digits: handwritten, 8 × 8 pixels enlarged"
    for name, part in parts.items():
        _write(part, folder / name)
    return DemoPictures(folder / "train", folder / "test", what)


def clothes(
    *, seed: int = 0, offline: bool = False, timeout_seconds: float = 300.0
) -> dict[str, Labelled]:
    """Pictures of Fashion-MNIST by part: "train" and "test".

    Raises:
        WeightsError: They are not on this machine and cannot be fetched.
    """
    folder = debian.unpacked(
        PACKAGE, inside=INSIDE, sha256=SHA256, timeout_seconds=timeout_seconds, offline=offline
    )
    dice = np.random.default_rng(seed)
    found = {}
    for part, prefix, count in (("train", "train", TRAIN), ("test", "t10k", TEST)):
        pixels = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        codes = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        rows = dice.permutation(len(pixels))[:count]
        found[part] = (pixels[rows], [CLOTHES[code] for code in codes[rows]])
    return found


def digits(*, seed: int = 0) -> dict[str, Labelled]:
    """Pictures of scikit-learn's digits by part: "train" and "test"."""
    from sklearn.datasets import load_digits

    given = load_digits()
    ink = np.rint(given.images * 255 / 16).astype(np.uint8)
    pixels = ink.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
    rows = np.random.default_rng(seed).permutation(len(pixels))
    parts = {"train": rows[len(rows) // 3 :], "test": rows[: len(rows) // 3]}
    return {
        part: (pixels[chosen], [str(code) for code in given.target[chosen]])
        for part, chosen in parts.items()
    }


def read_idx(file: Path) -> NDArray[np.uint8]:
    """An array of bytes in the format of MNIST: two zeros, the type (8: bytes), the number of axes,
    the length of each in four bytes, the numbers."""
    with gzip.open(file) as stream:
        raw = stream.read()
    axes = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _write(part: Labelled, folder: Path) -> None:
    image = need("PIL.Image", extra="image")
    for number, (pixels, label) in enumerate(zip(*part, strict=True)):
        place = folder / label
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).save(place / f"{number:04d}.png")
