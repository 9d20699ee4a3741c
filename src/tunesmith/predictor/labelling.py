"""Which of some rows to label next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset
from tunesmith.evaluate.acquisition import pool, spread_out
from tunesmith.evaluate.properties import Property, properties
from tunesmith.modalities.topics import Topics
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.profiling import sight_in
from tunesmith.predictor.analysis import said, shown
from tunesmith.predictor.uncertainty import uncertainty

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 50
MOST_TOPICS = 16
MOST_ROWS = 20_000
"""From which rows are chosen where nothing tells how sure the model is of them."""

Numbers = NDArray[np.float64]


def to_label_of(
    model: Model, rows: Dataset, found: Prediction, count: int, seed: int
) -> pd.DataFrame:
    """The rows to label next, the most worth first.

    Args:
        found: What the model answers for these rows.

    Raises:
        ConfigError: `count` is below one.
        DataError: There is no row.
    """
    import pandas as pd

    if count < 1:
        raise ConfigError(f"count={count} rows cannot be chosen. Give 1 or more.")
    if not len(rows):
        raise DataError(f"{rows.source} has no row to choose from.")
    unsure, how = uncertainty(model, rows, found)
    near = pool(unsure, len(rows), count)[: max(MOST_ROWS, count)]
    points, of = points_of(model, rows.take(near), seed)
    chosen = near[spread_out(points, None if unsure is None else unsure[near], count)]
    told = pd.DataFrame(
        {
            "rank": np.arange(1, len(chosen) + 1),
            "line": rows.lines[chosen],
            "prediction": [said(found, int(row)) for row in chosen],
            "uncertainty": np.nan if unsure is None else unsure[chosen],
            "row": [shown(rows, model.inputs, int(row)) for row in chosen],
        }
    )
    told.attrs.update({"uncertainty": how if unsure is not None else "", "apart": of})
    return told


def points_of(model: Model, rows: Dataset, seed: int) -> tuple[Numbers, str]:
    """Where rows lie, shape (rows, width), such that what is alike is near, and by what that is
    told: the features of the model's own encoder, and the cells of the other columns."""
    sight = sight_in(model)
    parts: list[Numbers] = []
    seen = set()
    if sight is not None:
        seen = {"image"} if sight.inputs.image_names else {"text"}
        parts.append(_unit(sight.features(rows).astype(np.float64)))
    columns = [column for column in model.inputs if column.kind not in seen]
    parts += [
        _of_property(one, seed, is_text=rows.column(one.column).kind == "text")
        for one in properties(rows, columns, seed=seed, pictures=len(rows))
    ]
    told = "features of the model's encoder" if sight is not None else "the columns"
    both = f"{told} and the columns" if sight is not None and columns else told
    return np.concatenate([np.zeros((len(rows), 1)), *parts], axis=1), both


def _unit(features: Numbers) -> Numbers:
    """Rows of length one around their middle; zero where nothing was read."""
    known = ~np.isnan(features).any(axis=1)
    found = np.zeros_like(features)
    if known.any():
        away = features[known] - features[known].mean(axis=0)
        found[known] = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    return found


def _of_property(one: Property, seed: int, *, is_text: bool) -> Numbers:
    """Numbers of one property, such that two rows lie at most about one apart by it."""
    missing = one.missing()
    if one.values.dtype.kind == "M" or one.is_number:
        values = (
            one.values.astype("datetime64[s]").astype(np.int64) if not one.is_number else one.values
        )
        ranks = np.zeros(len(missing))
        order = np.argsort(np.argsort(values[~missing], kind="stable"), kind="stable")
        ranks[~missing] = order / max(1, len(order) - 1) - 0.5
        return np.stack([ranks, missing * 0.5], axis=1)
    if is_text and one.about == "value":
        texts = [text or "" for text in one.values]
        return _unit(Topics.fit(texts, seed, MOST_TOPICS).transform(texts).astype(np.float64))
    words = np.array(["" if value is None else value for value in one.values], dtype=str)
    _, places, counts = np.unique(words, return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    return np.asarray((places[:, None] == kept[None, :]) / np.sqrt(2))
