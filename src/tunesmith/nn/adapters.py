"""What of the trained blocks may change: everything, low-rank additions, or biases."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from tunesmith.core.errors import ConfigError, need
from tunesmith.core.space import Choice, Linear, config

if TYPE_CHECKING:
    import torch


@config
class Full:
    """No adapter: every weight of the trained blocks changes."""

    def apply(self, blocks: Sequence[torch.nn.Module], targets: Sequence[str]) -> None:
        for block in blocks:
            block.requires_grad_(True)

    def merge(self, blocks: Sequence[torch.nn.Module]) -> None:
        """Nothing to merge."""


@config
class LoRA:
    """Low-rank additions to the attention's query and value maps, through peft.

    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
    """

    rank: Annotated[int, Choice(4, 8, 16, 32)] = 8
    """Width of the addition."""
    alpha: Annotated[float, Choice(8.0, 16.0, 32.0)] = 16.0
    """The addition counts alpha / rank."""
    dropout: Annotated[float, Linear(0.0, 0.2)] = 0.05
    """Dropout before the addition."""

    def apply(self, blocks: Sequence[torch.nn.Module], targets: Sequence[str]) -> None:
        peft = need("peft", extra="text")
        for block in blocks:
            block.requires_grad_(False)
            settings = peft.LoraConfig(
                r=self.rank,
                lora_alpha=self.alpha,
                lora_dropout=self.dropout,
                target_modules=list(targets),
            )
            with warnings.catch_warnings():  # it turns Conv1D's weights by itself, and warns of it
                warnings.filterwarnings("ignore", message=".*fan_in_fan_out.*")
                peft.inject_adapter_in_model(settings, block)

    def merge(self, blocks: Sequence[torch.nn.Module]) -> None:
        """Fold the additions into the weights, so that the saved network is a plain one."""
        layer_type = need("peft.tuners.lora", extra="text").LoraLayer
        for block in blocks:
            for path, module in list(block.named_modules()):
                if isinstance(module, layer_type):
                    module.merge()
                    parent, _, name = path.rpartition(".")
                    setattr(block.get_submodule(parent), name, module.get_base_layer())


@config
class BitFit:
    """Only biases change.

    Source: Ben Zaken et al., "BitFit", ACL 2022.
    """

    def apply(self, blocks: Sequence[torch.nn.Module], targets: Sequence[str]) -> None:
        for block in blocks:
            for name, parameter in block.named_parameters():
                parameter.requires_grad_(name.endswith("bias"))
        if blocks and not any(p.requires_grad for block in blocks for p in block.parameters()):
            raise ConfigError(
                "The blocks of this checkpoint have no biases, so BitFit has nothing to train. "
                "Choose another adapter: Full or LoRA."
            )

    def merge(self, blocks: Sequence[torch.nn.Module]) -> None:
        """Nothing to merge."""
