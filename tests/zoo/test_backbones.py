"""Frozen features within a time: as many rows as it allows, whatever is stored already."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from tunesmith.core.clock import Clock
from tunesmith.nn.shards import Store, using
from tunesmith.tasks.classification import BAD, GOOD
from tunesmith.zoo.backbones import backbone, features, features_within


def test_stored_rows_do_not_set_the_pace_of_the_others(checkpoint: str) -> None:
    base, seconds = backbone(checkpoint), [0.0]
    words = (*GOOD, *BAD)
    texts = [" ".join(word) for word in itertools.product(words, repeat=4)][:600]

    def slow(_: object, given: tuple[torch.Tensor, ...]) -> None:
        seconds[0] += 0.1 * len(given[0])  # a tenth of a second a row

    hook = base.encoder.blocks[0].register_forward_pre_hook(slow)
    try:
        with using(Store(None, 2**30)):
            features(base, texts[:100], max_length=64, readout="several")
            clock = Clock(30.0, lambda: seconds[0])
            rows, vectors = features_within(
                base, texts, max_length=64, clock=clock, seed=0, readout="several"
            )
    finally:
        hook.remove()
    assert set(range(100)) <= set(rows.tolist())
    assert 150 <= len(rows) == len(vectors) < 600
    assert len(np.unique(rows)) == len(rows)
    assert not clock.is_over()
