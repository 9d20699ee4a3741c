"""A fusion before one row, as one function of all that its encoders read and of the numbers beside
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.records import Dataset
from tunesmith.learners._blocks import Blocks, Map
from tunesmith.learners._frozen import READOUT
from tunesmith.learners._insight import Insight, answered, on_plane, seen_frozen

if TYPE_CHECKING:
    import torch

    from tunesmith.learners.fusion import FusionModel


def insight(model: FusionModel, data: Dataset) -> Insight:
    """Of a row without text and picture the other columns; marks then stand for what is missing."""
    import torch

    from tunesmith.nn.saliency import Passage

    blocks = model.blocks
    numbers, marks = blocks.arrays(data)
    has = [bool(mark) for mark in marks[0, : len(blocks.contents)]]
    cells = tuple(
        content.cell(data)
        for (content, _), is_there in zip(blocks.contents, has, strict=True)
        if is_there
    )
    read = [
        content for (content, _), is_there in zip(blocks.contents, has, strict=True) if is_there
    ]
    known = torch.from_numpy(marks)

    def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
        left, parts = iter(features), []
        for (_, mapped), is_there in zip(blocks.contents, has, strict=True):
            own = _mapped(mapped, next(left)) if is_there else None
            parts.append(dense.new_zeros(len(dense), mapped.width) if own is None else own)
        both = torch.cat([*parts, dense], dim=1)
        return _answer(model, both, known.to(dense.device).expand(len(dense), -1))

    seen = tuple(
        seen_frozen(cell, content.encoder.eval(), READOUT)
        for cell, content in zip(cells, read, strict=True)
    )
    start = sum(mapped.width for _, mapped in blocks.contents)
    return Insight(Passage(seen, numbers[0, start:], answer), cells, _slices(blocks))


def _mapped(mapped: Map, features: torch.Tensor) -> torch.Tensor:
    """As `Map.transform`, with the way back open."""
    import torch

    center, scale = (torch.from_numpy(one).to(features) for one in (mapped.center, mapped.scale))
    rows = (features - center) / scale
    turned = torch.from_numpy(mapped.directions).to(features)
    return rows @ turned if mapped.directions.size else rows


def _answer(model: FusionModel, numbers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
    """As `FusionModel.answer`, with the way back open."""
    import torch

    if model.plane is not None:
        gaps = (1 - marks[:, : len(model.blocks.contents)]).to(numbers)
        rows = torch.cat([numbers, gaps], dim=1)
        return answered(on_plane(model.plane)(rows), model.classes)
    assert model.network is not None
    logits = model.network.eval()(numbers, marks)
    told = answered(logits, model.classes, mean=model.mean, scale=model.scale)
    return told.mean(dim=1)


def _slices(blocks: Blocks) -> dict[str, slice]:
    """Which of the numbers beside texts and pictures are of which column."""
    ends = np.cumsum([0, *blocks.widths[len(blocks.contents) :]])
    names = [one.columns[0].name for one in blocks.dense]
    return {name: slice(ends[n], ends[n + 1]) for n, name in enumerate(names)}
