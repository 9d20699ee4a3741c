"""Real reviews as model input, shared by the benchmarks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tunesmith import zoo
from tunesmith.data.demo import clothing_reviews
from tunesmith.nn.batches import Rows
from tunesmith.nn.loop import Settings
from tunesmith.nn.optim import factor
from tunesmith.zoo import encoders

CARD = "all-MiniLM-L6-v2"
BATCH = 32


def reviews(count: int, max_length: int = 128, card: str = CARD) -> tuple[Rows, np.ndarray]:
    """Token ids of reviews without dense inputs, and their labels as codes."""
    tokenizer = encoders.read_tokenizer(zoo.fetch(card))
    table, _ = clothing_reviews(rows=count)
    ids = [np.array(one[:max_length], dtype=np.int32) for one in tokenizer.encode(list(table.text))]
    truth = (table["recommended"] == "yes").to_numpy().astype(np.int64)
    return Rows(ids, np.empty((count, 0), dtype=np.float32), 0), truth


def usual(truth: np.ndarray, progress: Callable[[int], float], precision: str) -> Settings:
    """What the loop is told in every benchmark of it: two classes, whole batches, no smoothing."""
    return Settings(
        truth=truth,
        classes=2,
        batch_size=BATCH,
        smoothing=0.0,
        class_weights=None,
        clip=1.0,
        rate=lambda share: factor("linear", share, 0.06),
        progress=progress,
        micro_batch=BATCH,
        precision=precision,
    )
