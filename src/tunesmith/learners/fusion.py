"""One head over frozen features of every column: texts, pictures, numbers, categories, dates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import WeightsError
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import Choice, Int, Linear, Log, config, from_dict, to_dict
from tunesmith.learners._answers import answer, target_scale
from tunesmith.learners._blocks import Blocks, Reads
from tunesmith.learners._frozen import lightest, lightest_of_pictures
from tunesmith.learners._insight import Insight, Insightful
from tunesmith.learners._regularised import Plane
from tunesmith.learners._shelf import learners
from tunesmith.zoo.backbones import MOST_SIDE, why_no_pictures, why_not

if TYPE_CHECKING:
    from tunesmith.nn.fusion import FusionShape
    from tunesmith.nn.tabular import TabularNetwork


@config
class Late:
    """All columns side by side into one head."""

    width: Annotated[int, Choice(0, 64, 256)] = 0
    """Width of the head's hidden layer; 0 for a linear head."""

    def build(self, shape: FusionShape, dropout: float) -> TabularNetwork:
        from tunesmith.nn.fusion import LateNetwork

        return LateNetwork(shape, width=self.width, dropout=dropout)


@config
class Gated:
    """Each kind of column by itself, then learned gates that weigh the kinds in every row."""

    width: Annotated[int, Choice(32, 64, 128)] = 64
    """Width of what a kind becomes."""

    def build(self, shape: FusionShape, dropout: float) -> TabularNetwork:
        from tunesmith.nn.fusion import GatedNetwork

        return GatedNetwork(shape, width=self.width, dropout=dropout)


@config
class Transformer:
    """A token for each column, and attention among them."""

    width: Annotated[int, Choice(32, 64, 128)] = 64
    """Width of a token."""
    blocks: Annotated[int, Int(1, 2)] = 1
    """Blocks of attention."""

    def build(self, shape: FusionShape, dropout: float) -> TabularNetwork:
        from tunesmith.nn.fusion import TransformerNetwork

        return TransformerNetwork(shape, width=self.width, blocks=self.blocks, dropout=dropout)


@config
class FusionConfig:
    """Who reads what, and how it comes together."""

    fusion: Late | Gated | Transformer = Late()
    """How the columns come together."""
    text_backbone: str = ""
    """The checkpoint that reads texts; empty for the smallest on this machine that knows the
    language."""
    picture_backbone: str = ""
    """The checkpoint that reads pictures; empty for the smallest on this machine."""
    max_length: Annotated[int, Choice(64, 128, 256)] = 128
    """Tokens of a text that are read."""
    picture_size: Annotated[int, Choice(0, 64, 96, 128, 160, 224), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    texts: Annotated[str, Choice("together", "apart")] = "together"
    """Several columns of texts as one text, or each by itself."""
    components: Annotated[int, Choice(0, 64, 256)] = 0
    """Principal components of the features of a text or a picture, each as large as the others; 0
    for all features as they are. Networks learn better from a few."""
    by_kind: Annotated[bool, Choice(True, False)] = True
    """Where all columns are side by side, let texts, pictures and other columns vary alike as a
    whole, however many numbers each has; otherwise number by number."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    strength: float = 0.0
    """Inverse strength of a linear head's regularisation; 0 lets the valid rows choose it."""
    dropout: Annotated[float, Linear(0.0, 0.6)] = 0.3
    """Share of a network's inputs and hidden layer that is left out at random."""
    lr: Annotated[float, Log(3e-4, 1e-2)] = 3e-3
    """Peak learning rate of a network."""
    weight_decay: Annotated[float, Log(1e-3, 1.0)] = 0.1
    """Share by which the weights of a network shrink, times the learning rate, each step."""
    batch_size: Annotated[int, Choice(32, 64, 128)] = 64
    """Rows a step."""
    epochs: Annotated[int, Int(4, 64, log=True)] = 24
    """Times through the training rows, if time allows."""
    stop_after: float = 0.0
    """Epochs after which training ends though the schedule goes on; 0 for no such end."""
    patience: int = 6
    """Looks at the valid rows without a gain before it ends; 0 never looks."""

    @property
    def is_linear(self) -> bool:
        return isinstance(self.fusion, Late) and not self.fusion.width


@dataclass(frozen=True)
class FusionModel(Insightful):
    """Columns → blocks of numbers → a plane, or a network, whichever there is."""

    classes: tuple[str, ...]
    blocks: Blocks
    config: FusionConfig
    plane: Plane | None = None
    network: TabularNetwork | None = None
    mean: float = 0.0
    scale: float = 1.0
    course: tuple[int, float] = (0, 0.0)

    @property
    def inputs(self) -> Blocks:
        return self.blocks

    def predict(self, data: Dataset) -> Prediction:
        return self.answer(*self.blocks.arrays(data))

    def answer(self, numbers: NDArray[np.float32], marks: NDArray[np.int64]) -> Prediction:
        """Of `Blocks.arrays`."""
        if self.plane is not None:
            return answer(self.plane.logits(with_gaps(self.blocks, numbers, marks)), self.classes)
        from tunesmith.nn.devices import device
        from tunesmith.nn.tabular import Table, answers

        assert self.network is not None
        found = answers(self.network, Table.of(numbers, marks, device()), len(self.classes))
        if self.classes:
            return ClassScores(self.classes, found)
        return Values(found[:, 0] * self.scale + self.mean)

    @property
    def encoders(self) -> tuple[Any, ...]:
        return tuple(content.encoder for content, _ in self.blocks.contents)

    def insight(self, data: Dataset) -> Insight | None:
        from tunesmith.learners._fusion_insight import insight

        return insight(self, data)

    def redrawn(self, seed: int) -> FusionModel:
        if self.plane is not None:
            return replace(self, plane=self.plane.redrawn(seed))
        from tunesmith.nn.redraw import redrawn

        assert self.network is not None
        return replace(self, network=redrawn(self.network, [self.network], seed))

    def settled(self) -> dict[str, Any]:
        sizes = [one.length for one, _ in self.blocks.contents if not one.is_text]
        read = {"picture_size": min(sizes)} if sizes else {}
        if self.plane is not None:
            return {**read, "strength": self.config.strength}
        return {**read, "epochs": self.course[0], "stop_after": self.course[1], "patience": 0}

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        state = {
            "classes": self.classes,
            "dense": self.blocks.state(),
            "config": to_dict(self.config),
            "mean": self.mean,
            "scale": self.scale,
            "course": self.course,
        }
        write_json(folder / "model.json", state)
        tensors = self.blocks.save(folder)
        if self.plane is not None:
            tensors |= {"plane": self.plane.weights, "bias": self.plane.bias}
        if self.network is not None:
            weights = self.network.state_dict().items()
            tensors |= {f"network.{n}": t.detach().cpu().numpy() for n, t in weights}
        kept = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        save_file(kept, folder / "model.safetensors")


def with_gaps(
    blocks: Blocks, numbers: NDArray[np.float32], marks: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What a linear head sees, shape (rows, width): the numbers, and where texts and pictures are
    missing; numbers, categories and dates have marks of their own."""
    gaps = 1 - marks[:, : len(blocks.contents)]
    return np.concatenate([numbers, gaps.astype(np.float32)], axis=1)


@learners.add("fusion")
class Fusion(Learner[FusionConfig]):
    """A head, or a small network, over frozen features of several kinds of columns."""

    config = FusionConfig

    def suits(self, problem: Problem) -> str:
        given = problem.data.with_columns(problem.inputs)
        texts, pictures = given.of_kind("text"), given.of_kind("image")
        if not (texts or pictures):
            return "no input column is text or of pictures"
        return (why_not(texts) if texts else "") or (why_no_pictures(pictures) if pictures else "")

    def idle(self, problem: Problem) -> tuple[str, ...]:
        given = problem.data.with_columns(problem.inputs)
        texts, pictures = given.of_kind("text"), given.of_kind("image")
        of_texts = () if texts else ("max_length",)
        of_several = () if len(texts) > 1 else ("texts",)
        of_pictures = () if pictures else ("picture_size",)
        of_classes = () if problem.classes else ("balanced",)
        return (*of_texts, *of_several, *of_pictures, *of_classes)

    def fit(self, problem: Problem, config: FusionConfig, seed: int, watch: Watch) -> Fitted:
        from tunesmith.learners._fusion_course import fit_network, fit_plane

        reads = _reads(problem, config)
        blocks = Blocks.fit(problem, reads, watch, seed)
        chosen = replace(
            config, text_backbone=reads.text_backbone, picture_backbone=reads.picture_backbone
        )
        mean, scale = target_scale(problem)
        blank = FusionModel(problem.classes, blocks, chosen, mean=mean, scale=scale)
        fit = fit_plane if config.is_linear else fit_network
        return fit(problem, blank, seed, watch)

    def load(self, folder: Path) -> Fitted:
        from safetensors.numpy import load_file

        saved, tensors = read_json(folder / "model.json"), load_file(folder / "model.safetensors")
        blocks = Blocks.load(folder, tensors, saved["dense"])
        model = FusionModel(
            tuple(saved["classes"]),
            blocks,
            from_dict(FusionConfig, saved["config"]),
            mean=saved["mean"],
            scale=saved["scale"],
            course=tuple(saved["course"]),
        )
        if "plane" in tensors:
            return replace(model, plane=Plane(tensors["plane"], tensors["bias"]))
        from tunesmith.learners._fusion_course import restored

        return restored(model, tensors)


def _reads(problem: Problem, config: FusionConfig) -> Reads:
    """How texts and pictures are read.

    Raises:
        WeightsError: There is no checkpoint that can.
    """
    given = problem.data.with_columns(problem.inputs)
    text, pictures = config.text_backbone, config.picture_backbone
    reason = ""
    if given.of_kind("text") and not text:
        text, reason = lightest(problem)
    if given.of_kind("image") and not pictures and not reason:
        pictures, reason = lightest_of_pictures(problem)
    if reason:
        raise WeightsError(f"Columns cannot be read: {reason}.")
    return Reads(
        text,
        pictures,
        config.max_length,
        config.picture_size,
        config.texts,
        config.components,
    )
