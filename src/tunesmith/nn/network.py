"""The network that is fine-tuned: an encoder, a pool, dense inputs beside it, a head.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn

from tunesmith.nn.batches import Batch
from tunesmith.nn.tally import FROZEN


class EncoderLike(Protocol):
    """What is needed of a backbone: a stem, ordered blocks and what lies between them."""

    blocks: nn.ModuleList
    width: int
    lora_targets: Sequence[str]

    def stem(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor: ...
    def context(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> Any: ...
    def run(
        self, hidden: torch.Tensor, context: Any, start: int = 0, stop: int | None = None
    ) -> torch.Tensor: ...


POOLS = ("mean", "first", "final", "max", "attention")


class Pool(nn.Module):
    """Token vectors (batch, tokens, width) to one vector (batch, width)."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.query = nn.Linear(width, 1) if kind == "attention" else None
        if self.query is not None:
            nn.init.zeros_(self.query.weight)
            nn.init.zeros_(self.query.bias)

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
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


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
    """Encoder → pool → (dense inputs beside it) → head. Blocks below `trained` run without a
    gradient."""

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
    ) -> None:
        super().__init__()
        self.reads_pictures = getattr(encoder, "reads_pictures", False)
        self.inner_dropout = inner_dropout and not self.reads_pictures
        self.encoder = encoder
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
            return self.pool(*self.hidden(batch))  # type: ignore[no-any-return]
        kind = self.pool.kind if self.pool.kind in ("max", "first") else "mean"
        return self.encoder.pool(self._hidden_pictures(batch), kind).float()  # type: ignore[no-any-return]

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
            return encoder.run(hidden, context), mask
        FROZEN.add(len(mask), self.first_trained)
        with torch.no_grad():
            hidden = encoder.run(hidden, context, 0, self.first_trained)
        return self._above(hidden, mask, context), mask

    def _above(self, hidden: torch.Tensor, mask: torch.Tensor, context: Any = None) -> torch.Tensor:
        """The trained blocks over token vectors at the cut: the last ones where none trains."""
        if self.first_trained == len(self.encoder.blocks):
            return hidden
        context = self.encoder.context(hidden, mask) if context is None else context
        return self.encoder.run(hidden, context, self.first_trained)  # type: ignore[no-any-return]

    def statistics(self) -> dict[str, torch.Tensor]:
        """What batch normalisation has counted, by name: it changes as the blocks train."""
        return {name: kept for name, kept in self.named_buffers() if ".running_" in name}

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from the head down to the stem, a list for each layer."""
        seen: set[int] = set()
        parts: list[nn.Module] = [self.head, self.pool, *reversed(self.trained())]
        found = []
        for part in parts[:1] + parts[2:]:
            params = [*part.parameters()] + ([*self.pool.parameters()] if part is self.head else [])
            seen |= {id(p) for p in params}
            found.append(params)
        rest = [p for p in self.encoder.parameters() if id(p) not in seen and p.requires_grad]
        return [*found, rest]

    def undecayed(self) -> set[int]:
        """Ids of parameters that get no weight decay: biases and norms, which have one axis."""
        return {id(p) for p in self.parameters() if p.ndim < 2}
