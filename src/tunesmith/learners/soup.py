"""The mean of the weights of fine-tuned networks of one checkpoint. The end of a fit makes it of
its trials; nobody proposes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import read_json
from tunesmith.core.space import config
from tunesmith.learners._network_model import NeuralModel, frozen_names, load
from tunesmith.learners._shelf import learners

Weights = Mapping[str, Any]
"""Tensors by name."""


@config
class SoupConfig:
    """Whose weights are averaged."""

    backbone: str = ""
    """The checkpoint that all were tuned from."""
    trials: str = ""
    """The trials to choose from, by number, best first."""


def frozen_blocks(folder: Path) -> int:
    """How many blocks of a saved network are as the checkpoint has them."""
    return int(read_json(folder / "model.json")["frozen_blocks"])


@dataclass(frozen=True)
class Average:
    """A network whose weights are replaced by sums of those of others, over their number. What is
    frozen in it must be frozen in them."""

    model: NeuralModel

    @staticmethod
    def of(folders: Sequence[Path]) -> Average:
        """For the networks in some folders: the one that was trained deepest."""
        return Average(load(min(folders, key=frozen_blocks)))

    def read(self, folder: Path) -> Weights:
        """The weights of a saved network that were trained in any of them.

        Raises:
            ConfigError: It is another network, or reads other inputs.
        """
        other = load(folder)
        mine, theirs = self.model.network.state_dict(), other.network.state_dict()
        if {n: v.shape for n, v in mine.items()} != {n: v.shape for n, v in theirs.items()}:
            raise ConfigError(f"{folder} holds a network of another shape")
        if self.model.inputs.state() != other.inputs.state():
            raise ConfigError(f"{folder} holds a network that reads other inputs")
        frozen = frozen_names(self.model.network)
        return {
            name: value.cpu().clone()
            for name, value in theirs.items()
            if name not in frozen and value.is_floating_point()
        }

    def fill(self, total: Weights, count: int) -> NeuralModel:
        """The network with the mean of so many weights, from their sum; the next call changes it
        again."""
        mean = {name: value / count for name, value in total.items()}
        self.model.network.load_state_dict(mean, strict=False)
        return self.model


def added(one: Weights, other: Weights) -> Weights:
    """The sums of the weights of two networks, by name."""
    return {name: value + other[name] for name, value in one.items()}


@learners.add("soup")
class Soup(Learner[SoupConfig]):
    """Saved as the network that it is.

    Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
    accuracy without increasing inference time", ICML 2022.
    """

    config = SoupConfig
    is_proposed = False

    def suits(self, problem: Problem) -> str:
        return "it is made of the trials of a fit, at its end"

    def fit(self, problem: Problem, config: SoupConfig, seed: int, watch: Watch) -> Fitted:
        raise ConfigError("A soup is made of the fine-tuned networks of a fit, at its end.")

    def load(self, folder: Path) -> Fitted:
        return load(folder)
