"""stand-in"""

from __future__ import annotations

from typing import Any


def load(folder: Any, pattern: str = "*.safetensors") -> Any:
    raise NotImplementedError


def shaped(folder: Any) -> Any:
    raise NotImplementedError


def restore(folder: Any) -> Any:
    raise NotImplementedError


def save_shape(encoder: Any, folder: Any) -> None:
    raise NotImplementedError
