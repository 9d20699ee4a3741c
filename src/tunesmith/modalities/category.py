"""Categories: one column per frequent level, one for all others, one for missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Modality
from tunesmith.modalities._shelf import modalities

MOST_LEVELS = 100


@modalities.add("category")
class Category(Modality):
    """One-hot over the levels seen in training; a new level counts as "other"."""

    def fit(self, values: NDArray[Any]) -> Mapping[str, Any]:
        counts = Counter(value for value in values if value is not None)
        frequent = sorted(counts, key=lambda level: (-counts[level], level))[:MOST_LEVELS]
        return {"levels": sorted(frequent)}

    def transform(self, values: NDArray[Any], state: Mapping[str, Any]) -> NDArray[np.float32]:
        levels = state["levels"]
        index = {level: place for place, level in enumerate(levels)} | {None: len(levels) + 1}
        places = [index.get(value, len(levels)) for value in values]
        return np.eye(len(levels) + 2, dtype=np.float32)[np.array(places, dtype=np.int64)]
