"""A network for tables before one row, as a function of its numbers and of shares of its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset
from tunesmith.learners._insight import Insight
from tunesmith.learners._tabular_inputs import FARTHEST, SMOOTH, TabularInputs

if TYPE_CHECKING:
    import torch

    from tunesmith.learners.tabular import TabularModel


def insight(model: TabularModel, data: Dataset) -> Insight:
    """Nothing is a number in the middle and no level of a category."""
    from tunesmith.nn.saliency import Passage

    numbers, codes = model.inputs.arrays(data)
    width = numbers.shape[1]

    def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
        logits = model.network.eval().soft(dense[:, :width], dense[:, width:]).double()
        if model.classes:
            return logits.softmax(dim=2).mean(dim=1)
        return logits.mean(dim=1) * model.scale + model.mean

    dense = np.concatenate([numbers[0], _shares(codes[0], model.inputs.cardinalities)])
    states = model.inputs.scales
    return Insight(
        Passage((), dense, answer),
        (),
        _places(model.inputs),
        lambda name, values: _scaled(values, states[name]),
    )


def _shares(codes: NDArray[np.int64], cardinalities: Sequence[int]) -> NDArray[np.float32]:
    """A one for each code among zeros, (sum of cardinalities,)."""
    found = np.zeros(sum(cardinalities), dtype=np.float32)
    found[np.cumsum([0, *cardinalities])[:-1] + codes] = 1.0
    return found


def _places(inputs: TabularInputs) -> dict[str, NDArray[np.int64]]:
    """Where the numbers and shares of each column stand, its number first."""
    numbers, codes = inputs.owners()
    found: dict[str, list[int]] = {}
    for place, name in enumerate(numbers):
        found.setdefault(name, []).append(place)
    at = len(numbers)
    for name, count in zip(codes, inputs.cardinalities, strict=True):
        found.setdefault(name, []).extend(range(at, at + count))
        at += count
    return {name: np.array(places, dtype=np.int64) for name, places in found.items() if name}


def _scaled(values: torch.Tensor, state: Mapping[str, Any]) -> torch.Tensor:
    """As `_tabular_inputs.py` scales a number, with the way back open."""
    import torch

    found: torch.Tensor
    if "spread" in state:
        away = (values - state["center"]) / state["spread"]
        found = away / (1 + (away / SMOOTH).square()).sqrt()
        return found
    references = np.asarray(state["references"])
    steps = np.linspace(0, 1, len(references))
    known, first, counts = np.unique(references, return_index=True, return_counts=True)
    low, high = (torch.from_numpy(steps[at]).to(values) for at in (first + counts - 1, first))
    ends = torch.from_numpy(known).to(values)
    below = torch.bucketize(values.detach(), ends, right=True).sub(1).clamp(0, len(ends) - 2)
    turn = ((values - ends[below]) / (ends[below + 1] - ends[below])).clamp(0, 1)
    rank = low[below] + turn * (high[below + 1] - low[below])
    found = torch.special.ndtri(rank.clamp(FARTHEST, 1 - FARTHEST))
    return found
