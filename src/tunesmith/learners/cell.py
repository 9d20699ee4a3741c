"""A searched cell on what the frozen layers of an encoder make of texts or pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field

from tunesmith.core.architecture import MOST_WIDTH, Architecture
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import Choice, Int, Linear, Log, config
from tunesmith.learners._cell_form import cell_config
from tunesmith.learners._cell_model import CellModel
from tunesmith.learners._shelf import learners
from tunesmith.learners._with_embeddings import WithEmbeddings, others_embedded
from tunesmith.zoo.backbones import MOST_SIDE, why_not_read

MOST_LAYERS = 1000
"""That are read, and that a cell has: more than any network."""


@config
class CellConfig:
    """Which layers are read, and the cell over them."""

    backbone: str = "all-MiniLM-L6-v2"
    """The checkpoint: a name of the zoo, a folder, or hub:OWNER/NAME@REVISION."""
    max_length: Annotated[int, Choice(64, 128, 256)] = 128
    """Tokens of a text that are read."""
    size: Annotated[int, Choice(0, 64, 96, 128, 160, 224), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    text_backbone: str = ""
    """Where `backbone` reads pictures: the checkpoint that reads texts beside them; empty for the
    smallest on this machine that knows the language."""
    picture_backbone: str = ""
    """Where `backbone` reads texts: the one that reads pictures beside them; empty for the smallest
    on this machine."""
    picture_size: Annotated[int, Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a side of those pictures; 0 for as many as that one was trained with."""
    search: Annotated[str, Choice("none", "darts")] = "none"
    """Take the cell as told here, or find its reads, joining, depth, width, activation, norm and
    skips by gradient first."""
    layers: Annotated[int, Choice(1, 2, 3, 4, 6, 8, 12), Field(ge=1, le=MOST_LAYERS)] = 4
    """From how many layers the mean is read, from the last one downwards."""
    every: Annotated[int, Choice(1, 2, 3), Field(ge=1, le=MOST_LAYERS)] = 1
    """Of these layers one in so many."""
    ends: Annotated[str, Choice("none", "max", "first", "final", "max+first")] = "max+first"
    """What is read of the last layer besides: the largest of each number, the first place, the
    final one; of pictures the largest alone, as no place of most networks stands for the whole."""
    quarters: Annotated[int, Choice(0, 1, 2, 4, 6), Field(ge=0, le=MOST_LAYERS)] = 4
    """Of pictures, of how many layers the means over the four quarters are read: where in it
    something is. They are spread from the one before the last to a third of the depth."""
    reads: str = ""
    """What is read, spelled out, in place of the four above: "mean:-1+mean:-3+max+quarters:-4"."""
    joined: Annotated[str, Choice("side by side", "mixed")] = "side by side"
    """How the vectors come together: side by side, or summed by learned shares, where they are of
    one width."""
    depth: Annotated[int, Int(0, 3), Field(ge=0, le=MOST_LAYERS)] = 1
    """Layers of the cell beside the plane over what is read."""
    width: Annotated[int, Choice(64, 128, 256), Field(ge=1, le=MOST_WIDTH)] = 128
    """Width of its layers."""
    activation: Annotated[str, Choice("gelu", "relu", "silu", "tanh")] = "gelu"
    """What bends between them."""
    norm: Annotated[str, Choice("none", "layer", "batch", "rms")] = "none"
    """What each layer's numbers are brought to one size by."""
    residual: Annotated[bool, Choice(False, True)] = False
    """Add what a layer was given to what it makes of it, from the second on."""
    dropout: Annotated[float, Linear(0.0, 0.6), Field(ge=0, lt=1)] = 0.3
    """Share of what a layer is given that is left out at random."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    strength: float = 0.0
    """Inverse strength of the regularisation of the plane that it begins with; 0 lets the valid
    rows choose it on a path."""
    lr: Annotated[float, Log(1e-4, 1e-2)] = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Log(1e-3, 1.0)] = 0.1
    """Share by which weights shrink, times the learning rate, each step."""
    batch_size: Annotated[int, Choice(32, 64, 128), Field(ge=1)] = 64
    """Rows a step."""
    epochs: int = Field(default=16, ge=0)
    """Times through the training rows, if time allows; 0 for the plane that it begins with."""
    stop_after: float = 0.0
    """Epochs after which training ends though the schedule goes on; 0 for no such end."""
    patience: int = 4
    """Looks at the valid rows without a gain before it ends; 0 never looks."""
    search_epochs: Annotated[int, Field(ge=2)] = 4
    """Times through half of the training rows that a search by gradient takes, more where they are
    few."""


@learners.add("cell")
class CellLearner(Learner[CellConfig]):
    """Layers read, joined and bent as searched, over a plane that the cell begins with."""

    config = CellConfig
    can_go_on = True
    replaced = MappingProxyType({"reads": ("layers", "every", "ends", "quarters")})
    labels = "together"

    def suits(self, problem: Problem) -> str:
        if problem.is_few:
            return "a few examples are too few to choose among cells by"
        return why_not_read(problem.data.with_columns(problem.inputs))

    def idle(self, problem: Problem) -> tuple[str, ...]:
        images = problem.data.with_columns(problem.inputs).of_kind("image")
        reading = ("max_length",) if images else ("size", "quarters")
        return (*reading, *(() if problem.classes else ("balanced",)))

    def refuses(self, problem: Problem, config: CellConfig) -> str:
        from tunesmith.learners._cell_form import spelled

        images = problem.data.with_columns(problem.inputs).of_kind("image")
        spelled(config, 1, of_pictures=bool(images))  # what there is not is told before training
        return ""

    def shaped(self, architecture: Architecture) -> Mapping[str, Any]:
        return cell_config(architecture)

    def fit(self, problem: Problem, config: CellConfig, seed: int, watch: Watch) -> Fitted:
        from tunesmith.learners._cell_course import fit

        inner, embeddings = others_embedded(problem, config, watch)
        model = fit(inner, config, seed, watch)
        return WithEmbeddings(embeddings, model) if embeddings else model

    def load(self, folder: Path) -> Fitted:
        return WithEmbeddings.around(CellModel.load(folder), folder)
