"""The course of one fine-tuning: look ahead, build, train by the clock, keep the best state."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import TunesmithError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem
from tunesmith.core.seeds import generator
from tunesmith.learners._answers import target_scale
from tunesmith.learners._forms import tuned_form
from tunesmith.learners._head_start import start_head
from tunesmith.learners._network_model import NeuralModel
from tunesmith.learners._pace import Pace, look_seconds
from tunesmith.learners._possible import kinds_of, possible
from tunesmith.learners._seeing import Seeing, by_views, look_ahead
from tunesmith.learners._shaping import kept_blocks, pruned
from tunesmith.learners._soft import merged
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.adapters import Bottleneck, Full, LoRA
from tunesmith.nn.inside import OWN
from tunesmith.nn.neck_kinds import NoNeck
from tunesmith.nn.optim import factor, groups
from tunesmith.zoo.backbones import Backbone, backbone, blocks_of

if TYPE_CHECKING:
    from tunesmith.learners.neural import NeuralConfig
    from tunesmith.nn.encoder import Encoder
    from tunesmith.nn.network import Network
    from tunesmith.nn.ranks import Ranks


def fit(
    problem: Problem, config: NeuralConfig, seed: int, watch: Watch, micro_batch: int
) -> NeuralModel:
    """Fine-tune a checkpoint on the training rows; the valid rows say when it is best.

    Raises:
        BudgetError: The time is not enough for the least of training.
        TunesmithError: The loss is not finite.
    """
    from tunesmith.nn import devices, loop
    from tunesmith.nn.ranks import AFTER

    whole, asked = backbone(config.backbone), problem
    problem, shares = merged(problem)
    train, valid = problem.part("train"), problem.part("valid")
    inputs = Inputs.fit(train, problem.inputs)
    length = whole.length(config)
    ids = whole.ids(inputs.contents(train), length)
    kept = kept_blocks(problem, config, whole, ids, watch, seed)
    base = whole.with_blocks(kept)
    config = possible(config, base.encoder, watch)
    seeing = Seeing.of(problem, config, base, watch)
    below, is_stored, forward = look_ahead(problem, config, base, inputs, seeing, ids, watch, seed)
    network, shape, head_start = _build(asked, config, base, inputs, watch)
    network.to(devices.device())
    is_started = head_start == "probe"
    sources = problem, inputs, ids, kept, len(whole.encoder.blocks), watch, seed
    smaller = pruned(network, config, *sources, is_started=is_started)
    adapt(network, config)
    mean, scale = target_scale(problem)
    model = NeuralModel(
        problem.classes,
        inputs,
        network,
        base.reader,
        length,
        mean,
        scale,
        shape,
        below=below,
        source=base.source,
        remembers=True,
        several=problem.several,
    )
    feed = seeing.feed(model, ids, inputs.dense(train), watch, is_stored=is_stored)
    look = look_seconds(model.predict, valid, watch)
    looks = len(valid) if config.patience else 0
    again = 2 * config.tta * len(valid) if config.tta > 1 else 0  # to rate them, and for the record
    pace = Pace(
        -(-len(train) // config.batch_size),
        config.epochs,
        config.stop_after,
        look * looks + max(look, forward) * (config.tta * len(problem.parts["test"]) + again),
        watch,
    )
    truth = problem.truth("train")
    rate = config.optimizer.build(
        groups(network.layers(), config.lr, config.layer_decay, network.undecayed()), config.lr
    )
    settings = loop.Settings(
        truth=_told(truth, shares) if problem.classes else (truth - mean) / scale,
        is_shared=shares is not None,
        classes=len(problem.classes),
        batch_size=config.batch_size,
        smoothing=config.label_smoothing,
        class_weights=_class_weights(problem, truth, config),
        row_weights=problem.weight("train"),
        focal=config.focal,
        clip=config.clip,
        rate=lambda progress: factor(config.schedule, progress, config.warmup),
        progress=pace.progress,
        micro_batch=micro_batch,
        precision=devices.precision(),
    )
    likelihood = by_likelihood(len(valid))
    best = _Best(
        network,
        lambda: model.predict(valid),
        selection_score(problem, seed, likelihood=likelihood, is_refined=True),
        selection_score(problem, seed),
    )
    # The start itself is no contender: it wins by luck on few valid rows, and a probe is at hand.
    epochs, is_finite = 0.0, True
    saver = _Saver(problem, config, seed, watch, network, rate, best, micro_batch)
    done = saver.go_on()
    ranks = _ranks(config, network, is_resumed=done[0] > 0)
    steps = loop.train(
        network, rate, feed, settings, saver.dice, steps_done=done[0], epochs_done=done[1]
    )
    for step in steps if config.epochs else ():
        epochs, is_finite = step.epoch, math.isfinite(step.loss)
        pace.measure(step.number)
        if ranks is not None and not ranks.is_settled:
            ranks.look()
            if step.ends_epoch or pace.progress(step.number) >= AFTER:
                told = ", ".join(map(str, ranks.settle(rate)))
                watch.tell("ranks", f"by block: {told}")
        is_over = pace.is_done(step) or not is_finite
        if config.patience and is_finite and (is_over or step.ends_epoch):
            score = best.look(epochs, pace.progress(step.number))
            is_finite = math.isfinite(score)
            if not is_finite:
                break
            share = min(1.0, pace.progress(step.number))
            may_go_on = watch.report(score, share)
            is_over |= best.waits >= config.patience
            if not is_over:
                saver.note(step, score, share, must=not may_go_on)
            is_over |= not may_go_on
        if is_over:
            break
    if not is_finite and not best.epochs:
        raise TunesmithError(
            f"it diverged within {epochs:.2g} epochs: the loss is not finite; the learning rate "
            f"of {config.lr:g} may be too high"
        )
    best.restore()
    bottleneck = config.adapter.width if isinstance(config.adapter, Bottleneck) else 0
    left = None if ranks is None else ranks.left()
    config.adapter.merge(network.trained())
    network.requires_grad_(False)
    course = best.course() if config.patience else (config.epochs, config.stop_after)
    fitted = NeuralModel(
        problem.classes,
        inputs,
        network.eval(),
        base.reader,
        length,
        mean,
        scale,
        shape,
        *course,
        head_start,
        None if best.prediction is None else (valid, best.prediction),
        below=model.below,
        source=None if smaller.is_pruned or bottleneck else base.source,
        remembers=True,
        several=problem.several,
        smaller=None if smaller.is_whole else smaller,
        bottleneck=bottleneck,
        tested=seeing.recipe.tested_by(),
        form=tuned_form(base.card.name, config, network, smaller, left),
    )
    several = replace(fitted, known=None, tta=config.tta)
    return by_views(fitted, several, valid, best.rate if config.patience else None, watch)


def _build(
    problem: Problem,
    config: NeuralConfig,
    base: Backbone,
    inputs: Inputs,
    watch: Watch,
) -> tuple[Network, dict[str, Any], str]:
    """The network with what trains let loose, its shape for JSON, and how its head starts."""
    from tunesmith.nn.network import Network

    shape = {
        "pool": config.pooling,
        "dense": inputs.dense(problem.part("train").take(np.arange(1))).shape[1],
        "outputs": len(problem.classes) or 1,
        "hidden": config.head,
        "dropout": config.dropout,
        "inner_dropout": config.inner_dropout,
    }
    shape |= config.neck.shape()
    trained = blocks_of(config.depth, len(base.encoder.blocks))
    if config.readout == "mix" and trained and base.reader.kind == "text":
        shape["mixed"] = trained + 1
    elif config.readout == "mix":
        why = "nothing but a head trains" if not trained else "layers of pictures differ in size"
        watch.tell("readout", f"the last layer in place of a mix: {why}")
    if kinds_of(config) != (OWN, OWN):
        shape |= {"activation": config.activation, "norm": config.norm, "changed": trained}
    network = Network(above_copied(base.encoder, trained), **shape)
    network.freeze_below(trained)
    # A course that was settled (by a trial before) only fits the start that it was settled with.
    is_settled = bool(config.stop_after) or not config.epochs
    started = _starts_with_probe(config) and start_head(
        network, problem, base, inputs, base.length(config), watch, must=is_settled
    )
    return network, shape, "probe" if started else "random"


def _ranks(config: NeuralConfig, network: Network, *, is_resumed: bool) -> Ranks | None:
    """The ranks that are to be allocated, where they are; as they were settled before."""
    adapter = config.adapter
    if not (isinstance(adapter, LoRA) and adapter.allocate and network.trained()):
        return None
    from tunesmith.nn.ranks import Ranks

    found = Ranks(network.trained())
    if is_resumed:
        found.take_up()
    return found


def _told(truth: NDArray[Any], shares: NDArray[np.float32] | None) -> NDArray[Any]:
    return truth if shares is None else shares


def adapt(network: Network, config: NeuralConfig) -> None:
    """Let loose what may change of the trained blocks."""
    from tunesmith.nn.shapes import inside_of

    inside = inside_of(network.encoder)
    config.adapter.apply(network.trained(), network.encoder.lora_targets, inside)
    if network.trains_stem and isinstance(config.adapter, Full):
        network.encoder.requires_grad_(True)


def micro_batch_of(base: Backbone, config: NeuralConfig) -> int:
    """Rows that go through at once within the free memory; the gradients of a batch add up. Of
    pictures the whole batch, until memory runs out."""
    from tunesmith.nn import devices, memory

    encoder = base.encoder
    if base.reader.kind == "image":
        return config.batch_size
    return memory.micro_batch(
        config.batch_size,
        base.length(config),
        width=encoder.width,
        blocks=blocks_of(config.depth, len(encoder.blocks)) + (not isinstance(config.neck, NoNeck)),
        heads=int(encoder.model.config.num_attention_heads),
        precision=devices.precision(),
        free=memory.free_bytes(),
    )


def above_copied(encoder: Encoder, trained: int) -> Encoder:
    """The same encoder with weights of its own in the blocks that train; those below are shared."""
    count = len(encoder.blocks)
    shared = {} if trained == count else {id(p): p for p in encoder.parameters()}
    for block in encoder.blocks[count - trained :]:
        for parameter in block.parameters():
            shared.pop(id(parameter), None)
    return copy.deepcopy(encoder, shared)


def _starts_with_probe(config: NeuralConfig) -> bool:
    begins_as_mean = config.pooling in ("mean", "attention")
    return config.head_start == "probe" and begins_as_mean and not config.head


def _class_weights(
    problem: Problem, truth: NDArray[Any], config: NeuralConfig
) -> NDArray[np.float32] | None:
    """Inverse frequencies with a mean of one over the rows, none above ten."""
    if problem.several or not (config.class_weights and problem.classes):
        return None
    weights = problem.weight("train")
    counts = np.maximum(np.bincount(truth, weights, minlength=len(problem.classes)), 1)
    total = len(truth) if weights is None else weights.sum()
    return np.asarray(np.minimum(total / (len(counts) * counts), 10.0), dtype=np.float32)


class _Best:
    """The best state seen so far of what trains."""

    def __init__(
        self,
        network: Network,
        answer: Callable[[], Prediction],
        rate: Callable[[Prediction], float],
        score: Callable[[Prediction], float],
    ) -> None:
        self._network = network
        self._answer = answer
        self.rate = rate
        self._score = score
        self._state: dict[str, Any] = {}
        self._value = float("-inf")
        self.prediction: Prediction | None = None
        self.epochs = 0.0
        self.progress = 0.0
        self.waits = 0

    def course(self) -> tuple[int, float]:
        """Epochs of the schedule that led to the best state, and after how many of them it came."""
        if not self.epochs:
            return 0, 0.0
        return max(1, round(self.epochs / min(1.0, self.progress))), self.epochs

    def look(self, epochs: float, progress: float) -> float:
        """The score of the network as it is; it is kept if `rate` finds it the best."""
        prediction = self._answer()
        score = self._score(prediction)
        if not math.isfinite(score):
            return score
        value = self.rate(prediction)
        self.waits += 1
        if value > self._value:
            self._value, self.waits = value, 0
            self.epochs, self.progress = epochs, progress
            self.prediction = prediction
            self._state = {
                name: parameter.detach().clone()
                for name, parameter in self._network.named_parameters()
                if parameter.requires_grad
            }
            kept = self._network.statistics()
            self._state |= {name: numbers.clone() for name, numbers in kept.items()}
        return score

    def tensors(self) -> dict[str, Any]:
        """What it holds, to be kept with `facts`."""
        import torch

        found = {f"best.{name}": tensor for name, tensor in self._state.items()}
        if self.prediction is not None:
            found["answers"] = torch.from_numpy(np.ascontiguousarray(self.prediction.array()))
        return found

    def facts(self) -> dict[str, Any]:
        kept = ("_value", "epochs", "progress", "waits")
        return {name: getattr(self, name) for name in kept}

    def take(
        self,
        tensors: Mapping[str, Any],
        facts: Mapping[str, Any],
        answers: Callable[[NDArray[np.float64]], Prediction],
    ) -> None:
        """Be as when `tensors` and `facts` were given."""
        for name, value in facts.items():
            setattr(self, name, value)
        self._state = {
            path.removeprefix("best."): tensor
            for path, tensor in tensors.items()
            if path.startswith("best.")
        }
        if "answers" in tensors:
            self.prediction = answers(tensors["answers"].numpy())

    def restore(self) -> None:
        if self._state:
            self._network.load_state_dict(self._state, strict=False)


class _Saver:
    """Keeps the course so far at the end of an epoch, and goes on from there."""

    def __init__(
        self,
        problem: Problem,
        config: NeuralConfig,
        seed: int,
        watch: Watch,
        network: Network,
        rate: Any,
        best: _Best,
        micro_batch: int,
    ) -> None:
        from tunesmith.nn.checkpoint import Checkpoint

        sizes = [len(problem.parts[part]) for part in sorted(problem.parts)]
        key = f"{problem.task} {problem.metric} {sizes} {seed} {micro_batch} {config}"
        self._kept = Checkpoint(watch.checkpoint, key, watch.clock)
        self._problem = problem
        self._watch = watch
        self._network = network
        self._rate = rate
        self._best = best
        self._curve: list[tuple[float, float]] = []
        self.dice = generator(seed, "batches")

    def _trained(self) -> dict[str, Any]:
        found = {n: p for n, p in self._network.named_parameters() if p.requires_grad}
        return {**found, **self._network.statistics()}

    def note(self, step: Any, score: float, share: float, *, must: bool) -> None:
        """Keep the state at the end of an epoch, where that costs little, or must be."""
        import torch

        from tunesmith.nn.checkpoint import dice_state, optimizer_state

        self._curve.append((score, share))
        trained = self._trained()
        size = 4 * sum(parameter.nbytes for parameter in trained.values())
        if not (step.ends_epoch and self._kept.is_due(size, must=must)):
            return
        tensors = {f"network.{name}": tensor for name, tensor in trained.items()}
        told = optimizer_state(self._rate)
        tensors |= {f"optimizer.{path}": tensor for path, tensor in told.items()}
        tensors |= {"dice": torch.random.get_rng_state(), **self._best.tensors()}
        facts = {
            "steps": step.number,
            "epochs": round(step.epoch),
            "curve": self._curve,
            "dice": dice_state(self.dice),
            "best": self._best.facts(),
        }
        self._kept.keep(tensors, facts)

    def go_on(self) -> tuple[int, int]:
        """Take up the state that was kept; gives the steps and epochs that are done."""
        import torch

        from tunesmith.nn.checkpoint import restore_dice, restore_optimizer

        found = self._kept.last()
        if found is None:
            return 0, 0
        tensors, facts = found
        with torch.no_grad():
            for name, parameter in self._trained().items():
                parameter.copy_(tensors[f"network.{name}"])
        marked = "optimizer."
        told = {p.removeprefix(marked): t for p, t in tensors.items() if p.startswith(marked)}
        restore_optimizer(self._rate, told)
        self._best.take(tensors, facts["best"], self._problem.answer)
        restore_dice(self.dice, facts["dice"])
        torch.random.set_rng_state(tensors["dice"])
        for score, share in facts["curve"]:
            self._curve.append((score, share))
            self._watch.report(score, share)
        self._watch.tell("resumed", f"after {facts['epochs']} epochs, from a checkpoint")
        return int(facts["steps"]), int(facts["epochs"])
