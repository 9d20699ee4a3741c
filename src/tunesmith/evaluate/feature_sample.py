"""Some rows as an encoder sees them, in so few and coarse numbers that they take little space and
no text can be read back."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 64
"""Random directions on which features are projected."""
STEPS = 127
REACH = 4.0
"""Standard deviations within which numbers are told apart."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureSample:
    """Projected features of some rows, shape (rows, `WIDTH`), in whole steps of their own
    spread."""

    width: int
    center: Numbers
    scale: Numbers
    rows: NDArray[np.int8]

    @staticmethod
    def of(features: NDArray[Any]) -> FeatureSample:
        """Of features of shape (rows, width), without NaN."""
        found = projected(features)
        center, scale = found.mean(axis=0), np.maximum(found.std(axis=0), 1e-6)
        center, scale = (np.array([float(f"{x:.6g}") for x in one]) for one in (center, scale))
        empty = np.empty((0, WIDTH), dtype=np.int8)
        blank = FeatureSample(features.shape[1], center, scale, empty)
        return FeatureSample(blank.width, center, scale, blank.steps(features))

    def steps(self, features: NDArray[Any]) -> NDArray[np.int8]:
        """Features of other rows in the same steps.

        Raises:
            ValueError: They are of another width.
        """
        if features.shape[1] != self.width:
            raise ValueError(f"features of width {features.shape[1]}, not {self.width}")
        standard = (projected(features) - self.center) / self.scale
        return np.round(np.clip(standard / REACH, -1, 1) * STEPS).astype(np.int8)

    def told(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "rows": base64.b64encode(self.rows.tobytes()).decode("ascii"),
        }

    @staticmethod
    def restore(told: Mapping[str, Any]) -> FeatureSample:
        content = base64.b64decode(told["rows"], validate=True)
        rows = np.frombuffer(content, dtype=np.int8).reshape(-1, WIDTH)
        center, scale = (np.array(told[name], dtype=np.float64) for name in ("center", "scale"))
        if center.shape != (WIDTH,) or scale.shape != (WIDTH,):
            raise ValueError(f"features have {center.shape} and {scale.shape} numbers")
        return FeatureSample(int(told["width"]), center, scale, rows)


def projected(features: NDArray[Any]) -> Numbers:
    """Features on random directions, shape (rows, `WIDTH`).

    The directions are signs drawn by a hash, the same on every machine and with every version of
    numpy.

    Source: Achlioptas, "Database-friendly random projections", JCSS 2003.
    """
    width = features.shape[1]
    bits = np.frombuffer(
        hashlib.shake_256(f"directions {width}".encode()).digest(width * WIDTH // 8), dtype=np.uint8
    )
    signs = np.unpackbits(bits).reshape(width, WIDTH) * 2.0 - 1.0
    return np.asarray(features.astype(np.float64) @ signs / np.sqrt(width))
