"""Real reviews as model input, shared by the benchmarks."""

from __future__ import annotations

import numpy as np

from tunesmith import zoo
from tunesmith.data.demo import clothing_reviews
from tunesmith.nn.batches import Rows
from tunesmith.zoo import encoders

CARD = "all-MiniLM-L6-v2"


def reviews(count: int, max_length: int = 128) -> tuple[Rows, np.ndarray]:
    """Token ids of reviews without dense inputs, and their labels as codes."""
    tokenizer = encoders.read_tokenizer(zoo.fetch(CARD))
    table, _ = clothing_reviews(rows=count)
    ids = [np.array(one[:max_length], dtype=np.int32) for one in tokenizer.encode(list(table.text))]
    truth = (table["recommended"] == "yes").to_numpy().astype(np.int64)
    return Rows(ids, np.empty((count, 0), dtype=np.float32), 0), truth
