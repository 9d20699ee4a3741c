"""Cells as architectures: which vectors a config reads, what a cell is told as, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.core.architecture import Architecture, Block, Layer, Measured, Read
from tunesmith.core.errors import ConfigError
from tunesmith.learners._forms import blocks_from, refuse_neck

if TYPE_CHECKING:
    from tunesmith.learners.cell import CellConfig
    from tunesmith.nn.cells import Cell

SIDE, MIXED = "side by side", "mixed"
NONE = "none"
JOINT = "+"
MOST_DEPTH = 3
MOST_QUARTERS, LOWEST_QUARTERS = 6, 3
"""Layers of which a search may read quarters; and below which share of the depth none is."""
PLACE = re.compile(r"-?[0-9]{1,4}")
"""A layer by number, of the last ones from -1 down."""


def spelled(config: CellConfig, count: int, *, of_pictures: bool) -> str:
    """The read-out of a config on an encoder of so many blocks, each vector once.

    Raises:
        ConfigError: It is spelled out, and there is no such vector.
    """
    if config.reads:
        return _distinct(config.reads, count, of_pictures=of_pictures)
    means = [f"mean:-{1 + number * config.every}" for number in range(config.layers)]
    ends = [] if config.ends == NONE else config.ends.split(JOINT)
    ends = [end for end in ends if end == "max" or not of_pictures]
    quarters = _quarters(config.quarters, count) if of_pictures else []
    return _distinct(JOINT.join([*means, *ends, *quarters]), count, of_pictures=of_pictures)


def candidates(count: int, *, of_pictures: bool) -> str:
    """The vectors of an encoder of so many blocks that a search may read: of texts all that are
    kept but the final token, of pictures some quarters in place of the first."""
    from tunesmith.nn.features import layers_of

    means = [f"mean:{layer - count - 1}" for layer in reversed(layers_of(count))]
    more = _quarters(MOST_QUARTERS, count) if of_pictures else ["first"]
    return _distinct(JOINT.join([*means, "max", *more]), count, of_pictures=of_pictures)


def _quarters(layers: int, count: int) -> list[str]:
    """The quarters of so many layers, spread evenly from the one before the last to a third of the
    depth: what follows the last block of a convolutional network is wide and of few places."""
    top, least = max(1, count - 1), max(1, round(count / LOWEST_QUARTERS))
    step = (top - least) / max(1, layers - 1)
    return [f"quarters:{round(top - number * step) - count - 1}" for number in range(layers)]


def _distinct(readout: str, count: int, *, of_pictures: bool) -> str:
    """A read-out without vectors that are one and the same: those of layers that are not kept are
    the nearest that is.

    Raises:
        ConfigError: There is no such vector.
    """
    from tunesmith.nn.features import ENDS, QUARTERS, parts, vectors

    layered = ("mean", QUARTERS) if of_pictures else ("mean",)
    for one in vectors(readout):
        kind, _, place = one.partition(":")
        if one not in ENDS and not (kind in layered and PLACE.fullmatch(place)):
            more = f", of pictures {QUARTERS}:-1" if of_pictures else ""
            raise ConfigError(
                f"Nothing of a network of {'pictures' if of_pictures else 'texts'} is called "
                f"{one!r}: read mean:-1 (the mean of the last layer), mean:-2 and so on{more}, and "
                f"of the last layer {', '.join(ENDS)}."
            )
    told = (
        kind if kind in ENDS else f"{kind}:{layer - count - 1}"
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
    refuse_neck(architecture, "cell")
    count = len(architecture.blocks)
    for block in architecture.blocks:
        if block != Block(block.number):
            raise ConfigError(f"The learner 'cell' cannot change block {block.number}.")
    from tunesmith.nn.features import layers_of

    words, stored = [], layers_of(count)
    for read in architecture.reads:
        is_layered = read.pooling in ("mean", "quarters")
        is_end = read.pooling in _ENDS and read.layer == count
        if not is_end and not (is_layered and read.layer in stored):
            raise ConfigError(
                f"The learner 'cell' cannot read {read.pooling} of layer {read.layer}: of the last "
                f"it reads {', '.join(_ENDS)}, and the mean (of pictures the quarters too) of the "
                f"layers {', '.join(map(str, stored))}."
            )
        place = f":{read.layer - count - 1}" if is_layered else ""
        words.append(f"{read.pooling}{place}")
    if len(words) != len({*words}):
        raise ConfigError("The learner 'cell' reads each vector once.")
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
