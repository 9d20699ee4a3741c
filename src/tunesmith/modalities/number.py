"""Numbers: standardised, clipped, with a mark for missing where training had missing cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Modality
from tunesmith.modalities._shelf import modalities

CLIP = 8.0


@modalities.add("number")
class Number(Modality):
    """Standardised by mean and standard deviation; missing cells become the mean."""

    def fit(self, values: NDArray[Any]) -> Mapping[str, Any]:
        known = values[~np.isnan(values)].astype(np.float64)
        spread = float(known.std()) if len(known) else 0.0
        return {
            "mean": float(known.mean()) if len(known) else 0.0,
            "scale": spread if spread > 0 else 1.0,
            "missing": bool(len(known) < len(values)),
        }

    def transform(self, values: NDArray[Any], state: Mapping[str, Any]) -> NDArray[np.float32]:
        gone = np.isnan(values)
        scaled = np.where(gone, 0.0, (values - state["mean"]) / state["scale"])
        columns = [np.clip(scaled, -CLIP, CLIP)] + ([gone] if state["missing"] else [])
        return np.stack(columns, axis=1).astype(np.float32)
