"""What of a config for fine-tuning a checkpoint cannot have. What is pinned so is refused before
any training; what a search proposes is left out, and the trial's record says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Watch
from tunesmith.nn.adapters import BitFit, Bottleneck, Full, LoRA, Scaling
from tunesmith.nn.inside import INSIDE, OWN, Inside
from tunesmith.nn.neck_kinds import Convolution, NoNeck
from tunesmith.zoo.backbones import blocks_of

if TYPE_CHECKING:
    from tunesmith.learners.neural import NeuralConfig

NOWHERE = "the blocks have no map of attention that additions of low rank go to"
UNKNOWN = "the blocks are not known from inside"
UNBIASED = "the blocks have no biases"
UNPOOLED = {
    "final": "the places of a picture have no last one",
    "first": "no token of its own stands for the whole picture",
}
"""Why networks of pictures do not pool so; the first token is there in some."""
UNBENT = "its blocks are not known to bend by a GELU between layer norms"
UNTRAINED = "none of the blocks trains, and those that are frozen do not change"
UNSEEN = "a convolution goes over the places of a picture, and the first token is none of them"


def why_impossible(config: NeuralConfig, family: str) -> str:
    """Why a config cannot be had by checkpoints of a family; empty where it can, and where that is
    told by their weights alone."""
    from tunesmith.zoo.pictures import family_of

    of_pictures, adapter, why = family_of(family), config.adapter, ""
    if of_pictures is not None and config.pooling in UNPOOLED:
        has_tokens = of_pictures.layout == "tokens"  # one of them may stand for the whole
        if not (has_tokens and config.pooling == "first"):
            told = UNPOOLED[config.pooling]
            return f"{family} cannot pool as {config.pooling!r}: {told}. Choose mean or max"
    if of_pictures is not None and _is_unseen(config):
        return f"no neck of convolution can be there: {UNSEEN}. Choose mean or max as pooling"
    if kinds_of(config) != (OWN, OWN) and family and not _has_kinds(INSIDE.get(family)):
        return f"{family} cannot have another activation or norm: {UNBENT}. Leave both as they are"
    if not family or not config.depth:
        return ""
    if isinstance(adapter, LoRA) and of_pictures is not None and not of_pictures.lora_targets:
        why = NOWHERE
    if isinstance(adapter, Bottleneck | Scaling) and family not in INSIDE:
        why = UNKNOWN
    named = type(adapter).__name__
    return f"{family} cannot have the adapter {named}: {why}. Choose Full or BitFit" if why else ""


def possible(config: NeuralConfig, encoder: Any, watch: Watch) -> NeuralConfig:
    """The config without what the encoder cannot have: all of the trained blocks changes in place
    of an adapter that has nowhere to go, pictures are pooled by their mean, and no neck changes
    what is not read."""
    from tunesmith.nn.shapes import inside_of

    if getattr(encoder, "reads_pictures", False) and config.pooling not in encoder.pools:
        watch.tell(
            "pooling", f"the mean in place of {config.pooling!r}: {UNPOOLED[config.pooling]}"
        )
        config = replace(config, pooling="mean")
    if getattr(encoder, "reads_pictures", False) and _is_unseen(config):
        watch.tell("neck", f"none in place of a convolution: {UNSEEN}")
        config = replace(config, neck=NoNeck())
    trained = blocks_of(config.depth, len(encoder.blocks))
    if kinds_of(config) != (OWN, OWN):
        why = UNBENT if not _has_kinds(inside_of(encoder)) else "" if trained else UNTRAINED
        if why:
            watch.tell("kinds", f"activations and norms stay as they are: {why}")
            config = replace(config, activation="own", norm="own")
    blocks = [*encoder.blocks][len(encoder.blocks) - trained :]
    why = _lacking(config.adapter, blocks, encoder.lora_targets, inside_of(encoder))
    if why:
        left_out = type(config.adapter).__name__
        watch.tell("adapter", f"{left_out} is left out, every weight may change: {why}")
        config = replace(config, adapter=Full())
    return config


def kinds_of(config: NeuralConfig) -> tuple[str, str]:
    """The activation and the norm that a config gives the trained blocks."""
    return config.activation, config.norm


def _has_kinds(inside: Inside | None) -> bool:
    return inside is not None and bool(inside.bend)


def _is_unseen(config: NeuralConfig) -> bool:
    return isinstance(config.neck, Convolution) and config.pooling == "first"


def _lacking(
    adapter: object, blocks: Sequence[Any], targets: Sequence[str], inside: Inside | None
) -> str:
    """What blocks lack that an adapter needs; empty where they have it, or there are none."""
    if isinstance(adapter, LoRA):
        ends = tuple(f".{one}" for one in targets)
        names = ([f".{name}" for name, _ in block.named_modules()] for block in blocks)
        return "" if all(any(one.endswith(ends) for one in some) for some in names) else NOWHERE
    if isinstance(adapter, Bottleneck | Scaling):
        return UNKNOWN if blocks and inside is None else ""
    if isinstance(adapter, BitFit):
        every = [name for block in blocks for name, _ in block.named_parameters()]
        return UNBIASED if blocks and not any(name.endswith("bias") for name in every) else ""
    return ""
