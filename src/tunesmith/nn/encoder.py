"""Language models seen as a stem, ordered blocks, and what the blocks share.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Hidden = torch.Tensor
"""Token vectors, shape (batch, tokens, width)."""


@dataclass(frozen=True)
class Family:
    """How one family of models is taken apart.

    `blocks` finds the list of blocks in the model; `stem` gives the first token vectors from ids
    and mask (batch, tokens); `context` what all blocks share; `step` runs block number i; `finish`
    follows the last block, where anything does. `lora_targets` are the query and value maps of a
    block.
    """

    blocks: Callable[[Any], nn.ModuleList]
    stem: Callable[[Any, torch.Tensor, torch.Tensor], Hidden]
    context: Callable[[Any, Hidden, torch.Tensor], Any]
    step: Callable[[Any, int, Hidden, Any], Hidden]
    lora_targets: tuple[str, ...]
    finish: Callable[[Any, Hidden], Hidden] | None = None
    offset: int = 0
    """Positions that the family keeps for itself."""
    is_causal: bool = False
    """Whether a token sees only those before it, so that the last one knows most."""


def _mask(model: Any, hidden: Hidden, mask: torch.Tensor) -> Any:
    from transformers.masking_utils import create_bidirectional_mask

    whole = None if bool(mask.all()) else mask
    return create_bidirectional_mask(model.config, hidden, whole)


def _embed(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> Hidden:
    return model.embeddings(input_ids=ids)  # type: ignore[no-any-return]


def _bert_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    return model.encoder.layer[number](hidden, context)  # type: ignore[no-any-return]


def _electra_embed(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> Hidden:
    hidden = model.embeddings(input_ids=ids)
    wide = model.config.embedding_size != model.config.hidden_size
    return model.embeddings_project(hidden) if wide else hidden  # type: ignore[no-any-return]


def _distilbert_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    return model.transformer.layer[number](hidden, context)  # type: ignore[no-any-return]


def _mpnet_context(model: Any, hidden: Hidden, mask: torch.Tensor) -> Any:
    return _mask(model, hidden, mask), model.encoder.compute_position_bias(hidden)


def _mpnet_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    return model.encoder.layer[number](hidden, *context)[0]  # type: ignore[no-any-return]


def _deberta_embed(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> Hidden:
    return model.embeddings(  # type: ignore[no-any-return]
        input_ids=ids, token_type_ids=torch.zeros_like(ids), mask=mask
    )


def _deberta_context(model: Any, hidden: Hidden, mask: torch.Tensor) -> Any:
    encoder = model.encoder
    return mask, encoder.get_attention_mask(mask), encoder.get_rel_pos(hidden)


def _deberta_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    encoder, (mask, attention, places) = model.encoder, context
    answer = encoder.layer[number](
        hidden,
        attention,
        relative_pos=places,
        rel_embeddings=encoder.get_rel_embedding(),
    )[0]
    if number == 0 and encoder.conv is not None:
        answer = encoder.conv(hidden, answer, mask)
    return answer  # type: ignore[no-any-return]


def _modern_context(model: Any, hidden: Hidden, mask: torch.Tensor) -> Any:
    from transformers.masking_utils import (
        create_bidirectional_mask,
        create_bidirectional_sliding_window_mask,
    )

    masks = {
        "full_attention": create_bidirectional_mask(model.config, hidden, mask),
        "sliding_attention": create_bidirectional_sliding_window_mask(model.config, hidden, mask),
    }
    places = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
    turns = {kind: model.rotary_emb(hidden, places, kind) for kind in set(model.config.layer_types)}
    return masks, turns


def _modern_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    masks, turns = context
    layer = model.layers[number]
    kind = layer.attention_type
    return layer(  # type: ignore[no-any-return]
        hidden, attention_mask=masks[kind], position_embeddings=turns[kind]
    )


def _gpt2_embed(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> Hidden:
    places = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
    return model.drop(model.wte(ids) + model.wpe(places))  # type: ignore[no-any-return]


def _gpt2_context(model: Any, hidden: Hidden, mask: torch.Tensor) -> Any:
    from transformers.masking_utils import create_causal_mask

    return create_causal_mask(model.config, hidden, mask, None)


def _gpt2_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    return model.h[number](hidden, attention_mask=context)  # type: ignore[no-any-return]


def _llama_context(model: Any, hidden: Hidden, mask: torch.Tensor) -> Any:
    """The mask of each kind of block, and the angles by which queries and keys are turned."""
    from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask

    makers = {
        "full_attention": create_causal_mask,
        "sliding_attention": create_sliding_window_causal_mask,
    }
    masks = {
        kind: makers[kind](model.config, hidden, mask, None) for kind in set(_kinds(model.config))
    }
    places = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
    return masks, model.rotary_emb(hidden, places)


def _llama_step(model: Any, number: int, hidden: Hidden, context: Any) -> Hidden:
    masks, turns = context
    mask = masks[_kinds(model.config)[number]]
    return model.layers[number](  # type: ignore[no-any-return]
        hidden, attention_mask=mask, position_embeddings=turns
    )


def _kinds(config: Any) -> list[str]:
    """What kind of attention each block has; a Llama has but one."""
    return getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers


_BERT = Family(lambda m: m.encoder.layer, _embed, _mask, _bert_step, ("query", "value"))
_ROBERTA = Family(_BERT.blocks, _embed, _mask, _bert_step, ("query", "value"), offset=2)
_LLAMA = Family(
    lambda m: m.layers,
    lambda m, ids, mask: m.embed_tokens(ids),
    _llama_context,
    _llama_step,
    ("q_proj", "v_proj"),
    finish=lambda m, hidden: m.norm(hidden),
    is_causal=True,
)

FAMILIES: Mapping[str, Family] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "electra": Family(_BERT.blocks, _electra_embed, _mask, _bert_step, ("query", "value")),
    "distilbert": Family(
        lambda m: m.transformer.layer, _embed, _mask, _distilbert_step, ("q_lin", "v_lin")
    ),
    "mpnet": Family(_BERT.blocks, _embed, _mpnet_context, _mpnet_step, ("q", "v"), offset=2),
    "deberta-v2": Family(
        _BERT.blocks,
        _deberta_embed,
        _deberta_context,
        _deberta_step,
        ("query_proj", "value_proj"),
    ),
    "modernbert": Family(
        lambda m: m.layers,
        _embed,
        _modern_context,
        _modern_step,
        ("Wqkv",),
        finish=lambda m, hidden: m.final_norm(hidden),
    ),
    "gpt2": Family(
        lambda m: m.h,
        _gpt2_embed,
        _gpt2_context,
        _gpt2_step,
        ("c_attn",),
        finish=lambda m, hidden: m.ln_f(hidden),
        is_causal=True,
    ),
    "llama": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
}


class Encoder(nn.Module):
    """A pretrained language model as `stem`, `blocks` and `run`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.family = FAMILIES[model.config.model_type]
        self.lora_targets = self.family.lora_targets
        self.is_causal = self.family.is_causal
        self.width = int(model.config.hidden_size)
        self.pad_id = int(model.config.pad_token_id or 0)
        self.max_tokens = int(model.config.max_position_embeddings) - self.family.offset

    @property
    def blocks(self) -> nn.ModuleList:
        return self.family.blocks(self.model)

    @property
    def ends(self) -> bool:
        """Whether a norm follows the last block."""
        return self.family.finish is not None

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the vectors after the stem, and after each block."""
        return (self.width,) * (len(self.blocks) + 1)

    def stem(self, ids: torch.Tensor, mask: torch.Tensor) -> Hidden:
        """Ids and mask (batch, tokens) to the first token vectors."""
        return self.family.stem(self.model, ids, mask)

    def context(self, hidden: Hidden, mask: torch.Tensor) -> Any:
        """What every block is given beside the token vectors."""
        return self.family.context(self.model, hidden, mask)

    def run(self, hidden: Hidden, context: Any, start: int = 0, stop: int | None = None) -> Hidden:
        """Run blocks start..stop (all by default); a norm of the family's own follows the last."""
        count = len(self.blocks)
        stop = count if stop is None else stop
        for number in range(start, stop):
            hidden = self.family.step(self.model, number, hidden, context)
        return self.finished(hidden) if stop == count else hidden

    def finished(self, hidden: Hidden) -> Hidden:
        """What follows the last block of what it leaves."""
        return hidden if self.family.finish is None else self.family.finish(self.model, hidden)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Hidden:
        """Token vectors after all blocks."""
        hidden = self.stem(ids, mask)
        return self.run(hidden, self.context(hidden, mask))
