"""Cells as architectures: which vectors a config reads, what a cell is told as, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.core.architecture import Architecture, Block, Layer, Measured, Read
from tunesmith.core.errors import ConfigError
from tunesmith.learners._forms import blocks_from

if TYPE_CHECKING:
    from tunesmith.learners.cell import CellConfig
    from tunesmith.nn.cells import Cell

SIDE, MIXED = "side by side", "mixed"
NONE = "none"
JOINT = "+"
MOST_DEPTH = 3


def spelled(config: CellConfig, count: int) -> str:
    """The read-out of a config on an encoder of so many blocks, each vector once."""
    if config.reads:
        return _distinct(config.reads, count)
    means = [f"mean:-{1 + number * config.every}" for number in range(config.layers)]
    ends = [] if config.ends == NONE else config.ends.split(JOINT)
    return _distinct(JOINT.join([*means, *ends]), count)


def candidates(count: int) -> str:
    """Every vector that is kept of an encoder of so many blocks, which a search may read."""
    from tunesmith.nn.features import layers_of

    means = [f"mean:{layer - count - 1}" for layer in reversed(layers_of(count))]
    return JOINT.join([*means, "max", "first"])


def _distinct(readout: str, count: int) -> str:
    """A read-out without vectors that are one and the same: those of layers that are not kept are
    the nearest that is.

    Raises:
        ConfigError: There is no such vector.
    """
    from tunesmith.nn.features import ENDS, parts, vectors

    for one in vectors(readout):
        kind, _, place = one.partition(":")
        if one not in ENDS and not (kind == "mean" and place.lstrip("-").isdigit()):
            raise ConfigError(
                f"Nothing of a network is called {one!r}: read mean:-1 (the mean of the last "
                f"layer), mean:-2 and so on, and of the last layer {', '.join(ENDS)}."
            )
    told = (
        f"mean:{layer - count - 1}" if kind == "mean" else kind
        for kind, layer in parts(count, readout)
    )
    return JOINT.join(dict.fromkeys(told))


def cell_form(name: str, encoder: Any, readout: str, cell: Cell) -> Architecture:
    """What a cell over a frozen encoder is told as. What is read goes by its layers, too: to the
    answer, as a last layer without weights of its own."""
    from tunesmith.nn.features import parts

    shape, count = cell.shape, len(encoder.blocks)
    shares = cell.reading.weights().tolist() if shape.mixed else [None] * len(shape.widths)
    layers = tuple(
        Layer(
            "linear",
            shape.width,
            shape.activation,  # type: ignore[arg-type]
            shape.norm,  # type: ignore[arg-type]
            bool(layer.skips),
            shape.dropout,
        )
        for layer in cell.layers
    )
    every = (*encoder.parameters(), *cell.parameters())
    return Architecture(
        "cell",
        name,
        blocks_from(count, 0),
        tuple(
            Read(layer, kind, share)  # type: ignore[arg-type]
            for (kind, layer), share in zip(parts(count, readout), shares, strict=True)
        ),
        (*layers, Layer("skip", shape.inside)) if layers else (),
        shape.outputs,
        shape.dense,
        Measured(sum(one.numel() for one in every)),
    )


def cell_config(architecture: Architecture) -> Mapping[str, Any]:
    """The config that makes this.

    Raises:
        ConfigError: None does; says why.
    """
    count = len(architecture.blocks)
    for block in architecture.blocks:
        if block != Block(block.number):
            raise ConfigError(f"The learner 'cell' cannot change block {block.number}.")
    words = []
    for read in architecture.reads:
        if read.pooling != "mean" and (read.layer < count or read.pooling not in _ENDS):
            raise ConfigError(
                f"The learner 'cell' cannot read {read.pooling} of layer {read.layer}."
            )
        is_mean = read.pooling == "mean"
        words.append(f"mean:{read.layer - count - 1}" if is_mean else read.pooling)
    found: dict[str, Any] = {"reads": JOINT.join(words), "search": NONE}
    found["joined"] = SIDE if architecture.reads[0].weight is None else MIXED
    if architecture.backbone:
        found["backbone"] = architecture.backbone
    return found | _layers(architecture.cell)


_ENDS = ("max", "first", "final")


def _layers(cell: tuple[Layer, ...]) -> dict[str, Any]:
    """Depth, width, activation, norm and skips of layers that are alike.

    Raises:
        ConfigError: They are not.
    """
    if not cell:
        return {"depth": 0}
    *layers, last = cell
    first = layers[0] if layers else last
    same = {(one.width, one.activation, one.norm, one.dropout) for one in layers}
    is_like = last.kind == "skip" and len(same) == 1 and len(layers) <= MOST_DEPTH
    if not is_like or any(one.kind != "linear" for one in layers):
        raise ConfigError(
            f"The cells of the learner 'cell' are up to {MOST_DEPTH} linear layers of one width, "
            "activation and norm, with a skip as the last."
        )
    residual = {one.residual for one in layers[1:]}
    if first.residual or len(residual) > 1:
        raise ConfigError("All layers but the first are residual, or none.")
    return {
        "depth": len(layers),
        "width": first.width,
        "activation": first.activation or "gelu",
        "norm": first.norm or NONE,
        "residual": True in residual,
        "dropout": first.dropout,
    }
