"""Fine-tuning: an encoder, as many of its blocks as wanted, and a head, trained end to end."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import BudgetError, TunesmithError, WeightsError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_bytes, write_json
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import Choice, Int, Linear, Log, config
from tunesmith.learners._answers import target_scale
from tunesmith.learners._below import Below, StoreError, choose
from tunesmith.learners._head_start import start_head
from tunesmith.learners._pace import Pace, forward_seconds, look_seconds, refuse_too_slow
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import selection_score
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.adapters import BitFit, Full, LoRA
from tunesmith.nn.batches import Rows
from tunesmith.nn.optim import SGD, AdamW, Lion, factor, groups
from tunesmith.nn.shards import active
from tunesmith.zoo import encoders
from tunesmith.zoo.backbones import (
    Backbone,
    backbone,
    blocks_of,
    token_ids,
    why_not,
)
from tunesmith.zoo.encoders import Tokenizer

if TYPE_CHECKING:
    from tunesmith.nn.encoder import Encoder
    from tunesmith.nn.network import Network


@config
class NeuralConfig:
    """How to fine-tune one checkpoint."""

    backbone: str = "all-MiniLM-L6-v2"
    """The checkpoint: a name of the zoo, a folder, or hub:OWNER/NAME@REVISION."""
    depth: Annotated[float, Choice(0.0, 0.17, 0.34, 0.5, 1.0)] = 1.0
    """Share of the blocks that train, counted from the output; 0 trains the head alone, 1 the
    embeddings too."""
    adapter: Full | LoRA | BitFit = Full()
    """What of the trained blocks may change."""
    pooling: Annotated[str, Choice("mean", "first", "final", "max", "attention")] = "mean"
    """How the vectors of the tokens become one."""
    head: Annotated[int, Choice(0, 128, 512)] = 0
    """Width of the head's hidden layer; 0 for none."""
    head_start: Annotated[str, Choice("probe", "random")] = "probe"
    """Begin with the head that suits the frozen encoder (with mean pooling and no hidden layer), as
    in Kumar et al., "Fine-Tuning can Distort Pretrained Features", ICLR 2022; or at random."""
    dropout: Annotated[float, Linear(0.0, 0.4)] = 0.1
    """Dropout before the head."""
    inner_dropout: Annotated[bool, Choice(False, True)] = False
    """Keep the checkpoint's own dropout inside the trained blocks; a third slower on a processor,
    whose quick attention has none."""
    optimizer: AdamW | SGD | Lion = AdamW()
    """Each has its own settings, weight decay among them."""
    lr: Annotated[float, Log(1e-5, 1e-3)] = 1e-4
    """Peak learning rate, reached after warm-up."""
    layer_decay: Annotated[float, Linear(0.6, 1.0)] = 0.9
    """Learning rate of a block as a share of that of the block above."""
    batch_size: Annotated[int, Choice(8, 16, 32, 64)] = 32
    """Rows a step."""
    schedule: Annotated[str, Choice("linear", "cosine", "constant")] = "linear"
    """How the learning rate falls after warm-up."""
    warmup: Annotated[float, Linear(0.0, 0.2)] = 0.06
    """Share of the run in which the learning rate rises."""
    label_smoothing: Annotated[float, Linear(0.0, 0.2)] = 0.0
    """Share of the target that is spread over all classes."""
    class_weights: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    clip: Annotated[float, Log(0.1, 10.0)] = 1.0
    """Longest gradient; longer ones are scaled down."""
    epochs: Annotated[int, Int(1, 12)] = 4
    """Times through the training rows, if time allows; 0 leaves the start as it is."""
    stop_after: float = 0.0
    """Epochs after which training ends though the schedule goes on; 0 for no such end."""
    patience: int = 2
    """Looks at the valid rows without a gain before it ends; 0 never looks."""
    max_length: Annotated[int, Choice(64, 128, 256)] = 128
    """Tokens of a text that are read."""


@dataclass(frozen=True)
class NeuralModel(Fitted):
    """A fine-tuned network with everything that turns rows into its input."""

    classes: tuple[str, ...]
    inputs: Inputs
    network: Network
    tokenizer: Tokenizer
    max_length: int
    mean: float
    scale: float
    shape: dict[str, Any]
    epochs: int = 0
    stop_after: float = 0.0
    head_start: str = "random"
    known: tuple[Dataset, Prediction] | None = None
    """While a fit runs: rows that were answered already, and the answers."""
    below: Below | None = None
    """While a fit runs: what is frozen, where its answers are stored."""
    remembers: bool = False
    """While a fit runs: the token ids of what is asked."""

    def predict(self, data: Dataset) -> Prediction:
        from tunesmith.nn import heads, loop

        if self.known is not None and _is_same(self.known[0], data):
            return self.known[1]
        texts = self.inputs.texts(data)
        ids = token_ids(self.tokenizer, texts, self.max_length, remember=self.remembers)
        rows = self.rows(ids, self.inputs.dense(data))
        return heads.answer(loop.logits(self.network, rows), self.classes, self.mean, self.scale)

    def rows(
        self, ids: list[NDArray[np.int32]], dense: NDArray[np.float32], watch: Watch | None = None
    ) -> Rows:
        """The network's input: what lies below the cut from the store, where one is in use."""
        plain = Rows(ids, dense, self.network.encoder.pad_id)
        if self.below is None or active() is None:
            return plain
        try:
            return self.below.rows(ids, dense, watch.clock if watch else None)
        except StoreError as error:
            if watch:
                watch.tell("store", f"given up: {error}; the frozen blocks run in every step")
            return plain

    def settled(self) -> dict[str, Any]:
        return {**self._course(), "patience": 0}

    def _course(self) -> dict[str, Any]:
        """How its training went, so that it can go the same way again."""
        return {
            "epochs": self.epochs,
            "stop_after": self.stop_after,
            "head_start": self.head_start,
        }

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        write_json(
            folder / "model.json",
            {
                "classes": self.classes,
                "inputs": self.inputs.state(),
                "max_length": self.max_length,
                "mean": self.mean,
                "scale": self.scale,
                "shape": self.shape,
                "below": None if self.below is None else [self.below.trunk.key, self.below.cut],
                **self._course(),
            },
        )
        write_json(folder / "config.json", self.network.encoder.model.config.to_dict())
        write_bytes(folder / "tokenizer.json", self.tokenizer.spec.encode())
        state = {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self.network.state_dict().items()
        }
        save_file(state, folder / "network.safetensors")


def _is_same(one: Dataset, other: Dataset) -> bool:
    """Whether both are the same rows of one source."""
    return one.source == other.source and np.array_equal(one.lines, other.lines)


@learners.add("neural")
class Neural(Learner[NeuralConfig]):
    """Fine-tuning of an encoder."""

    config = NeuralConfig
    uses_all_time = True

    def suits(self, problem: Problem) -> str:
        return why_not(problem.data.with_columns(problem.inputs).of_kind("text"))

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return () if problem.classes else ("class_weights", "label_smoothing")

    def fit(self, problem: Problem, config: NeuralConfig, seed: int, watch: Watch) -> Fitted:
        import torch

        from tunesmith.nn.devices import forget_memory

        encoder = backbone(config.backbone).encoder  # loading draws: before the seed is set
        first = _micro_batch(encoder, config)
        for micro_batch in (first, max(1, first // 4)):
            try:
                with torch.random.fork_rng():
                    torch.manual_seed(derive(seed, "neural"))
                    return _fit(problem, config, seed, watch, micro_batch)
            except torch.OutOfMemoryError:
                forget_memory()
        raise BudgetError(
            f"there is not enough memory for {micro_batch} rows of {config.max_length} tokens"
        )

    def load(self, folder: Path) -> Fitted:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from tunesmith.nn import devices
        from tunesmith.nn.network import Network

        saved = read_json(folder / "model.json")
        config = encoders.read_config(folder)
        try:
            state = load_file(folder / "network.safetensors")
            with torch.device("meta"):  # no memory is taken for shapes that the file does not have
                shapes = Network(encoders.from_config(config), **saved["shape"]).state_dict()
            wrong = [name for name in shapes if state[name].shape != shapes[name].shape]
            if wrong:
                raise ValueError(f"{wrong[0]} has another shape than its description")
            network = Network(encoders.from_config(config), **saved["shape"])
            network.load_state_dict(state)
        except (RuntimeError, KeyError, ValueError, SafetensorError) as error:
            raise WeightsError(f"{folder} holds weights that do not fit: {error}") from error
        network.requires_grad_(False).to(devices.device()).eval()
        return NeuralModel(
            classes=tuple(saved["classes"]),
            inputs=Inputs.restore(saved["inputs"]),
            network=network,
            tokenizer=encoders.read_tokenizer(folder),
            max_length=saved["max_length"],
            mean=saved["mean"],
            scale=saved["scale"],
            shape=saved["shape"],
            below=_below(network, saved.get("below")),
            epochs=saved["epochs"],
            stop_after=saved["stop_after"],
            head_start=saved["head_start"],
        )


def _fit(
    problem: Problem, config: NeuralConfig, seed: int, watch: Watch, micro_batch: int
) -> Fitted:
    from tunesmith.nn import devices, loop

    base = backbone(config.backbone)
    train, valid = problem.part("train"), problem.part("valid")
    inputs = Inputs.fit(train, problem.inputs)
    length = min(config.max_length, base.encoder.max_tokens)
    ids = base.ids(inputs.texts(train), length)
    below, forward = _look_ahead(problem, config, base, inputs, ids, watch, seed)
    network, shape, head_start = _build(problem, config, base, inputs, train, watch)
    network.to(devices.device())
    mean, scale = target_scale(problem)
    model = NeuralModel(
        problem.classes,
        inputs,
        network,
        base.tokenizer,
        length,
        mean,
        scale,
        shape,
        below=below,
        remembers=True,
    )
    rows = model.rows(ids, inputs.dense(train), watch)
    look = look_seconds(model.predict, valid, watch)
    looks = len(valid) if config.patience else 0
    pace = Pace(
        -(-len(rows) // config.batch_size),
        config.epochs,
        config.stop_after,
        look * looks + max(look, forward) * len(problem.parts["test"]),
        watch,
    )
    truth = problem.truth("train")
    rate = config.optimizer.build(
        groups(network.layers(), config.lr, config.layer_decay, network.undecayed()), config.lr
    )
    settings = loop.Settings(
        truth=truth if problem.classes else (truth - mean) / scale,
        classes=len(problem.classes),
        batch_size=config.batch_size,
        smoothing=config.label_smoothing,
        class_weights=_class_weights(problem, truth, config),
        clip=config.clip,
        rate=lambda progress: factor(config.schedule, progress, config.warmup),
        progress=pace.progress,
        micro_batch=micro_batch,
        precision=devices.precision(),
    )
    best = _Best(network, lambda: model.predict(valid), selection_score(problem, seed))
    if config.patience and head_start == "probe":
        best.look()
    epochs, is_finite = 0.0, True
    steps = loop.train(network, rate, rows, settings, generator(seed, "batches"))
    for step in steps if config.epochs else ():
        epochs, is_finite = step.epoch, math.isfinite(step.loss)
        pace.measure(step.number)
        is_over = pace.is_done(step) or not is_finite
        if config.patience and is_finite and (is_over or step.ends_epoch):
            score = best.look(epochs, pace.progress(step.number))
            is_finite = math.isfinite(score)
            if not is_finite:
                break
            goes_on = watch.report(score, min(1.0, pace.progress(step.number)))
            is_over = is_over or not goes_on or best.waits >= config.patience
        if is_over:
            break
    if not is_finite and not best.epochs:
        raise TunesmithError(
            f"it diverged within {epochs:.2g} epochs: the loss is not finite; the learning rate "
            f"of {config.lr:g} may be too high"
        )
    best.restore()
    config.adapter.merge(network.trained())
    network.requires_grad_(False)
    course = best.course() if config.patience else (config.epochs, config.stop_after)
    return NeuralModel(
        problem.classes,
        inputs,
        network.eval(),
        base.tokenizer,
        length,
        mean,
        scale,
        shape,
        *course,
        head_start,
        None if best.prediction is None else (valid, best.prediction),
        below=model.below,
        remembers=True,
    )


def _look_ahead(
    problem: Problem,
    config: NeuralConfig,
    base: Backbone,
    inputs: Inputs,
    ids: list[NDArray[np.int32]],
    watch: Watch,
    seed: int,
) -> tuple[Below | None, float]:
    """What is read from the store, None where nothing is; and the seconds that one row takes to run
    through the whole encoder, 0 where that need not be known.

    Raises:
        BudgetError: It would not finish.
    """
    count, length = len(base.encoder.blocks), min(config.max_length, base.encoder.max_tokens)
    trained = blocks_of(config.depth, count)
    below = Below(base.trunk, count - trained, config.pooling)
    new = int((~below.known(ids)).sum()) if below.cut else len(ids)
    forward = 0.0
    if new:
        forward = forward_seconds(base, inputs.texts(problem.part("train")), length, watch, seed)
    is_stored, reason = choose(below, ids, epochs=config.epochs, forward_seconds=forward)
    watch.tell("store", reason)
    refuse_too_slow(
        problem, forward, trained=trained / count, new=new if is_stored else None, watch=watch
    )
    return (below if is_stored else None), forward


def _build(
    problem: Problem,
    config: NeuralConfig,
    base: Backbone,
    inputs: Inputs,
    train: Dataset,
    watch: Watch,
) -> tuple[Network, dict[str, Any], str]:
    """The network with what trains let loose, its shape for JSON, and how its head starts."""
    from tunesmith.nn.network import Network

    shape = {
        "pool": config.pooling,
        "dense": inputs.dense(train.take(np.arange(1))).shape[1],
        "outputs": len(problem.classes) or 1,
        "hidden": config.head,
        "dropout": config.dropout,
        "inner_dropout": config.inner_dropout,
    }
    trained = blocks_of(config.depth, len(base.encoder.blocks))
    network = Network(_above_copied(base.encoder, trained), **shape)
    network.freeze_below(trained)
    config.adapter.apply(network.trained(), network.encoder.lora_targets)
    if network.trains_stem and isinstance(config.adapter, Full):
        network.encoder.requires_grad_(True)
    # A course that was settled (by a trial before) only fits the start that it was settled with.
    is_settled = bool(config.stop_after) or not config.epochs
    started = _starts_with_probe(config) and start_head(
        network, problem, base, inputs, config.max_length, watch, must=is_settled
    )
    return network, shape, "probe" if started else "random"


def _micro_batch(encoder: Encoder, config: NeuralConfig) -> int:
    """Rows that go through at once within the free memory; the gradients of a batch add up."""
    from tunesmith.nn import devices, memory

    return memory.micro_batch(
        config.batch_size,
        min(config.max_length, encoder.max_tokens),
        width=encoder.width,
        blocks=blocks_of(config.depth, len(encoder.blocks)),
        heads=int(encoder.model.config.num_attention_heads),
        precision=devices.precision(),
        free=memory.free_bytes(),
    )


def _below(network: Network, told: list[Any] | None) -> Below | None:
    """What is frozen of a network that was saved, so that the fit that saved it finds its rows."""
    from tunesmith.nn.activations import Trunk

    if told is None or not 0 <= told[1] <= len(network.encoder.blocks):
        return None
    network.first_trained = told[1]
    return Below(Trunk(network.encoder, str(told[0]), ""), told[1], network.pool.kind)


def _above_copied(encoder: Encoder, trained: int) -> Encoder:
    """The same encoder with weights of its own in the blocks that train; those below are shared."""
    count = len(encoder.blocks)
    shared = {} if trained == count else {id(p): p for p in encoder.parameters()}
    for block in encoder.blocks[count - trained :]:
        for parameter in block.parameters():
            shared.pop(id(parameter), None)
    return copy.deepcopy(encoder, shared)


def _starts_with_probe(config: NeuralConfig) -> bool:
    return config.head_start == "probe" and config.pooling == "mean" and not config.head


def _class_weights(
    problem: Problem, truth: NDArray[Any], config: NeuralConfig
) -> NDArray[np.float32] | None:
    """Inverse frequencies with a mean of one over the rows, none above ten."""
    if not (config.class_weights and problem.classes):
        return None
    counts = np.maximum(np.bincount(truth, minlength=len(problem.classes)), 1)
    return np.minimum(len(truth) / (len(counts) * counts), 10.0).astype(np.float32)


class _Best:
    """The best state seen so far of what trains."""

    def __init__(
        self,
        network: Network,
        answer: Callable[[], Prediction],
        rate: Callable[[Prediction], float],
    ) -> None:
        self._network = network
        self._answer = answer
        self._rate = rate
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

    def look(self, epochs: float = 0.0, progress: float = 0.0) -> float:
        """Score the network as it is; keep it if it is the best."""
        prediction = self._answer()
        value = self._rate(prediction)
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
        return value

    def restore(self) -> None:
        if self._state:
            self._network.load_state_dict(self._state, strict=False)
