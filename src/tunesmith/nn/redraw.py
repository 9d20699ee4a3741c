"""Parts of a network drawn anew, to see what hangs on what they have learned.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


@torch.no_grad()
def redrawn(module: M, parts: Iterable[nn.Module], seed: int) -> M:
    """A copy in which every weight of some parts is drawn from a normal distribution, of the mean
    and the spread that the weights of its tensor have. All other tensors are shared: the module
    itself stays as it is, to the bit.

    Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.
    """
    drawn = {id(tensor) for part in parts for tensor in part.parameters()}
    every = [*module.parameters(), *module.buffers()]
    found = copy.deepcopy(module, {id(one): one for one in every if id(one) not in drawn})
    dice = torch.Generator().manual_seed(seed)
    for old, new in zip(module.parameters(), found.parameters(), strict=True):
        if id(old) in drawn:
            noise = torch.randn(new.shape, generator=dice).to(new)
            new.copy_(old.mean() + old.std(correction=0) * noise)
    return found
