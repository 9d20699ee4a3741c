"""The network that is fine-tuned: an encoder, a pool, dense inputs beside it, a head.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.nn.batches import Batch
from tunesmith.nn.inside import OWN
from tunesmith.nn.kinds import change
from tunesmith.nn.necks import neck as made_neck
from tunesmith.nn.tally import FROZEN

POOLS = ("mean", "first", "final", "max", "attention", "generalised")
LAST = 5.0
"""What the last layer of a mix begins with, where the others begin with 0: nearly all of it, since
a head may be there already that suits the last layer."""


class Pool(nn.Module):
    """Token vectors (batch, tokens, width) to one vector (batch, width)."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.query = nn.Linear(width, 1) if kind == "attention" else None
        if self.query is not None:
            nn.init.zeros_(self.query.weight)
            nn.init.zeros_(self.query.bias)
        self.sharpness = nn.Parameter(torch.zeros(width)) if kind == "generalised" else None

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = hidden.float()
        if self.kind == "first":
            return hidden[:, 0]
        if self.kind == "final":
            return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(dim=1) - 1]
        outside = mask.unsqueeze(-1) == 0
        if self.kind == "max":
            return hidden.masked_fill(outside, float("-inf")).amax(dim=1)
        if self.query is not None:
            scores: torch.Tensor = self.query(hidden).float().masked_fill(outside, float("-inf"))
            return (hidden * scores.softmax(dim=1)).sum(dim=1)
        if self.sharpness is not None:
            return self._generalised(hidden, mask)
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)

    def _generalised(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The mean of exponentials, brought back by the logarithm, in place of powers, since token
        vectors have both signs: the mean at a sharpness near 0, the largest at a high one. A number
        of its own for each of the width, which begins near the mean.

        Source: Pinheiro and Collobert, "From Image-level to Pixel-level Labeling with Convolutional
        Networks", CVPR 2015, equation 6, with r learned as p is in Radenovic et al., "Fine-tuning
        CNN Image Retrieval with No Human Annotation", TPAMI 2019.
        """
        assert self.sharpness is not None
        sharp = nn.functional.softplus(self.sharpness - 2)
        outside = mask.unsqueeze(-1) == 0
        whole = (sharp * hidden).masked_fill(outside, float("-inf")).logsumexp(dim=1)
        return (whole - mask.sum(dim=1, keepdim=True).to(hidden.dtype).log()) / sharp


class Mix(nn.Module):
    """Layers to one: their mean by learned weights that sum to one.

    Source: Peters et al., "Deep contextualized word representations", NAACL 2018, equation 1,
    without its factor, which the head has.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.0] * (layers - 1) + [LAST]))

    def forward(self, layers: Sequence[torch.Tensor]) -> torch.Tensor:
        """Of each layer (batch, tokens, width), from the lowest up."""
        shares = self.weights.softmax(dim=0)
        mixed = [share * layer.float() for share, layer in zip(shares, layers, strict=True)]
        return torch.stack(mixed).sum(dim=0)

    def shares(self) -> list[float]:
        """What each layer counts."""
        return [float(share) for share in self.weights.detach().softmax(dim=0)]


class Head(nn.Module):
    """Pooled and dense inputs to logits: a plane, or one hidden layer where `hidden` > 0."""

    def __init__(self, width: int, outputs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.hidden = nn.Linear(width, hidden) if hidden else None
        self.plane = nn.Linear(hidden or width, outputs)
        nn.init.normal_(self.plane.weight, std=0.02)
        nn.init.zeros_(self.plane.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        features = self.drop(features)
        if self.hidden is not None:
            features = self.drop(nn.functional.gelu(self.hidden(features)))
        return self.plane(features)  # type: ignore[no-any-return]


class Network(nn.Module):
    """Encoder → (a mix of its upper layers) → (a neck) → pool → (dense inputs beside it) → head.
    Blocks below `trained` run without a gradient. A mix reads what is at the cut and what follows
    each of the blocks above, so many `mixed` in all; 0 for the last layer alone. A `neck` is one of
    `nn/necks.py`, so wide inside, or "none". The top `changed` blocks bend and are normed as
    `nn/kinds.py` says."""

    def __init__(
        self,
        encoder: Any,
        *,
        pool: str,
        dense: int,
        outputs: int,
        hidden: int,
        dropout: float,
        inner_dropout: bool = False,
        mixed: int = 0,
        neck: str = "none",
        neck_width: int = 0,
        activation: str = OWN,
        norm: str = OWN,
        changed: int = 0,
    ) -> None:
        super().__init__()
        self.kinds = {"activation": activation, "norm": norm}
        """Of the layers of the top `changed` blocks."""
        if changed:
            change(encoder, changed, activation, norm)
        self.reads_pictures = getattr(encoder, "reads_pictures", False)
        self.inner_dropout = inner_dropout and not self.reads_pictures
        self.encoder = encoder
        self.mix = Mix(mixed) if mixed else None
        self.neck_kind = neck
        axes = 2 if self.reads_pictures else 1
        self.neck = made_neck(neck, encoder.width, neck_width, axes)
        self.pool = Pool(pool, encoder.width)
        self.head = Head(encoder.width + dense, outputs, hidden, dropout)
        self.first_trained = len(encoder.blocks)
        self.trains_stem = False

    def freeze_below(self, trained_blocks: int) -> None:
        """Freeze the whole encoder, and keep the gradient's way open to the top blocks, and to
        the stem where every block is trained. What may change there, an adapter says next."""
        count = len(self.encoder.blocks)
        self.first_trained = count - trained_blocks
        self.trains_stem = trained_blocks == count
        self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> Network:
        """Training mode for the pool and the head, and for the trained blocks of pictures, which
        batch normalisation keeps in range, or where `inner_dropout` is asked for; what is frozen
        answers the same every time."""
        super().train(mode)
        if mode:
            self.encoder.eval()
            for block in self.trained() if self.inner_dropout or self.reads_pictures else ():
                block.train()
            if self.reads_pictures and self.trains_stem:
                self.encoder.train()
        return self

    def trained(self) -> list[nn.Module]:
        """The trained blocks, from the bottom up."""
        return list(self.encoder.blocks[self.first_trained :])

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits (batch, outputs) in fp32."""
        pooled = self.pooled(batch) if batch.pooled is None else batch.pooled
        return self.head(torch.cat([pooled, batch.dense], dim=1)).float()  # type: ignore[no-any-return]

    def pooled(self, batch: Batch) -> torch.Tensor:
        """What the pool makes of the encoder's answer, (batch, width)."""
        if not self.reads_pictures:
            return self.pooled_tokens(*self.hidden(batch))
        return self.pooled_places(self._hidden_pictures(batch))

    def pooled_tokens(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What the neck and the pool make of what the blocks leave of texts, (batch, width)."""
        hidden = hidden if self.neck is None else self.neck(hidden, mask)
        return self.pool(hidden, mask)  # type: ignore[no-any-return]

    def pooled_places(self, hidden: torch.Tensor) -> torch.Tensor:
        """What the neck and the pool make of what the last block leaves of pictures, (batch,
        channels)."""
        hidden = hidden if self.neck is None else self._through(self.neck, hidden)
        if self.pool.kind in ("generalised", "attention"):
            places = self.encoder.places(hidden)
            return self.pool(places, places.new_ones(places.shape[:2]))  # type: ignore[no-any-return]
        # Networks that were saved with other pools have learned with the mean too.
        kind = self.pool.kind if self.pool.kind in ("max", "first") else "mean"
        return self.encoder.pool(hidden, kind).float()  # type: ignore[no-any-return]

    def _through(self, neck: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
        """What a neck makes of pictures. A convolution goes over the places alone, attention over
        the tokens of the whole too, where there are any."""
        encoder = self.encoder
        if encoder.family.layout == "tokens" and self.neck_kind == "attention":
            return neck(hidden)  # type: ignore[no-any-return]
        return encoder.with_grid(hidden, neck(encoder.grid(hidden)))  # type: ignore[no-any-return]

    def _hidden_pictures(self, batch: Batch) -> torch.Tensor:
        """What the last block leaves of pictures."""
        encoder, count = self.encoder, len(self.encoder.blocks)
        hidden = batch.hidden
        if hidden is None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_stem):
                hidden = encoder.stem(batch.ids)
            if self.first_trained:
                FROZEN.add(len(hidden), self.first_trained)
                with torch.no_grad():
                    hidden = encoder.run(hidden, encoder.context(hidden), 0, self.first_trained)
        if self.first_trained == count:
            return hidden
        return encoder.run(hidden, encoder.context(hidden), self.first_trained)  # type: ignore[no-any-return]

    def hidden(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Token vectors of the last block (batch, tokens, width), and their mask."""
        encoder = self.encoder
        mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
        if batch.hidden is not None:
            return self._above(batch.hidden, mask), mask
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_stem):
            hidden = encoder.stem(batch.ids, mask)
            context = encoder.context(hidden, mask)
        if not self.first_trained:
            return self._above(hidden, mask, context), mask
        FROZEN.add(len(mask), self.first_trained)
        with torch.no_grad():
            hidden = encoder.run(hidden, context, 0, self.first_trained)
        return self._above(hidden, mask, context), mask

    def _above(self, hidden: torch.Tensor, mask: torch.Tensor, context: Any = None) -> torch.Tensor:
        """The trained blocks over token vectors at the cut: the last ones where none trains."""
        if self.first_trained == len(self.encoder.blocks):
            return hidden
        context = self.encoder.context(hidden, mask) if context is None else context
        return self.risen(hidden, context, self.first_trained)

    def risen(self, hidden: torch.Tensor, context: Any, start: int) -> torch.Tensor:
        """What the blocks from `start` up leave of token vectors, the layers mixed where they are;
        a mix has all its layers where it starts at the cut or below."""
        encoder = self.encoder
        if self.mix is None:
            return encoder.run(hidden, context, start)  # type: ignore[no-any-return]
        count, first = len(encoder.blocks), len(encoder.blocks) + 1 - len(self.mix.weights)
        hidden = encoder.run(hidden, context, start, first) if first > start else hidden
        layers = [encoder.finished(hidden)]
        for place in range(first, count):
            hidden = encoder.run(hidden, context, place, place + 1)
            layers.append(hidden if place + 1 == count else encoder.finished(hidden))
        return self.mix(layers)  # type: ignore[no-any-return]

    def statistics(self) -> dict[str, torch.Tensor]:
        """What batch normalisation has counted, by name: it changes as the blocks train."""
        return {name: kept for name, kept in self.named_buffers() if ".running_" in name}

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from the head down to the stem, a list for each layer."""
        seen: set[int] = set()
        parts: list[nn.Module] = [self.head, self.pool, *reversed(self.trained())]
        found = []
        for part in parts[:1] + parts[2:]:
            params = [*part.parameters()]
            if part is self.head:
                beside = (self.pool, self.neck, self.mix)
                params += [p for one in beside if one is not None for p in one.parameters()]
            seen |= {id(p) for p in params}
            found.append(params)
        rest = [p for p in self.encoder.parameters() if id(p) not in seen and p.requires_grad]
        return [*found, rest]

    def undecayed(self) -> set[int]:
        """Ids of parameters that get no weight decay: biases, norms and weights of a mix, which
        have one axis, and factors, which begin at one."""
        return {id(p) for n, p in self.named_parameters() if p.ndim < 2 or ".ia3_l." in n}
