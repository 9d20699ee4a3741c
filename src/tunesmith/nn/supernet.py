"""All cells of a space in one network: each choice is a mixture of its options by weights of its
own, so that what to choose can be learned by gradient.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from tunesmith.nn.cells import ACTIVATIONS, Reading
from tunesmith.nn.cells import CellShape as Shape
from tunesmith.nn.tabular import TabularNetwork

READS, JOINED, WIDTH, ACTIVATION, NORM, RESIDUAL = (
    "read ",
    "joined",
    "width",
    "activation",
    "norm",
    "residual",
)
IN, OUT = "in", "out"
SIDE, MIXED = "side by side", "mixed"
LINEAR, SKIP, NONE = "linear", "skip", "none"
YES, NO = "yes", "no"
WIDTHS = (64, 128, 256)
LAYERS = 3
LEANING = 2.0
"""How much the weights of a vector lean to its being read at first, before the softmax."""


@dataclass(frozen=True)
class Reads:
    """The vectors that a cell may read, by name, with their widths; how many numbers of other
    columns come beside them; and the outputs."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    dense: int
    outputs: int

    @property
    def are_alike(self) -> bool:
        """Whether they can be mixed."""
        return len(self.widths) > 1 and len(set(self.widths)) == 1


def options(reads: Reads) -> dict[str, tuple[str, ...]]:
    """Every choice of the space, and its options."""
    found: dict[str, tuple[str, ...]] = {}
    if len(reads.names) > 1:
        found |= {f"{READS}{name}": (IN, OUT) for name in reads.names}
    if reads.are_alike:
        found[JOINED] = (SIDE, MIXED)
    found[layer_of(1)] = (LINEAR, NONE)
    found |= {layer_of(number): (LINEAR, SKIP) for number in range(2, LAYERS + 1)}
    found[WIDTH] = tuple(map(str, WIDTHS))
    found[ACTIVATION] = tuple(ACTIVATIONS)
    found[NORM] = (NONE, "layer", "batch", "rms")
    found[RESIDUAL] = (NO, YES)
    return found


def layer_of(number: int) -> str:
    """The name of the choice of what a layer is."""
    return f"layer {number}"


class Supernet(TabularNetwork):
    """The cell in which every option counts by its weight, the softmax over those of its choice
    that are left.

    Source: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, section
    2.2; widths by masks: Wan et al., "FBNetV2", CVPR 2020, section 3.1.
    """

    masks: torch.Tensor

    def __init__(self, reads: Reads, dropout: float) -> None:
        super().__init__()
        self.reads = reads
        self.options = options(reads)
        self.left = {choice: list(names) for choice, names in self.options.items()}
        self.alphas = nn.ParameterList(self._start(c, len(n)) for c, n in self.options.items())
        self.reading = Reading(Shape(reads.widths, reads.dense, reads.outputs))
        inside, most = sum(reads.widths) + reads.dense, max(WIDTHS)
        self.drop, self.skip_drop = nn.Dropout(dropout), nn.Dropout(0.0)
        self.layers = nn.ModuleList(
            nn.Linear(inside if number == 0 else most, most) for number in range(LAYERS)
        )
        self.output = nn.Linear(most, reads.outputs, bias=False)
        self.plane = nn.Linear(inside, reads.outputs)
        if reads.are_alike:
            self.mixed_layer = nn.Linear(reads.widths[0] + reads.dense, most)
            self.mixed_plane = nn.Linear(reads.widths[0] + reads.dense, reads.outputs)
            nn.init.zeros_(self.mixed_plane.weight)
        self.shares = nn.Parameter(torch.zeros(len(reads.widths)))
        self.batch_norms = nn.ModuleList(nn.BatchNorm1d(most, affine=False) for _ in range(LAYERS))
        for one in (self.output, self.plane):
            nn.init.zeros_(one.weight)
        ends = torch.tensor(WIDTHS)[:, None]
        self.register_buffer("masks", (torch.arange(most)[None] < ends).float())

    @staticmethod
    def _start(choice: str, count: int) -> nn.Parameter:
        start = torch.zeros(count)
        start[0] = LEANING if choice.startswith(READS) else 0.0
        return nn.Parameter(start)

    def alpha(self, choice: str) -> nn.Parameter:
        """The weights of a choice before the softmax, one for each option."""
        alpha = self.alphas[list(self.options).index(choice)]
        assert isinstance(alpha, nn.Parameter)
        return alpha

    def of_weights(self) -> Iterator[nn.Parameter]:
        """The parameters that are no weights of options."""
        alphas = {id(alpha) for alpha in self.alphas}
        return (one for one in self.parameters() if id(one) not in alphas)

    def chances(self, choice: str) -> torch.Tensor:
        """How much each option counts, shape (options,)."""
        names, left = self.options[choice], self.left[choice]
        gone = torch.tensor([name not in left for name in names], device=self.masks.device)
        return self.alpha(choice).masked_fill(gone, float("-inf")).softmax(dim=0)

    @torch.no_grad()
    def weights(self) -> dict[str, dict[str, float]]:
        """How much each option that is left counts."""
        found = {}
        for choice, names in self.options.items():
            counts = dict(zip(names, self.chances(choice).tolist(), strict=True))
            found[choice] = {name: counts[name] for name in self.left[choice]}
        return found

    @contextmanager
    def without(self, choice: str, option: str) -> Iterator[None]:
        """The same network with an option gone, for a while."""
        before = self.left[choice]
        self.left[choice] = [name for name in before if name != option]
        try:
            yield
        finally:
            self.left[choice] = before

    def drop_option(self, choice: str, option: str) -> None:
        """Take an option away for good."""
        self.left[choice] = [name for name in self.left[choice] if name != option]

    def chosen(self) -> Mapping[str, str]:
        """Of each choice the option that counts most."""
        return {
            choice: max(one, key=lambda name: one[name]) for choice, one in self.weights().items()
        }

    def forward(self, numbers: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        """As `Cell.forward`."""
        vectors, dense = torch.split(numbers, [sum(self.reads.widths), self.reads.dense], dim=1)
        rows = self.reading(vectors)
        gates = self._gates()
        spread = torch.repeat_interleave(
            gates, torch.tensor(self.reads.widths, device=rows.device), output_size=rows.shape[1]
        )
        beside = torch.cat([rows * spread, dense], dim=1)
        first, logits = self.layers[0](beside), self.plane(beside)
        if self.reads.are_alike:
            each = rows.reshape(len(rows), len(gates), self.reads.widths[0])
            shares = gates * self.shares.softmax(dim=0)
            whole = torch.einsum("rvw,v->rw", each, shares / shares.sum().clamp(min=1e-6))
            mixed, (side, mix) = torch.cat([whole, dense], dim=1), self.chances(JOINED)
            first = side * first + mix * self.mixed_layer(mixed)
            logits = side * logits + mix * self.mixed_plane(mixed)
        logits = logits + self.output(self._hidden(first))
        return logits.unsqueeze(1)  # type: ignore[no-any-return]

    def _gates(self) -> torch.Tensor:
        """How much each vector is read, shape (vectors,)."""
        if len(self.reads.names) == 1:
            return torch.ones(1, device=self.masks.device)
        return torch.stack([self.chances(f"{READS}{name}")[0] for name in self.reads.names])

    def _hidden(self, first: torch.Tensor) -> torch.Tensor:
        """What the layers make of the output of the first one's plane."""
        kinds = (self.chances(ACTIVATION), self.chances(NORM))
        mask = self.chances(WIDTH) @ self.masks
        residual = self.chances(RESIDUAL)[1]
        hidden = self.chances(layer_of(1))[0] * self._bent(first, 0, mask, *kinds)
        for place in range(1, LAYERS):
            linear, skip = self.chances(layer_of(place + 1))
            found = self._bent(self.layers[place](hidden), place, mask, *kinds)
            hidden = linear * (found + residual * hidden) + skip * self.skip_drop(hidden)
        return hidden

    def _bent(
        self,
        rows: torch.Tensor,
        place: int,
        mask: torch.Tensor,
        activation: torch.Tensor,
        norm: torch.Tensor,
    ) -> torch.Tensor:
        """Every norm that is left, then every activation that is, each by its weight."""
        width = mask.sum()
        normed = norm[0] * rows
        if "layer" in self.left[NORM]:
            mean = (rows * mask).sum(dim=1, keepdim=True) / width
            away = (rows - mean) * mask
            spread = (away.square().sum(dim=1, keepdim=True) / width + 1e-5).rsqrt()
            normed = normed + norm[1] * away * spread
        if "batch" in self.left[NORM]:
            normed = normed + norm[2] * self.batch_norms[place](rows)
        if "rms" in self.left[NORM]:
            square = ((rows * mask).square().sum(dim=1, keepdim=True) / width + 1e-5).rsqrt()
            normed = normed + norm[3] * rows * square
        bent: torch.Tensor | float = 0.0
        for count, name in zip(activation, self.options[ACTIVATION], strict=True):
            if name in self.left[ACTIVATION]:
                bent = bent + count * ACTIVATIONS[name]()(normed)
        return self.drop(bent * mask)  # type: ignore[no-any-return]
