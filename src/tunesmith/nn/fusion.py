"""Networks that fuse blocks of numbers, one for each column, into one answer.

All take numbers (rows, total width), the blocks side by side, and marks (rows, blocks), 1 where a
row has the block and 0 where it is missing; they answer with logits (rows, 1, outputs). A block
that is missing is zero in the numbers, and a learned vector inside. Imports torch: import this file
where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from tunesmith.nn.tabular import TabularNetwork

HEADS = 4


@dataclass(frozen=True)
class FusionShape:
    """Of each block the kind of its column and its width; by how much each number counts where all
    are side by side, (sum of widths,); and how many outputs there are."""

    kinds: tuple[str, ...]
    widths: tuple[int, ...]
    scales: tuple[float, ...]
    outputs: int


class LateNetwork(TabularNetwork):
    """All blocks and marks side by side, then one hidden layer."""

    def __init__(self, shape: FusionShape, *, width: int, dropout: float) -> None:
        super().__init__()
        inside = sum(shape.widths) + len(shape.widths)
        self.scales: torch.Tensor
        self.register_buffer("scales", torch.tensor(shape.scales), persistent=False)
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(inside, width), nn.GELU(), nn.Dropout(dropout)
        )
        self.output = _output(width, shape.outputs)

    def forward(self, numbers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        both = torch.cat([numbers * self.scales, marks.to(numbers.dtype)], dim=1)
        return self.output(self.layers(both)).unsqueeze(1)  # type: ignore[no-any-return]


class GatedNetwork(TabularNetwork):
    """A hidden layer for each kind of column, and gates that say from all of them, and from what is
    missing, how much of each goes into the answer.

    Source: Arevalo et al., "Gated Multimodal Units for Information Fusion", ICLR 2017 workshop,
    section 3.1, with a softmax over the kinds in place of sigmoids.
    """

    def __init__(self, shape: FusionShape, *, width: int, dropout: float) -> None:
        super().__init__()
        self.widths = shape.widths
        self.members = [
            [place for place, one in enumerate(shape.kinds) if one == kind]
            for kind in dict.fromkeys(shape.kinds)
        ]
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(sum(shape.widths[i] for i in members), width), nn.Tanh())
            for members in self.members
        )
        self.missing_embedding = nn.Parameter(torch.zeros(len(self.members), width))
        count = len(self.members)
        self.gate = nn.Linear(count * width + len(shape.widths), count * width)
        nn.init.zeros_(self.gate.weight)
        self.output = _output(width, shape.outputs)

    def forward(self, numbers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        blocks, found = torch.split(numbers, list(self.widths), dim=1), []
        for place, (members, layer) in enumerate(zip(self.members, self.layers, strict=True)):
            seen = layer(self.drop(torch.cat([blocks[i] for i in members], dim=1)))
            has = marks[:, members].any(dim=1, keepdim=True)
            found.append(torch.where(has, seen, self.missing_embedding[place]))
        every = torch.cat([*found, marks.to(numbers.dtype)], dim=1)
        gates = self.gate(self.drop(every)).unflatten(1, (len(found), -1)).softmax(dim=1)
        fused = (gates * torch.stack(found, dim=1)).sum(dim=1)
        return self.output(self.drop(fused)).unsqueeze(1)  # type: ignore[no-any-return]


class TransformerNetwork(TabularNetwork):
    """A token for each block, attention among them, the answer from a token of its own.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021, with
    frozen features of texts and pictures as columns.
    """

    def __init__(self, shape: FusionShape, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.widths = shape.widths
        self.drop = nn.Dropout(dropout)
        self.tokens = nn.ModuleList(nn.Linear(inside, width) for inside in shape.widths)
        self.missing_embedding = nn.Parameter(torch.zeros(len(shape.widths), width))
        self.answer_embedding = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(
            width,
            HEADS,
            dim_feedforward=2 * width,
            dropout=dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.output = _output(width, shape.outputs)

    def forward(self, numbers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        parts = torch.split(numbers, list(self.widths), dim=1)
        tokens = torch.stack(
            [token(self.drop(part)) for token, part in zip(self.tokens, parts, strict=True)], dim=1
        )
        tokens = torch.where(marks.unsqueeze(2) > 0, tokens, self.missing_embedding)
        first = self.answer_embedding.expand(len(tokens), 1, -1)
        hidden = self.blocks(torch.cat([first, tokens], dim=1))
        return self.output(self.norm(hidden[:, 0])).unsqueeze(1)  # type: ignore[no-any-return]


def _output(width: int, outputs: int) -> nn.Linear:
    """The last plane, which at first answers the same to all."""
    plane = nn.Linear(width, outputs)
    nn.init.zeros_(plane.weight)
    nn.init.zeros_(plane.bias)
    return plane
