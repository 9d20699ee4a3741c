"""A small neural network for tables: an ensemble in one (TabM), a transformer, or an MLP."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import Choice, Int, Linear, Log, config, from_dict, to_dict
from tunesmith.learners._answers import target_scale
from tunesmith.learners._columns import only_contents
from tunesmith.learners._insight import Insight, Insightful
from tunesmith.learners._pace import Pace
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.learners._table_course import taken
from tunesmith.learners._tabular_inputs import TabularInputs
from tunesmith.learners._with_embeddings import TableLearner, idle_contents
from tunesmith.nn.optim import AdamW, factor
from tunesmith.zoo.backbones import MOST_SIDE

if TYPE_CHECKING:
    from torch import nn

    from tunesmith.nn.tabular import ColumnsNetwork, Shape, Table

PACKAGES = ("torch", "tabm", "rtdl_num_embeddings", "rtdl_revisiting_models")
HEAVIEST = 10.0
TIMED_ROWS = 1000
FEW_ROWS = 2000
"""Up to so many, batches are so small that a second thread waits more than it helps: of 448 rows
it made a fit twice as long, of 5,600 it halved it."""


@config
class PiecewiseLinear:
    """A number by its place among bins with equally many rows (Gorishniy et al. 2022)."""

    bins: Annotated[int, Int(8, 1024, log=True)] = 1000
    """At most so many bins, fewer of few rows or many numbers; as many as there are distinct values
    let the network know each of them."""
    width: Annotated[int, Choice(4, 8, 16, 32)] = 8
    """Width of what a number becomes."""

    def embed(self, shape: Shape) -> nn.Module | None:
        from tunesmith.nn.tabular import piecewise_linear

        return piecewise_linear(shape, self.width)


@config
class Periodic:
    """A number by sines and cosines of learned frequencies (Gorishniy et al. 2022)."""

    frequencies: Annotated[int, Choice(8, 16, 32, 48)] = 16
    """How many frequencies."""
    sigma: Annotated[float, Log(0.01, 2.0)] = 0.1
    """Spread of the frequencies at the start."""
    width: Annotated[int, Choice(4, 8, 16, 32)] = 8
    """Width of what a number becomes."""

    def embed(self, shape: Shape) -> nn.Module | None:
        from tunesmith.nn.tabular import periodic

        return periodic(shape, self.width, self.frequencies, self.sigma)


@config
class Plain:
    """A number as it is, scaled."""

    def embed(self, shape: Shape) -> nn.Module | None:
        return None


@config
class TabM:
    """Many MLPs that share most of their weights and answer by their mean (Gorishniy et al.
    2025)."""

    members: Annotated[int, Choice(8, 16, 32)] = 16
    """How many MLPs."""
    width: Annotated[int, Choice(64, 128, 192, 256, 384, 512)] = 64
    """Width of the hidden layers."""
    blocks: Annotated[int, Int(1, 4)] = 2
    """Hidden layers."""
    dropout: Annotated[float, Linear(0.0, 0.5)] = 0.15
    """Share of a hidden layer that is left out at random."""
    numbers: PiecewiseLinear | Periodic | Plain = PiecewiseLinear()
    """How numbers are embedded."""

    def build(self, shape: Shape) -> ColumnsNetwork:
        from tunesmith.nn.tabular import TabMNetwork

        return TabMNetwork(
            shape,
            self.numbers.embed(shape) if shape.numbers else None,
            members=self.members,
            width=self.width,
            blocks=self.blocks,
            dropout=self.dropout,
        )


@config
class RealMLP:
    """One MLP with the tricks of RealMLP (Holzmüller et al. 2024)."""

    width: Annotated[int, Choice(64, 128, 256, 512)] = 256
    """Width of the hidden layers."""
    blocks: Annotated[int, Int(1, 4)] = 3
    """Hidden layers."""
    dropout: Annotated[float, Linear(0.0, 0.5)] = 0.15
    """Share of a hidden layer that is left out at random."""
    numbers: PiecewiseLinear | Periodic | Plain = PiecewiseLinear()
    """How numbers are embedded."""

    def build(self, shape: Shape) -> ColumnsNetwork:
        from tunesmith.nn.tabular import RealMLPNetwork

        numbers = self.numbers.embed(shape) if shape.numbers else None
        return RealMLPNetwork(
            shape, numbers, width=self.width, blocks=self.blocks, dropout=self.dropout
        )


@config
class ResNet:
    """Residual blocks with batch norm (Gorishniy et al. 2021)."""

    width: Annotated[int, Choice(64, 128, 192, 256)] = 128
    """Width of the stream."""
    blocks: Annotated[int, Int(1, 4)] = 2
    """Residual blocks."""
    dropout: Annotated[float, Linear(0.0, 0.5)] = 0.2
    """Share of the inside of a block that is left out at random."""
    numbers: PiecewiseLinear | Periodic | Plain = PiecewiseLinear()
    """How numbers are embedded."""

    def build(self, shape: Shape) -> ColumnsNetwork:
        from tunesmith.nn.tabular import ResNetNetwork

        numbers = self.numbers.embed(shape) if shape.numbers else None
        return ResNetNetwork(
            shape, numbers, width=self.width, blocks=self.blocks, dropout=self.dropout
        )


@config
class FTTransformer:
    """A token for each column and attention among them (Gorishniy et al. 2021); slow on a
    processor."""

    width: Annotated[int, Choice(32, 64, 96, 192)] = 64
    """Width of a token."""
    blocks: Annotated[int, Int(1, 4)] = 2
    """Blocks of attention."""
    dropout: Annotated[float, Linear(0.0, 0.4)] = 0.2
    """Share of the attention that is left out at random."""

    def build(self, shape: Shape) -> ColumnsNetwork:
        from tunesmith.nn.tabular import FTTransformerNetwork

        return FTTransformerNetwork(
            shape, width=self.width, blocks=self.blocks, dropout=self.dropout
        )


@config
class TabularConfig:
    """Which network, and how it is trained."""

    network: TabM | RealMLP | FTTransformer | ResNet = TabM()
    """Each has its own settings."""
    scaling: Annotated[str, Choice("robust", "quantile")] = "robust"
    """Numbers by the middle and the range of the middle half, far ones drawn in smoothly; or by
    rank, as those of a normal distribution."""
    lr: Annotated[float, Log(3e-4, 2e-2)] = 6e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Log(1e-5, 0.3)] = 0.01
    """Pull of every weight matrix towards zero."""
    batch_size: Annotated[int, Choice(0, 32, 64, 128, 256, 512, 1024)] = 0
    """Rows a step; 0 goes by the number of rows."""
    schedule: Annotated[str, Choice("cosine", "constant", "coslog4")] = "cosine"
    """How the learning rate goes on: down once, not at all, or down and up four times, ever more
    slowly (Holzmüller et al. 2024)."""
    label_smoothing: Annotated[float, Linear(0.0, 0.15)] = 0.0
    """Share of the target that is spread over all classes."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    text: Annotated[str, Choice("topics", "embedding", "both")] = "topics"
    """What stands for a text: the topics of its words, frozen features of an encoder, or both."""
    text_backbone: str = ""
    """The checkpoint that reads texts; empty for the smallest on this machine that knows the
    language."""
    pictures: Annotated[str, Choice("none", "embedding")] = "none"
    """What stands for a picture: nothing, or frozen features of an encoder."""
    picture_backbone: str = ""
    """The checkpoint that reads pictures; empty for the smallest on this machine."""
    picture_size: Annotated[int, Choice(0, 64, 96, 128, 160, 224), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    clip: float = 1.0
    """Longest gradient; longer ones are scaled down. 0 for no limit."""
    epochs: Annotated[int, Int(4, 128, log=True)] = 24
    """Times through the training rows, if time allows."""
    stop_after: float = 0.0
    """Epochs after which training ends though the schedule goes on; 0 for no such end."""
    patience: int = 8
    """Looks at the valid rows without a gain before it ends; 0 never looks."""


@dataclass(frozen=True)
class TabularModel(Insightful):
    """Columns → numbers and codes → network → the mean of its members."""

    classes: tuple[str, ...]
    inputs: TabularInputs
    network: ColumnsNetwork
    shape: Shape
    config: TabularConfig
    mean: float
    scale: float
    epochs: int = 0
    stop_after: float = 0.0

    def predict(self, data: Dataset) -> Prediction:
        return self.answer(self.table(data))

    def table(self, data: Dataset) -> Table:
        from tunesmith.nn.devices import device
        from tunesmith.nn.tabular import Table

        return Table.of(*self.inputs.arrays(data), device())

    def answer(self, table: Table) -> Prediction:
        from tunesmith.nn.tabular import answers

        found = answers(self.network, table, len(self.classes))
        if self.classes:
            return ClassScores(self.classes, found)
        return Values(found[:, 0] * self.scale + self.mean)

    @property
    def encoders(self) -> tuple[Any, ...]:
        return ()

    def heat_methods(self) -> frozenset[str]:
        """None where it knows texts by their topics: no way leads back from these to words."""
        has_topics = self.inputs.topics is not None and self.inputs.topics.directions.size
        return frozenset() if has_topics else frozenset({"integrated-gradients"})

    def insight(self, data: Dataset) -> Insight | None:
        from tunesmith.learners._tabular_insight import insight

        return insight(self, data) if self.heat_methods() else None

    def redrawn(self, seed: int) -> TabularModel:
        from tunesmith.nn.redraw import redrawn

        return replace(self, network=redrawn(self.network, [self.network], seed))

    def settled(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "stop_after": self.stop_after, "patience": 0}

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file
        from safetensors.torch import save_file as save_torch

        state = {
            "classes": self.classes,
            "inputs": self.inputs.state(),
            "config": to_dict(self.config),
            "shape": {
                "numbers": self.shape.numbers,
                "cardinalities": self.shape.cardinalities,
                "outputs": self.shape.outputs,
                "edges": self.shape.edges,
            },
            "mean": self.mean,
            "scale": self.scale,
            "epochs": self.epochs,
            "stop_after": self.stop_after,
        }
        write_json(folder / "model.json", state)
        tensors = {n: t.detach().cpu().contiguous() for n, t in self.network.state_dict().items()}
        save_torch(tensors, folder / "model.safetensors")
        if beside := self.inputs.tensors():
            save_file(beside, folder / "inputs.safetensors")


@learners.add("tabular")
class Tabular(TableLearner[TabularConfig]):
    """A neural network for tables, trained until the valid rows gain no more."""

    config = TabularConfig
    ends_in_time = True

    def suits(self, problem: Problem) -> str:
        if told := only_contents(problem):
            return told
        gone = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if gone:
            return f'it needs {", ".join(gone)}; install with: pip install "tunesmith[tabular]"'
        return ""

    def idle(self, problem: Problem) -> tuple[str, ...]:
        given = problem.data.with_columns(problem.inputs)
        of_numbers = () if given.of_kind("number", "date", "text") else ("scaling",)
        of_classes = () if problem.classes else ("balanced", "label_smoothing")
        return (*of_numbers, *of_classes, *idle_contents(problem))

    def fit_columns(
        self, problem: Problem, config: TabularConfig, seed: int, watch: Watch
    ) -> Fitted:
        import torch

        from tunesmith.nn.devices import computing_with

        few = len(problem.parts["train"]) <= FEW_ROWS
        with torch.random.fork_rng(), computing_with(1 if few else None):
            torch.manual_seed(derive(seed, "tabular"))
            return _fit(problem, config, seed, watch)

    def load_columns(self, folder: Path) -> Fitted:
        from safetensors.numpy import load_file
        from safetensors.torch import load_file as load_torch

        from tunesmith.nn.devices import device
        from tunesmith.nn.tabular import Shape

        saved = read_json(folder / "model.json")
        beside = folder / "inputs.safetensors"
        inputs = TabularInputs.restore(
            saved["inputs"], load_file(beside) if beside.exists() else {}
        )
        config = from_dict(TabularConfig, saved["config"])
        facts = saved["shape"]
        shape = Shape(
            facts["numbers"],
            tuple(facts["cardinalities"]),
            facts["outputs"],
            tuple(tuple(ends) for ends in facts["edges"]),
        )
        network = config.network.build(shape)
        network.load_state_dict(load_torch(folder / "model.safetensors"))
        network.requires_grad_(False)
        return TabularModel(
            tuple(saved["classes"]),
            inputs,
            network.to(device()).eval(),
            shape,
            config,
            saved["mean"],
            saved["scale"],
            saved["epochs"],
            saved["stop_after"],
        )


def batch_size(config: TabularConfig, rows: int) -> int:
    """Rows a step: as asked, or about 2.5 times the root of the rows, a power of two."""
    if config.batch_size:
        return config.batch_size
    return int(min(1024, max(32, 2 ** round(math.log2(2.5 * math.sqrt(rows))))))


def _share(schedule: str, progress: float) -> float:
    """Of the peak learning rate, at a share of the work in [0, 1]."""
    if schedule == "coslog4":
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * min(progress, 1.0))))
    return factor(schedule, progress, 0.05)


def _fit(problem: Problem, config: TabularConfig, seed: int, watch: Watch) -> TabularModel:
    """Train on the train part; the valid part says when it is best.

    Raises:
        BudgetError: There is no time for the least of training.
        TunesmithError: The loss is not finite.
    """
    from tunesmith.nn import devices, loop, tabular

    train, valid, truth = problem.part("train"), problem.part("valid"), problem.truth("train")
    inputs = TabularInputs.fit(train, problem.inputs, config.scaling, derive(seed, "topics"))
    arrays = inputs.arrays(train)
    shape = _shape(problem, config, inputs, arrays[0], seed)
    mean, scale = target_scale(problem)
    network = config.network.build(shape).to(devices.device())
    model = TabularModel(problem.classes, inputs, network, shape, config, mean, scale)
    table, looked = tabular.Table.of(*arrays, devices.device()), model.table(valid)
    size = batch_size(config, len(train))
    look = _look_seconds(model, valid, watch)
    after = look * (len(valid) * bool(config.patience) + len(problem.parts["test"]))
    steps = max(1, round(len(table) / size))
    pace = Pace(steps, config.epochs, config.stop_after, after, watch)
    settings = loop.Settings(
        truth=truth if problem.classes else (truth - mean) / scale,
        classes=len(problem.classes),
        batch_size=size,
        smoothing=config.label_smoothing,
        class_weights=_class_weights(problem, truth, config),
        clip=config.clip,
        rate=lambda progress: _share(config.schedule, progress),
        progress=pace.progress,
        micro_batch=size,
        precision=devices.precision(),
        row_weights=problem.weight("train"),
    )
    optimizer = AdamW(weight_decay=config.weight_decay).build(network.groups(config.lr), config.lr)
    rate = selection_score(problem, seed, likelihood=by_likelihood(len(valid)))
    course = taken(
        network,
        tabular.train(network, optimizer, table, settings, generator(seed, "batches")),
        lambda: rate(model.answer(looked)),
        pace,
        watch,
        epochs=config.epochs,
        stop_after=config.stop_after,
        patience=config.patience,
        lr=config.lr,
    )
    network.requires_grad_(False)
    return TabularModel(
        problem.classes, inputs, network.eval(), shape, config, mean, scale, *course
    )


def _look_seconds(model: TabularModel, valid: Dataset, watch: Watch) -> float:
    """How long one valid row takes to be answered, timed on many at once; 0 without a deadline."""
    if not watch.clock.has_deadline():
        return 0.0
    some = valid.take(np.arange(min(TIMED_ROWS, len(valid))))
    model.predict(some.take(np.arange(1)))  # the first call allots memory
    began = watch.clock.elapsed()
    model.predict(some)
    return (watch.clock.elapsed() - began) / max(1, len(some))


def _shape(
    problem: Problem,
    config: TabularConfig,
    inputs: TabularInputs,
    numbers: NDArray[np.float32],
    seed: int,
) -> Shape:
    from tunesmith.nn.tabular import Shape, bins

    cut = getattr(config.network, "numbers", None)
    edges = (
        bins(numbers, cut.bins, generator(seed, "bins")) if isinstance(cut, PiecewiseLinear) else ()
    )
    return Shape(numbers.shape[1], inputs.cardinalities, len(problem.classes) or 1, edges)


def _class_weights(
    problem: Problem, truth: NDArray[Any], config: TabularConfig
) -> NDArray[np.float32] | None:
    """Inverse frequencies with a mean of one over the rows, none above ten."""
    if not (config.balanced and problem.classes):
        return None
    counts = np.maximum(np.bincount(truth, minlength=len(problem.classes)), 1)
    return np.minimum(len(truth) / (len(counts) * counts), HEAVIEST).astype(np.float32)
