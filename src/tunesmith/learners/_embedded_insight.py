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

if TYPE_CHECKING:
    import torch


def through(embeddings: Sequence[Embedding], inner: Insight, data: Dataset) -> Insight:
    """The network's insight with the numbers of embeddings made, in it, of what these read. What
    else it is given of them, such as that nothing is missing, stays as it is."""
    import torch

    from tunesmith.nn.saliency import Passage

    known = [one for one in embeddings if _known(one, inner)]
    read = [one for one in known if one.reads.contents(data)[0]]
    cells = [one.reads.cell(data) for one in read]
    seen = [
        seen_frozen(cell, one.reads.encoder.eval(), READOUT)
        for cell, one in zip(cells, read, strict=True)
    ]
    if not known:
        return inner
    every = torch.from_numpy(np.concatenate([at for one in known for at in _places(one, inner)]))
    made_at = torch.tensor([at[0] for one in read for at in _places(one, inner)]).long()
    row = torch.from_numpy(inner.passage.dense)

    def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
        kept = row.to(dense)[every].expand(len(dense), -1)
        whole = dense.index_copy(1, every.to(dense.device), kept)
        made = [_numbers(one, inner, f) for one, f in zip(read, features, strict=False)]
        if made:
            whole = whole.index_copy(1, made_at.to(dense.device), torch.cat(made, dim=1))
        return inner.passage.answer(features[len(read) :], whole)

    passage = Passage((*seen, *inner.passage.contents), inner.passage.dense, answer)
    return replace(inner, passage=passage, cells=(*cells, *inner.cells))


def _known(embedding: Embedding, inner: Insight) -> list[int]:
    """Those of its numbers that the network is given: some leave out what does not vary."""
    every = range(len(embedding.projection.bias))
    return [number for number in every if embedding.name_of(number) in inner.slices]


def _places(embedding: Embedding, inner: Insight) -> list[NDArray[np.int64]]:
    """Where each of its numbers, and what is told beside it, stand among those that the network is
    given."""
    every = np.arange(len(inner.passage.dense))
    return [every[inner.slices[embedding.name_of(n)]] for n in _known(embedding, inner)]


def _numbers(embedding: Embedding, inner: Insight, features: torch.Tensor) -> torch.Tensor:
    """As `Projection.transform`, then as the network is given them, with the way back open."""
    import torch

    own = embedding.projection
    center, weights, bias = (
        torch.from_numpy(p).to(features) for p in (own.center, own.weights, own.bias)
    )
    numbers = (features - center) @ weights + bias
    assert inner.standard is not None  # every network that is given columns of numbers says how
    told = [inner.standard(embedding.name_of(n), numbers[:, n]) for n in _known(embedding, inner)]
    return torch.stack(told, dim=1)
