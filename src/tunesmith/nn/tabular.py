"""Networks for tables, and the loop that trains them: numbers and category codes in, logits out.

Every network answers with logits of shape (rows, members, outputs): the members of an ensemble that
share most of their weights, or a single one. Imports torch: import this file where it is used.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tunesmith.core.errors import need
from tunesmith.nn import heads
from tunesmith.nn.devices import autocast
from tunesmith.nn.loop import Settings, Step

ONE_HOT = 40
"""A category of more codes is embedded: one-hot it would be most of the input."""
EMBEDDED = 16
ANSWERED = 4096
"""Rows that are answered at once."""
EXTRA = "tabular"
BINS_FROM = 50_000
MOST_BINS, FEWEST_BINS = 16_000, 16
"""Of all numbers together, and of one: a row becomes that many figures on its way in."""
ROWS_A_BIN = 8
"""At least, in the mean: of 560 rows (German credit) 1,000 bins lost 0.016 of ROC AUC against 32,
of 8,000 (Adult) they gained 0.007."""

Edges = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Shape:
    """What a network must know of the table: how many numbers, the codes of each category, how many
    outputs, and the edges of the bins of each number."""

    numbers: int
    cardinalities: tuple[int, ...]
    outputs: int
    edges: Edges = ()


def bins(numbers: NDArray[np.float32], count: int, generator: np.random.Generator) -> Edges:
    """Edges of at most so many bins, for each column of (rows, numbers): half of them so that each
    holds equally many rows, half so that each holds equally many distinct values, without which
    nothing would tell apart the few values beside one that most rows have.

    Source: Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022, section 3.2.
    """
    rows, width = numbers.shape
    if rows > BINS_FROM:
        numbers = numbers[generator.choice(rows, BINS_FROM, replace=False)]
    count = max(FEWEST_BINS, min(count, rows // ROWS_A_BIN, MOST_BINS // max(1, width)))
    steps, found = np.linspace(0, 1, count // 2 + 1), []
    for column in numbers.T:
        by_rows, by_values = np.quantile(column, steps), np.quantile(np.unique(column), steps)
        edges = np.unique(np.concatenate([by_rows, by_values]).astype(np.float32))
        ends = (edges[0], edges[0] + 1) if len(edges) < 2 else edges
        found.append(tuple(float(edge) for edge in ends))
    return tuple(found)


def piecewise_linear(shape: Shape, width: int) -> nn.Module:
    """Numbers (rows, numbers) as (rows, numbers, width) by their place among the bins."""
    package = need("rtdl_num_embeddings", extra=EXTRA)
    edges = [torch.tensor(ends) for ends in shape.edges]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a number with two values, whose one bin is right
        made = package.PiecewiseLinearEmbeddings(edges, width, activation=False, version="B")
    assert isinstance(made, nn.Module)
    return made


def periodic(shape: Shape, width: int, frequencies: int, sigma: float) -> nn.Module:
    """Numbers (rows, numbers) as (rows, numbers, width) by sines and cosines, then a plane."""
    package = need("rtdl_num_embeddings", extra=EXTRA)
    made = package.PeriodicEmbeddings(
        shape.numbers,
        width,
        n_frequencies=frequencies,
        frequency_init_scale=sigma,
        lite=False,
    )
    assert isinstance(made, nn.Module)
    return made


class Features(nn.Module):
    """Numbers, embedded or as they are, and categories, one-hot or embedded, side by side.

    `chunks` are the widths of what each column becomes.
    """

    def __init__(self, shape: Shape, numbers: nn.Module | None) -> None:
        super().__init__()
        self.numbers = numbers if shape.numbers else None
        self.cardinalities = shape.cardinalities
        self.embeddings = nn.ModuleDict(
            {
                str(place): nn.Embedding(count, EMBEDDED)
                for place, count in enumerate(shape.cardinalities)
                if count > ONE_HOT
            }
        )
        for embedding in self.embeddings.values():
            nn.init.normal_(embedding.weight, std=EMBEDDED**-0.5)  # type: ignore[arg-type]
        each = 1 if self.numbers is None else int(self.numbers.get_output_shape()[-1])  # type: ignore[operator]
        self.chunks = [each] * shape.numbers
        self.chunks += [EMBEDDED if count > ONE_HOT else count for count in shape.cardinalities]

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """(rows, numbers) and (rows, categories) → (rows, sum of chunks)."""
        parts = [self._embedded(numbers)]
        for place, count in enumerate(self.cardinalities):
            column = codes[:, place]
            if count > ONE_HOT:
                parts.append(self.embeddings[str(place)](column))
            else:
                parts.append(nn.functional.one_hot(column, count).to(numbers.dtype))
        return torch.cat(parts, dim=1)

    def soft(self, numbers: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """The same of shares of codes, see `ColumnsNetwork.soft`."""
        parts = [self._embedded(numbers)]
        for place, some in enumerate(torch.split(shares, list(self.cardinalities), dim=1)):
            if some.shape[1] > ONE_HOT:
                levels = self.embeddings[str(place)].weight
                assert isinstance(levels, torch.Tensor)
                some = some @ levels
            parts.append(some)
        return torch.cat(parts, dim=1)

    def _embedded(self, numbers: torch.Tensor) -> torch.Tensor:
        found = numbers if self.numbers is None else self.numbers(numbers).flatten(1)
        assert isinstance(found, torch.Tensor)
        return found


class TabularNetwork(nn.Module):
    """A network for tables: its parameters in groups, and its answer."""

    def rate(self, name: str) -> float:
        """The learning rate of a parameter as a multiple of that of the others."""
        return 1.0

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """Parameter groups: without decay what is no matrix, and what embeds the inputs."""
        found: dict[tuple[bool, float], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            inside = name.startswith("features.") or "embedding" in name
            bare = inside or parameter.ndim < 2 or not name.endswith("weight")
            found.setdefault((bare, self.rate(name)), []).append(parameter)
        return [
            {"params": params, "lr": lr * rate, **({"weight_decay": 0.0} if bare else {})}
            for (bare, rate), params in found.items()
        ]


class ColumnsNetwork(TabularNetwork):
    """A network over the columns of a table, through which there is a way back to each."""

    @abstractmethod
    def soft(self, numbers: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """The logits of `forward`, with a share of each code of each category in place of one code,
        side by side, (rows, sum of cardinalities)."""


class OverFeatures(ColumnsNetwork):
    """A network over numbers and categories side by side."""

    features: Features

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self.above(self.features(numbers, codes))

    def soft(self, numbers: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        return self.above(self.features.soft(numbers, shares))

    @abstractmethod
    def above(self, features: torch.Tensor) -> torch.Tensor:
        """(rows, sum of chunks) → logits."""


class TabMNetwork(OverFeatures):
    """An ensemble of MLPs that share their matrices and have scalings of their own.

    Source: Gorishniy et al., "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
    Ensembling", ICLR 2025.
    """

    def __init__(
        self,
        shape: Shape,
        numbers: nn.Module | None,
        *,
        members: int,
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        package = need("tabm", extra=EXTRA)
        self.features = Features(shape, numbers)
        self.view = package.EnsembleView(k=members)
        self.backbone = package.make_tabm_backbone(
            d_in=sum(self.features.chunks),
            n_blocks=blocks,
            d_block=width,
            dropout=dropout,
            k=members,
            start_scaling_init="random-signs" if numbers is None else "normal",
            start_scaling_init_chunks=self.features.chunks,
        )
        self.output = package.LinearEnsemble(width, shape.outputs, k=members)

    def above(self, features: torch.Tensor) -> torch.Tensor:
        logits = self.output(self.backbone(self.view(features)))
        assert isinstance(logits, torch.Tensor)
        return logits


class RealMLPNetwork(OverFeatures):
    """A plain MLP with a learned scale of each input and biases that learn slowly.

    Source: Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
    Tabular Data", NeurIPS 2024, section 3.
    """

    def __init__(
        self, shape: Shape, numbers: nn.Module | None, *, width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.features = Features(shape, numbers)
        inside = sum(self.features.chunks)
        self.scale = nn.Parameter(torch.ones(inside))
        layers: list[nn.Module] = []
        for _ in range(blocks):
            linear = nn.Linear(inside, width)
            nn.init.normal_(linear.weight, std=inside**-0.5)
            layers += [linear, nn.SELU() if shape.outputs > 1 else nn.Mish(), nn.Dropout(dropout)]
            inside = width
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(inside, shape.outputs)
        nn.init.zeros_(self.output.weight)

    def rate(self, name: str) -> float:
        if name == "scale":
            return 6.0
        return 0.1 if name.endswith("bias") and not name.startswith("features.") else 1.0

    def above(self, features: torch.Tensor) -> torch.Tensor:
        logits = self.output(self.layers(features * self.scale))
        return logits.unsqueeze(1)  # type: ignore[no-any-return]


class ResNetNetwork(OverFeatures):
    """Residual blocks with batch norm over the inputs side by side.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
    """

    def __init__(
        self, shape: Shape, numbers: nn.Module | None, *, width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        package = need("rtdl_revisiting_models", extra=EXTRA)
        self.features = Features(shape, numbers)
        self.body = package.ResNet(
            d_in=sum(self.features.chunks),
            d_out=shape.outputs,
            n_blocks=blocks,
            d_block=width,
            d_hidden=None,
            d_hidden_multiplier=2.0,
            dropout1=dropout,
            dropout2=0.0,
        )

    def above(self, features: torch.Tensor) -> torch.Tensor:
        return self.body(features).unsqueeze(1)  # type: ignore[no-any-return]


class FTTransformerNetwork(ColumnsNetwork):
    """A token for each column, attention among them, the answer from a token of its own.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
    """

    def __init__(self, shape: Shape, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        package = need("rtdl_revisiting_models", extra=EXTRA)
        self._has = (shape.numbers > 0, bool(shape.cardinalities))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the names of settings
            self.body = package.FTTransformer(
                n_cont_features=shape.numbers,
                cat_cardinalities=list(shape.cardinalities),
                d_out=shape.outputs,
                n_blocks=blocks,
                d_block=width,
                attention_n_heads=8,
                attention_dropout=dropout,
                ffn_d_hidden=None,
                ffn_d_hidden_multiplier=4 / 3,
                ffn_dropout=dropout / 2,
                residual_dropout=0.0,
            )

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        has_numbers, has_codes = self._has
        logits = self.body(numbers if has_numbers else None, codes if has_codes else None)
        return logits.unsqueeze(1)  # type: ignore[no-any-return]

    def soft(self, numbers: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        has_numbers, has_codes = self._has
        tokens = [self.body.cls_embedding((len(numbers),))]
        if has_numbers:
            tokens.append(self.body.cont_embeddings(numbers))
        if has_codes:
            levels = self.body.cat_embeddings
            split = torch.split(shares, [len(one.weight) for one in levels.embeddings], dim=1)
            each = [some @ one.weight for some, one in zip(split, levels.embeddings, strict=True)]
            tokens.append(torch.stack(each, dim=1) + levels.bias)
        return self.body.backbone(torch.cat(tokens, dim=1)).unsqueeze(1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Table:
    """Numbers, shape (rows, numbers), and codes, shape (rows, categories), where the network is."""

    numbers: torch.Tensor
    codes: torch.Tensor

    @staticmethod
    def of(numbers: NDArray[np.float32], codes: NDArray[np.int64], device: Any) -> Table:
        return Table(torch.from_numpy(numbers).to(device), torch.from_numpy(codes).to(device))

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
        return self.numbers[rows], self.codes[rows]


def train(
    network: TabularNetwork,
    optimizer: torch.optim.Optimizer,
    table: Table,
    settings: Settings,
    generator: np.random.Generator,
    done: tuple[int, int] = (0, 0),
) -> Iterator[Step]:
    """Train in place, without end: the caller stops drawing steps. Every member of the ensemble
    has a loss of its own; the batches of an epoch are as good as equally large. So many steps and
    epochs are `done` already."""
    device = table.numbers.device
    is_codes = settings.classes and settings.truth.ndim == 1
    kind = np.int64 if is_codes else np.float32
    truth = torch.from_numpy(np.asarray(settings.truth, dtype=kind)).to(device)
    weights = settings.class_weights
    class_weights = None if weights is None else torch.from_numpy(weights).to(device)
    each = None if settings.row_weights is None else settings.row_weights.astype(np.float32)
    row_weights = None if each is None else torch.from_numpy(each).to(device)
    peaks = [group["lr"] for group in optimizer.param_groups]
    params = [p for group in optimizer.param_groups for p in group["params"]]
    count = max(1, round(len(table) / settings.batch_size))
    number, epoch = done
    while True:
        order = torch.from_numpy(generator.permutation(len(table))).to(device)
        for place, rows in enumerate(torch.tensor_split(order, count), start=1):
            share = settings.rate(settings.progress(number))
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            network.train()
            optimizer.zero_grad(set_to_none=True)
            with autocast(settings.precision):
                logits = network(*table.take(rows))
            members = logits.shape[1]
            loss = heads.loss(
                logits.float().flatten(0, 1),
                truth[rows].repeat_interleave(members, dim=0),
                classes=settings.classes,
                smoothing=settings.smoothing,
                weights=class_weights,
                row_weights=(
                    None if row_weights is None else row_weights[rows].repeat_interleave(members)
                ),
            )
            loss.backward()  # type: ignore[no-untyped-call]
            if settings.clip:
                torch.nn.utils.clip_grad_norm_(params, settings.clip)
            optimizer.step()
            number += 1
            yield Step(
                number, epoch + place / count, float(loss.detach()), len(rows), place == count
            )
        epoch += 1


@torch.no_grad()
def answers(network: TabularNetwork, table: Table, classes: int) -> NDArray[np.float64]:
    """The mean over the members: probabilities, shape (rows, classes), or numbers, (rows, 1)."""
    network.eval()
    found: Sequence[torch.Tensor] = [
        _mean(network(*table.take(slice(start, start + ANSWERED))), classes)
        for start in range(0, len(table), ANSWERED)
    ]
    width = max(1, classes)
    return np.asarray(torch.cat([torch.empty(0, width, dtype=torch.float64), *found]).numpy())


def _mean(logits: torch.Tensor, classes: int) -> torch.Tensor:
    numbers = logits.double()
    return (numbers.softmax(dim=2) if classes else numbers).mean(dim=1).cpu()
