"""The cell between what is read out of frozen layers and the answer: which vectors are read and how
they come together, then a network whose depth, width, activation, norm and skips are searched.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tunesmith.nn.tabular import TabularNetwork

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
NORMS: Mapping[str, Callable[[int], nn.Module]] = {
    "": lambda width: nn.Identity(),
    "layer": nn.LayerNorm,
    "batch": nn.BatchNorm1d,
    "rms": nn.RMSNorm,
}
PLANE_RATE = 0.1
"""The learning rate of the plane that a cell begins with, as a share of that of its layers."""


@dataclass(frozen=True)
class CellShape:
    """What a cell is built from: the `widths` of the vectors that are read, how many numbers of
    other columns come beside them, and the outputs. Vectors that are `mixed` (of one width) are
    summed by learned shares, others stand side by side; `depth` may be 0."""

    widths: tuple[int, ...]
    dense: int
    outputs: int
    mixed: bool = False
    depth: int = 1
    width: int = 256
    activation: str = "gelu"
    norm: str = ""
    residual: bool = False
    dropout: float = 0.0

    @property
    def read(self) -> int:
        """How wide the vectors are once they have come together."""
        return self.widths[0] if self.mixed else sum(self.widths)

    @property
    def inside(self) -> int:
        """The numbers that the first layer sees."""
        return self.read + self.dense


class Reading(nn.Module):
    """Vectors side by side (rows, sum of widths), standardised, and mixed where they are."""

    center: torch.Tensor
    scale: torch.Tensor

    def __init__(self, shape: CellShape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("center", torch.zeros(sum(shape.widths)))
        self.register_buffer("scale", torch.ones(sum(shape.widths)))
        self.shares = nn.Parameter(torch.zeros(len(shape.widths))) if shape.mixed else None

    def weights(self) -> NDArray[np.float64]:
        """The share of each vector where they are mixed, shape (vectors,)."""
        assert self.shares is not None
        return np.asarray(self.shares.detach().double().softmax(dim=0).cpu().numpy())

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Source: Peters et al., "Deep Contextualized Word Representations", NAACL 2018, eq. 1."""
        rows = (vectors - self.center) / self.scale
        if self.shares is None:
            return rows
        each = rows.reshape(len(rows), len(self.shape.widths), self.shape.widths[0])
        return torch.einsum("rvw,v->rw", each, self.shares.softmax(dim=0))


class Hidden(nn.Module):
    """One layer: a plane, its norm, its activation, and what it was given beside it where it
    skips."""

    def __init__(self, inside: int, shape: CellShape, *, skips: bool) -> None:
        super().__init__()
        self.plane = nn.Linear(inside, shape.width)
        self.norm = NORMS[shape.norm](shape.width)
        self.activation = ACTIVATIONS[shape.activation]()
        self.drop = nn.Dropout(shape.dropout)
        self.skips = skips

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.drop(self.activation(self.norm(self.plane(rows))))
        return rows + found if self.skips else found


class Cell(TabularNetwork):
    """What is read, then layers, then a plane over what they make of it and over what was read: at
    first it answers as a plane alone, and learns from there."""

    def __init__(self, shape: CellShape) -> None:
        super().__init__()
        self.shape = shape
        self.reading = Reading(shape)
        self.drop = nn.Dropout(shape.dropout)
        widths = [shape.inside, *[shape.width] * shape.depth]
        self.layers = nn.ModuleList(
            Hidden(inside, shape, skips=shape.residual and number > 0)
            for number, inside in enumerate(widths[:-1])
        )
        self.output = nn.Linear(shape.width, shape.outputs, bias=False) if shape.depth else None
        self.plane = nn.Linear(shape.inside, shape.outputs)
        if self.output is not None:
            nn.init.zeros_(self.output.weight)

    @torch.no_grad()
    def begin(self, weights: NDArray[np.float32], bias: NDArray[np.float64]) -> None:
        """Answer as this plane over what is read, standardised, and the numbers beside it:
        `weights` (inside, outputs), `bias` (outputs,)."""
        self.plane.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T)))
        self.plane.bias.copy_(torch.from_numpy(bias))

    def rate(self, name: str) -> float:
        return PLANE_RATE if name.startswith("plane.") and self.layers else 1.0

    def forward(self, numbers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        """(rows, sum of widths + dense) → logits (rows, 1, outputs)."""
        vectors, dense = torch.split(numbers, [sum(self.shape.widths), self.shape.dense], dim=1)
        rows = torch.cat([self.reading(vectors), dense], dim=1)
        if self.output is None:
            return self.plane(self.drop(rows)).unsqueeze(1)  # type: ignore[no-any-return]
        hidden = self.drop(rows)
        for layer in self.layers:
            hidden = layer(hidden)
        return (self.plane(rows) + self.output(hidden)).unsqueeze(1)  # type: ignore[no-any-return]
