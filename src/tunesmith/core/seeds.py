"""Seeds are derived by name, so adding a consumer never shifts the numbers of another."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A 32-bit seed for the purpose that `names` spell, the same on every machine."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the purpose that `names` spell."""
    return np.random.default_rng(derive(seed, *names))
