"""What of the trained blocks may change: everything, additions (of low rank, with a bend), scales,
or biases."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tunesmith.core.errors import ConfigError, need
from tunesmith.core.space import Choice, Linear, config

if TYPE_CHECKING:
    import torch

    from tunesmith.nn.inside import Inside

Blocks = Sequence["torch.nn.Module"]
MOST_WIDTH = 4096
"""Of a bottleneck or an addition: more would take memory before a byte of its weights is looked at.
"""
NAMED = "bert, roberta, electra, distilbert, mpnet, deberta-v2, llama, qwen, ViT of timm"
"""Whose blocks are known by the names of what is inside."""


@config
class Full:
    """No adapter: every weight of the trained blocks changes."""

    def apply(self, blocks: Blocks, targets: Sequence[str], inside: Inside | None = None) -> None:
        """Let loose what may change of some blocks. `targets` are the names of the maps that
        additions of low rank go to; `inside` those of the others, where they are known."""
        for block in blocks:
            block.requires_grad_(True)

    def merge(self, blocks: Blocks) -> None:
        """Nothing to merge."""


@config
class LoRA:
    """Low-rank additions to the attention's query and value maps, through peft.

    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
    """

    rank: Annotated[int, Choice(4, 8, 16, 32), Field(ge=1, le=MOST_WIDTH)] = 8
    """Width of the addition."""
    alpha: Annotated[float, Choice(8.0, 16.0, 32.0)] = 16.0
    """The addition counts alpha / rank."""
    dropout: Annotated[float, Linear(0.0, 0.2)] = 0.05
    """Dropout before the addition."""
    allocate: bool = False
    """Begin with twice the rank, and after a fifth of the training (an epoch at most) keep half of
    it over all blocks, where it counts most: `nn/ranks.py`. Not searched unless asked for."""

    def apply(self, blocks: Blocks, targets: Sequence[str], inside: Inside | None = None) -> None:
        peft = need("peft", extra="text")
        for block in blocks:
            block.requires_grad_(False)
            times = 2 if self.allocate else 1
            settings = peft.LoraConfig(
                r=times * self.rank,
                lora_alpha=times * self.alpha,
                lora_dropout=self.dropout,
                target_modules=list(targets),
            )
            with warnings.catch_warnings():  # it turns Conv1D's weights by itself, and warns of it
                warnings.filterwarnings("ignore", message=".*fan_in_fan_out.*")
                peft.inject_adapter_in_model(settings, block)

    def merge(self, blocks: Blocks) -> None:
        """Fold the additions into the weights, so that the saved network is a plain one."""
        _merge(blocks, need("peft.tuners.lora", extra="text").LoraLayer)


@config
class Bottleneck:
    """A narrow network beside the identity after attention and after the feed-forward part of every
    trained block: to `width` numbers, a bend, and back, added. It begins at zero, and stays in the
    network.

    Source: Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML 2019, section 2.1.
    """

    width: Annotated[int, Choice(8, 16, 32, 64), Field(ge=1, le=MOST_WIDTH)] = 16
    """Numbers in the narrow place."""

    def apply(self, blocks: Blocks, targets: Sequence[str], inside: Inside | None = None) -> None:
        from tunesmith.nn.bottleneck import insert

        named = _known(inside, "Bottleneck")
        for block in blocks:
            block.requires_grad_(False)
            insert(block, named, self.width)

    def merge(self, blocks: Blocks) -> None:
        """It bends: there is nothing to fold it into."""


@config
class Scaling:
    """A learned factor for each number of the keys, the values and the feed-forward units, through
    peft; folded into the weights at the end. Wants a higher learning rate. Of families whose heads
    are not known by name the feed-forward units alone.

    Source: Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than
    In-Context Learning", NeurIPS 2022, section 3.3, (IA)^3.
    """

    def apply(self, blocks: Blocks, targets: Sequence[str], inside: Inside | None = None) -> None:
        peft, named = need("peft", extra="text"), _known(inside, "Scaling")
        names = [re.escape(one) for one in (named.key, named.value, named.down) if one]
        for block in blocks:
            block.requires_grad_(False)
            settings = peft.IA3Config(
                target_modules="|".join(names), feedforward_modules=re.escape(named.down)
            )
            peft.inject_adapter_in_model(settings, block)

    def merge(self, blocks: Blocks) -> None:
        """Fold the factors into the weights, so that the saved network is a plain one."""
        _merge(blocks, need("peft.tuners.ia3.layer", extra="text").IA3Layer)


@config
class BitFit:
    """Only biases change.

    Source: Ben Zaken et al., "BitFit", ACL 2022.
    """

    def apply(self, blocks: Blocks, targets: Sequence[str], inside: Inside | None = None) -> None:
        for block in blocks:
            for name, parameter in block.named_parameters():
                parameter.requires_grad_(name.endswith("bias"))
        if blocks and not any(p.requires_grad for block in blocks for p in block.parameters()):
            raise ConfigError(
                "The blocks of this checkpoint have no biases, so BitFit has nothing to train. "
                "Choose another adapter: Full or LoRA."
            )

    def merge(self, blocks: Blocks) -> None:
        """Nothing to merge."""


def _known(inside: Inside | None, adapter: str) -> Inside:
    if inside is None:
        raise ConfigError(
            f"The blocks of this checkpoint are not known from inside, as {adapter} needs; those "
            f"of {NAMED} are. Choose another adapter: Full, LoRA or BitFit."
        )
    return inside


def _merge(blocks: Blocks, layer_type: Any) -> None:
    for block in blocks:
        for path, module in list(block.named_modules()):
            if isinstance(module, layer_type):
                module.merge()
                parent, _, name = path.rpartition(".")
                setattr(block.get_submodule(parent), name, module.get_base_layer())
