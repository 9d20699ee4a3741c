"""The state of a training under way, kept so that it can go on after a crash, to the step.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunesmith.core.clock import Clock
from tunesmith.core.errors import TunesmithError
from tunesmith.core.runfolder import (
    cannot_write,
    is_full,
    read_json,
    recover_folder,
    replace_folder,
    write_json,
)

FORMAT = 1
MOST_SHARE = 0.05
"""Of the time, that keeping may take."""
BYTES_A_SECOND = 2e8
"""Of a slow disk, before the first is timed."""


@dataclass
class Checkpoint:
    """Keeps states in a folder (None: nowhere), the last one whole at every moment. `key` says
    whose they are: the state of another training is not taken."""

    folder: Path | None
    key: str
    clock: Clock
    _seconds: float = 0.0
    _last: float = 0.0

    def is_due(self, size_bytes: int, *, must: bool = False) -> bool:
        """Whether another state may be kept: it costs a small share of the time since the last, or
        must be."""
        if self.folder is None:
            return False
        if must:
            return True
        seconds = self._seconds or size_bytes / BYTES_A_SECOND
        return seconds <= MOST_SHARE * (self.clock.elapsed() - self._last)

    def keep(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Write a state in place of the last one. Where the disk is full there is none from now on:
        a training need not fail for it.

        Raises:
            DataError: The folder cannot be written.
        """
        from safetensors.torch import save_file

        assert self.folder is not None
        began = self.clock.elapsed()
        new = self.folder.with_name(f".{self.folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir(parents=True)
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(whole, new / "state.safetensors")
            write_json(new / "facts.json", {**facts, "format": FORMAT, "key": self.key})
            replace_folder(new, self.folder)
        except Exception as error:
            shutil.rmtree(new, ignore_errors=True)
            if not is_full(error):
                if isinstance(error, OSError):
                    raise cannot_write(new, error) from error
                raise
            self.folder = None
        self._last = self.clock.elapsed()
        self._seconds = self._last - began

    def last(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The state that was kept last; None where there is none, or none of this training."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self._last = self.clock.elapsed()
        if self.folder is None:
            return None
        place = recover_folder(self.folder)
        try:
            facts = read_json(place / "facts.json")
            if facts.get("format") != FORMAT or facts.get("key") != self.key:
                return None
            return load_file(place / "state.safetensors"), facts
        except (TunesmithError, OSError, SafetensorError):
            return None


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What an optimiser remembers of each parameter, by their number and its name."""
    whole = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, state in whole.items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Let an optimiser remember what `optimizer_state` gave."""
    whole = optimizer.state_dict()
    whole["state"] = {}
    for path, tensor in tensors.items():
        number, _, name = path.partition(".")
        whole["state"].setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict(whole)


def dice_state(dice: np.random.Generator) -> str:
    """The state of a generator as JSON."""
    return json.dumps(dice.bit_generator.state)


def restore_dice(dice: np.random.Generator, state: str) -> None:
    dice.bit_generator.state = json.loads(state)
