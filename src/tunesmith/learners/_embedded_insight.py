"""A network over texts and pictures as numbers, as one function of all that is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset
from tunesmith.learners._embedding import Embedding
from tunesmith.learners._frozen import READOUT
from tunesmith.learners._insight import Insight, seen_frozen
from tunesmith.modalities.number import CLIP

if TYPE_CHECKING:
    import torch


def through(embeddings: Sequence[Embedding], inner: Insight, data: Dataset) -> Insight:
    """The network's insight with the numbers of embeddings made, in it, of what these read."""
    import torch

    from tunesmith.nn.saliency import Passage

    read = [one for one in embeddings if one.reads.contents(data)[0] and one.projection.bias.size]
    if not read:
        return inner
    cells = [one.reads.cell(data) for one in read]
    seen = [
        seen_frozen(cell, one.reads.encoder.eval(), READOUT)
        for cell, one in zip(cells, read, strict=True)
    ]
    places = torch.from_numpy(np.concatenate([_places(one, inner) for one in read], dtype=np.int64))

    def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
        made = [_numbers(one, inner, f) for one, f in zip(read, features, strict=False)]
        whole = dense.index_copy(1, places.to(dense.device), torch.cat(made, dim=1))
        return inner.passage.answer(features[len(read) :], whole)

    passage = Passage((*seen, *inner.passage.contents), inner.passage.dense, answer)
    return replace(inner, passage=passage, cells=(*cells, *inner.cells))


def _places(embedding: Embedding, inner: Insight) -> NDArray[np.int64]:
    """Where its numbers stand among those that the network is given."""
    count = len(embedding.projection.bias)
    return np.array([inner.slices[embedding.name_of(n)].start for n in range(count)])


def _numbers(embedding: Embedding, inner: Insight, features: torch.Tensor) -> torch.Tensor:
    """As `Projection.transform`, then standardised as `modalities/number.py` does, with the way
    back open."""
    import torch

    own = embedding.projection
    center, weights, bias = (
        torch.from_numpy(p).to(features) for p in (own.center, own.weights, own.bias)
    )
    states = [inner.states[embedding.name_of(n)] for n in range(len(own.bias))]
    mean, scale = (
        features.new_tensor([state[key] for state in states]) for key in ("mean", "scale")
    )
    numbers = (features - center) @ weights + bias
    return ((numbers - mean) / scale).clamp(-CLIP, CLIP)
