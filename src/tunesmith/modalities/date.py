"""Dates: how far along, where in the year, which day of the week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Modality
from tunesmith.modalities._shelf import modalities

DAYS_A_YEAR = 365.2425


def _days(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    gone = np.isnat(values)
    days = values.astype("datetime64[s]").astype(np.int64) / 86400.0
    return np.where(gone, 0.0, days), gone


@modalities.add("date")
class Date(Modality):
    """Days standardised, the season and the weekday as points on a circle, a mark for missing."""

    def fit(self, values: NDArray[Any]) -> Mapping[str, Any]:
        days, gone = _days(values)
        known = days[~gone]
        spread = float(known.std()) if len(known) else 0.0
        return {
            "mean": float(known.mean()) if len(known) else 0.0,
            "scale": spread if spread > 0 else 1.0,
        }

    def transform(self, values: NDArray[Any], state: Mapping[str, Any]) -> NDArray[np.float32]:
        days, gone = _days(values)
        year, week = 2 * np.pi * days / DAYS_A_YEAR, 2 * np.pi * np.floor(days) / 7
        parts = [
            np.clip((days - state["mean"]) / state["scale"], -8, 8),
            np.sin(year),
            np.cos(year),
            np.sin(week),
            np.cos(week),
        ]
        columns = [np.where(gone, 0.0, part) for part in parts] + [gone.astype(np.float64)]
        return np.stack(columns, axis=1).astype(np.float32)
