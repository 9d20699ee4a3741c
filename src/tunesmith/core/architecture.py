"""The shape of a network as a value: what of a backbone is kept and trains, what is read out of it,
and the cell on top. It is data: JSON, a text, a drawing, and what another fit can be given."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.printable import printable
from tunesmith.core.space import config

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
MOST_WIDTH = 65_536
"""Of a layer, a head or an addition: more would fill the memory before anything is learned."""
Amount = Annotated[float, Field(ge=0)]
Adapter = Literal["", "lora", "bias", "bottleneck", "scaling"]
Pooling = Literal["mean", "max", "first", "final", "attention", "generalised", "quarters", "all"]
Activation = Literal["", "gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "tanh", "identity"]
Norm = Literal["", "layer", "batch", "rms"]
Kind = Literal["linear", "conv", "attention", "skip"]


@config
class Block:
    """One block of the backbone, `number` 1 being the one next to the input.

    `trains` says whether weights of its own change (all, or those of its adapter); `rank` is the
    width of its adapter; `heads` and `hidden` are the shares of the attention heads and of the
    feed-forward width that are kept. An empty activation or norm is that of the checkpoint.
    """

    number: Count
    kept: bool = True
    trains: bool = False
    adapter: Adapter = ""
    rank: Annotated[int, Field(ge=0, le=MOST_WIDTH)] = 0
    heads: Share = 1.0
    hidden: Share = 1.0
    activation: Activation = ""
    norm: Norm = ""


@config
class Read:
    """One vector that is read: after so many blocks (0: before the first), pooled so ("quarters":
    the mean of each quarter of a picture; "all": as a sequence or map, to a cell that takes such).
    Where several are mixed into one vector, `weight` is the share of this one; None where they
    stand side by side."""

    layer: Annotated[int, Field(ge=0)]
    pooling: Pooling
    weight: Amount | None = None


@config
class Layer:
    """One layer of the cell between what is read and the answer, `width` numbers wide; or of the
    neck, so wide inside.

    A skip has no weights: what it is given goes on as it is.
    """

    kind: Kind
    width: Count
    activation: Activation = ""
    norm: Norm = ""
    residual: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


@config
class Measured:
    """What was measured on the machine that fitted it, None where it was not: the number of its
    weights, milliseconds an answer, megabytes of memory that it takes to answer, and its score on
    the validation rows by `metric`."""

    parameters: Annotated[int, Field(ge=0)] | None = None
    latency_ms: Amount | None = None
    memory_mb: Amount | None = None
    score: float | None = None
    metric: str = ""


@config
class Architecture:
    """Backbone → blocks → (neck) → what is read → cell → outputs.

    `learner` is the one whose config can make it; `dense` counts the numbers that come to the cell
    beside what is read, from other columns. The layers of the `neck` go over the vectors of the
    tokens, or of the places of a picture, that are then pooled.
    """

    learner: str
    backbone: str
    blocks: tuple[Block, ...]
    reads: tuple[Read, ...]
    cell: tuple[Layer, ...]
    outputs: Count
    dense: Annotated[int, Field(ge=0)] = 0
    measured: Measured = Measured()
    neck: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        for place, block in enumerate(self.blocks, start=1):
            if block.number != place:
                raise ConfigError(
                    f"The blocks of an architecture are numbered from 1 in order: "
                    f"{block.number} stands at place {place}."
                )
        if self.blocks and not any(block.kept for block in self.blocks):
            raise ConfigError("An architecture needs one block at least; all are removed.")
        if not self.reads:
            raise ConfigError("An architecture reads nothing: name one layer at least.")
        for read in self.reads:
            if read.layer > len(self.blocks):
                raise ConfigError(
                    f"Layer {read.layer} cannot be read: "
                    f"{printable(self.backbone) or 'the backbone'} has {len(self.blocks)} blocks."
                )
            if read.layer and not self.blocks[read.layer - 1].kept:
                raise ConfigError(f"Layer {read.layer} cannot be read: its block is removed.")
        for layer in self.neck:
            if layer.kind not in ("conv", "attention"):
                raise ConfigError(
                    f"A neck cannot have a {layer.kind} layer: conv and attention go over what is "
                    "pooled then."
                )
        for layer in (*self.neck, *self.cell):
            if layer.width > MOST_WIDTH and layer.kind != "skip":  # which has no weights
                raise ConfigError(
                    f"A {layer.kind} layer is {layer.width:,} numbers wide: {MOST_WIDTH:,} are the "
                    "most."
                )
        weights = [read.weight for read in self.reads if read.weight is not None]
        if weights and (len(weights) < len(self.reads) or not sum(weights)):
            raise ConfigError(
                "The weights of what is read are given for all of it, and not all zero, or for "
                "none of it."
            )

    @property
    def kept(self) -> tuple[Block, ...]:
        """The blocks that run."""
        return tuple(block for block in self.blocks if block.kept)

    def with_measured(self, measured: Measured) -> Architecture:
        """The same with these facts where they are not None."""
        told = {name: v for name, v in vars(measured).items() if v is not None and v != ""}
        return replace(self, measured=replace(self.measured, **told))

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        told = dataclasses.asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items()}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Architecture:
        """What `to_dict` wrote, or a person has.

        Raises:
            ConfigError: A field is missing or unknown or cannot be so; names it, and what may be.
        """
        try:
            return pydantic.TypeAdapter(Architecture).validate_python(_tupled(plain))
        except pydantic.ValidationError as error:
            raise ConfigError(f"This is no architecture. {_explain(error)}") from error
        except RecursionError as error:
            raise ConfigError("This is no architecture: it is nested too deep.") from error

    def text(self) -> str:
        """As lines, from the answer down to the input, as it is drawn."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"outputs       {self.outputs}"
        for layer in reversed(self.cell):
            yield f"cell          {told_layer(layer)}"
        if self.dense:
            yield f"beside        {self.dense:,} numbers of other columns"
        for read in self.reads:
            yield f"reads         {told_read(read)}"
        for layer in reversed(self.neck):
            yield f"neck          {told_layer(layer)}"
        for first, last, block in runs(self.blocks):
            number = f"{first}" if first == last else f"{last} to {first}"
            yield f"block {number:<8}{told_block(block)}"
        yield f"backbone      {printable(self.backbone) or 'unnamed'}"
        if told := told_measured(self.measured):
            yield f"measured      {told}"


OWNERS: Mapping[str, type] = {
    "blocks": Block,
    "reads": Read,
    "cell": Layer,
    "neck": Layer,
    "measured": Measured,
}
"""Whose fields stand where in an architecture."""


def told_read(read: Read) -> str:
    """What is read, in words."""
    weight = "" if read.weight is None else f", weight {read.weight:.2f}"
    return f"{read.pooling} of layer {read.layer}{weight}"


def told_layer(layer: Layer) -> str:
    """A layer of the cell in words."""
    more = (
        layer.activation,
        layer.norm and f"{layer.norm} norm",
        "residual" if layer.residual else "",
        f"dropout {layer.dropout:.2g}" if layer.dropout else "",
    )
    return ", ".join([f"{layer.kind} {layer.width:,}", *filter(None, more)])


def told_block(block: Block) -> str:
    """A block in words."""
    if not block.kept:
        return "removed"
    adapter = f"{block.adapter} {block.rank}" if block.rank else block.adapter
    more = (
        "trains" if block.trains else "frozen",
        adapter,
        f"{block.heads:.0%} of the heads" if block.heads < 1 else "",
        f"{block.hidden:.0%} of the feed-forward width" if block.hidden < 1 else "",
        block.activation,
        block.norm and f"{block.norm} norm",
    )
    return ", ".join(filter(None, more))


def told_measured(measured: Measured) -> str:
    """The measured facts in words."""
    told = (
        None
        if measured.score is None
        else f"{printable(measured.metric) or 'score'} {measured.score:.4g}",
        None if measured.parameters is None else f"{measured.parameters:,} parameters",
        None if measured.latency_ms is None else f"{measured.latency_ms:.3g} ms an answer",
        None if measured.memory_mb is None else f"{measured.memory_mb:,.0f} MB",
    )
    return ", ".join(filter(None, told))


def runs(blocks: tuple[Block, ...]) -> list[tuple[int, int, Block]]:
    """Blocks next to each other that are alike, from the top down: the lowest and the highest of
    them, and the lowest itself."""
    found: list[tuple[int, int, Block]] = []
    for block in reversed(blocks):
        if found and replace(found[-1][2], number=block.number) == block:
            found[-1] = (block.number, found[-1][1], block)
        else:
            found.append((block.number, block.number, block))
    return found


def _tupled(value: Any) -> Any:
    """Lists as tuples, as JSON knows none."""
    if isinstance(value, Mapping):
        return {str(key): _tupled(inner) for key, inner in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list | tuple) else value


def _explain(error: pydantic.ValidationError) -> str:
    """The first thing that is wrong, by its place."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("missing", "missing_argument"):
        return f"It has no field {where!r}."
    if problem["type"] == "unexpected_keyword_argument":
        owner: Any = OWNERS.get(
            str(problem["loc"][0]) if len(problem["loc"]) > 1 else "", Architecture
        )
        known = [field.name for field in dataclasses.fields(owner)]
        name = str(problem["loc"][-1])
        return f"There is no field {where!r}.{did_you_mean(name, known)}"
    return f"{where or 'It'} cannot be {reprlib.repr(problem['input'])}: {problem['msg']}."
