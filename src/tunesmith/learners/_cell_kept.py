"""The state of a cell under way, kept so that it goes on after a crash: what its search found, the
plane that it began with, and its weights at the end of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.seeds import generator
from tunesmith.core.space import from_dict, to_dict

if TYPE_CHECKING:
    from torch import nn, optim

    from tunesmith.learners._table_course import Best
    from tunesmith.learners.cell import CellConfig
    from tunesmith.nn.loop import Step

NETWORK, OPTIMIZER, BEST = "network.", "optimizer.", "best."


class Kept:
    """Keeps the course of a cell on so many `rows`, and goes on where it was."""

    def __init__(
        self, problem: Problem, config: CellConfig, seed: int, rows: int, watch: Watch
    ) -> None:
        from tunesmith.nn.checkpoint import Checkpoint

        sizes = [len(problem.parts[part]) for part in sorted(problem.parts)]
        key = f"cell {problem.task} {problem.metric} {sizes} {seed} {rows} {config}"
        self._kept = Checkpoint(watch.checkpoint, key, watch.clock)
        self._watch = watch
        self._config = config
        found = self._kept.last()
        self._tensors: Mapping[str, Any] = {} if found is None else found[0]
        self._facts: dict[str, Any] = {} if found is None else found[1]
        self._network: nn.Module | None = None
        self._optimizer: optim.Optimizer | None = None
        self.dice = generator(seed, "batches")

    @property
    def strength(self) -> float | None:
        """Of the plane that the weights which were kept began with; None where there are none."""
        return self._facts["strength"] if "steps" in self._facts else None

    def search(self) -> tuple[CellConfig, float] | None:
        """The cell that was found before, and its score inside the network of all."""
        if "chosen" not in self._facts:
            return None
        for progress, weights in self._facts["course"]:
            self._watch.weigh(progress, weights)
        return from_dict(type(self._config), self._facts["chosen"]), self._facts["score"]

    def watching(self) -> Watch:
        """The watch of a search, with what it says of its course remembered."""
        course = self._facts["course"] = []

        def weigh(progress: float, weights: Mapping[str, Any]) -> None:
            course.append((progress, weights))
            self._watch.weigh(progress, weights)

        return replace(self._watch, weigh=weigh)

    def keep_search(self, chosen: CellConfig, score: float) -> None:
        """The search has ended: it is not gone through again."""
        import torch

        self._facts |= {"chosen": to_dict(chosen), "score": score}
        if self._kept.is_due(0, must=True):
            self._kept.keep({"nothing": torch.zeros(1)}, self._facts)

    def go_on(
        self, network: nn.Module, optimizer: optim.Optimizer, strength: float
    ) -> tuple[int, int]:
        """What is to be kept from now on, with the state that was taken up where there is one;
        gives the steps and the epochs that are done."""
        import torch

        from tunesmith.nn.checkpoint import restore_dice, restore_optimizer

        self._network, self._optimizer = network, optimizer
        self._facts["strength"] = strength
        if "steps" not in self._facts:
            self._facts["curve"] = []
            return 0, 0
        network.load_state_dict(self._named(NETWORK))
        restore_optimizer(optimizer, self._named(OPTIMIZER))
        restore_dice(self.dice, self._facts["dice"])
        torch.random.set_rng_state(self._tensors["dice"])
        for score, share in self._facts["curve"]:
            self._watch.report(score, share)
        epochs = self._facts["epochs"]
        self._watch.tell("resumed", f"after {epochs} epochs, from a checkpoint")
        return int(self._facts["steps"]), int(epochs)

    def take(self, best: Best) -> bool:
        """Give the best weights that were kept; whether there are any."""
        if "steps" in self._facts:
            best.take(self._named(BEST), self._facts["best"])
        return "steps" in self._facts

    def note(self, step: Step, best: Best, score: float, share: float, *, must: bool) -> None:
        """Keep the state at the end of an epoch, where that costs little, or must be."""
        import torch

        from tunesmith.nn.checkpoint import dice_state, optimizer_state

        assert self._network is not None
        assert self._optimizer is not None
        self._facts["curve"].append((score, share))
        state = self._network.state_dict()
        size = 4 * sum(tensor.nbytes for tensor in state.values())
        if not (step.ends_epoch and self._kept.is_due(size, must=must)):
            return
        tensors = {f"{NETWORK}{name}": tensor for name, tensor in state.items()}
        told = optimizer_state(self._optimizer)
        tensors |= {f"{OPTIMIZER}{path}": tensor for path, tensor in told.items()}
        tensors |= {f"{BEST}{name}": tensor for name, tensor in best.tensors().items()}
        facts = {
            **self._facts,
            "steps": step.number,
            "epochs": round(step.epoch),
            "dice": dice_state(self.dice),
            "best": best.facts(),
        }
        self._kept.keep({**tensors, "dice": torch.random.get_rng_state()}, facts)

    def _named(self, marked: str) -> dict[str, Any]:
        """The tensors that were kept under names that begin so."""
        return {p.removeprefix(marked): t for p, t in self._tensors.items() if p.startswith(marked)}
