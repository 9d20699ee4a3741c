"""The architectures of networks whose shape is fixed, a probe and a fine-tuned one, and the configs
that make such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.core.architecture import Adapter, Architecture, Block, Layer, Measured, Read
from tunesmith.core.errors import ConfigError
from tunesmith.learners._regularised import Plane
from tunesmith.nn.adapters import BitFit, Full, LoRA
from tunesmith.zoo.backbones import blocks_of

if TYPE_CHECKING:
    from tunesmith.learners.neural import NeuralConfig
    from tunesmith.nn.network import Network

ADAPTERS: Mapping[type, Adapter] = {Full: "", LoRA: "lora", BitFit: "bias"}
DEPTHS = (0.0, 0.17, 0.34, 0.5, 1.0)


def probe_form(name: str, encoder: Any, readout: str, plane: Plane, width: int) -> Architecture:
    """That of a plane on frozen features, `width` of them beside the numbers of other columns."""
    from tunesmith.nn.features import parts

    count = len(encoder.blocks)
    numbers = plane.weights.size + plane.bias.size
    return Architecture(
        "probe",
        name,
        blocks_from(count, 0),
        tuple(Read(layer, kind) for kind, layer in parts(count, readout)),  # type: ignore[arg-type]
        (),
        len(plane.bias),
        plane.weights.size // len(plane.bias) - width,
        Measured(sum(p.numel() for p in encoder.parameters()) + numbers),
    )


def probe_config(architecture: Architecture) -> Mapping[str, Any]:
    """The read-out that reads just this.

    Raises:
        ConfigError: There is none.
    """
    from tunesmith.nn.features import READOUTS, parts

    _refuse_changed(architecture, "probe")
    wanted = {(read.pooling, read.layer) for read in architecture.reads}
    count = len(architecture.blocks)
    for name in ("several", "deep", "last", "ends"):
        if {*parts(count, name)} == wanted and len(READOUTS[name]) == len(architecture.reads):
            return _with_backbone(architecture, {"readout": name})
    raise ConfigError(
        "The learner 'probe' has no read-out of just these layers; its read-outs are several, "
        "deep, last and ends (nn/features.py)."
    )


def tuned_form(name: str, config: NeuralConfig, network: Network) -> Architecture:
    """That of a fine-tuned network."""
    count = len(network.encoder.blocks)
    trained = count - network.first_trained
    head, adapter = network.head, config.adapter
    rank = adapter.rank if isinstance(adapter, LoRA) else 0
    cell = () if head.hidden is None else (Layer("linear", config.head, "gelu", "", False),)
    return Architecture(
        "neural",
        name,
        blocks_from(count, trained, ADAPTERS[type(adapter)], rank),
        (Read(count, config.pooling),),  # type: ignore[arg-type]
        cell,
        head.plane.out_features,
        (head.hidden or head.plane).in_features - network.encoder.width,
        Measured(sum(p.numel() for p in network.parameters())),
    )


def tuned_config(architecture: Architecture) -> Mapping[str, Any]:
    """The depth, adapter, pooling and head that make this.

    Raises:
        ConfigError: None do.
    """
    _refuse_changed(architecture, "neural")
    count, reads, cell = len(architecture.blocks), architecture.reads, architecture.cell
    if len(reads) > 1 or reads[0].layer != count:
        raise ConfigError("The learner 'neural' reads the last layer alone.")
    if len(cell) > 1 or any(layer.kind != "linear" for layer in cell):
        raise ConfigError("The head of the learner 'neural' has one linear layer at most.")
    trained = sum(block.trains for block in architecture.blocks)
    share = trained / max(1, count)
    same = [depth for depth in DEPTHS if blocks_of(depth, count) == trained]
    depth = min(same, key=lambda one: abs(one - share), default=share)
    found: dict[str, Any] = {"depth": depth, "pooling": reads[0].pooling}
    found["head"] = cell[0].width if cell else 0
    top = architecture.blocks[-1]
    found["adapter"] = next(kind.__name__ for kind, n in ADAPTERS.items() if n == top.adapter)
    if top.adapter == "lora":
        found["adapter.LoRA.rank"] = top.rank
    return _with_backbone(architecture, found)


def blocks_from(
    count: int, trained: int, adapter: Adapter = "", rank: int = 0
) -> tuple[Block, ...]:
    """So many blocks, the top ones of which train."""
    first = count - trained
    return tuple(
        Block(number, trains=True, adapter=adapter, rank=rank) if number > first else Block(number)
        for number in range(1, count + 1)
    )


def restored_form(told: Mapping[str, Any] | None) -> Architecture | None:
    """What a saved model tells of its architecture."""
    return None if told is None else Architecture.from_dict(told)


def _with_backbone(architecture: Architecture, found: dict[str, Any]) -> dict[str, Any]:
    return found | ({"backbone": architecture.backbone} if architecture.backbone else {})


def _refuse_changed(architecture: Architecture, learner: str) -> None:
    """Refuse blocks that are not as the checkpoint has them.

    Raises:
        ConfigError: Names the first.
    """
    for block in architecture.blocks:
        plain = Block(block.number, True, block.trains, block.adapter, block.rank)
        if block != plain or (learner == "probe" and block.trains):
            raise ConfigError(
                f"The learner {learner!r} cannot change block {block.number} as asked for."
            )
