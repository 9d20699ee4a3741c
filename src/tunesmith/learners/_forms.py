"""The architectures of networks whose shape is fixed, a probe and a fine-tuned one, and the configs
that make such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.core.architecture import Adapter, Architecture, Block, Kind, Layer, Measured, Read
from tunesmith.core.errors import ConfigError
from tunesmith.learners._regularised import Plane
from tunesmith.nn.adapters import BitFit, Bottleneck, Full, LoRA, Scaling
from tunesmith.nn.inside import OWN, Shape
from tunesmith.nn.neck_kinds import Attention, Convolution, NoNeck
from tunesmith.zoo.backbones import blocks_of

if TYPE_CHECKING:
    from tunesmith.learners.neural import NeuralConfig
    from tunesmith.nn.network import Network

ADAPTERS: Mapping[type, Adapter] = {
    Full: "",
    LoRA: "lora",
    BitFit: "bias",
    Bottleneck: "bottleneck",
    Scaling: "scaling",
}
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
    refuse_neck(architecture, "probe")
    if architecture.cell or any(read.weight is not None for read in architecture.reads):
        raise ConfigError(
            "The learner 'probe' reads vectors side by side and has no cell, but one plane: "
            "'cell' mixes them and has layers."
        )
    wanted = {(read.pooling, read.layer) for read in architecture.reads}
    count = len(architecture.blocks)
    for name in ("several", "deep", "last", "ends"):
        if {*parts(count, name)} == wanted and len(READOUTS[name]) == len(architecture.reads):
            return _with_backbone(architecture, {"readout": name})
    raise ConfigError(
        "The learner 'probe' has no read-out of just these layers; its read-outs are several, "
        "deep, last and ends (nn/features.py)."
    )


def tuned_form(
    name: str,
    config: NeuralConfig,
    network: Network,
    smaller: Shape,
    ranks: Sequence[int] | None = None,
) -> Architecture:
    """That of a fine-tuned network, of which this is left of the checkpoint; `ranks` are those of
    the trained blocks, where they differ."""
    count = len(network.encoder.blocks)
    trained = count - network.first_trained
    head, adapter = network.head, config.adapter
    rank = adapter.rank if isinstance(adapter, LoRA) else 0
    rank = adapter.width if isinstance(adapter, Bottleneck) else rank
    blocks = blocks_from(count, trained, ADAPTERS[type(adapter)], rank)
    for place, own in enumerate(ranks or (), start=count - trained):
        blocks = (*blocks[:place], replace(blocks[place], rank=own), *blocks[place + 1 :])
    cell = () if head.hidden is None else (Layer("linear", config.head, "gelu", "", False),)
    return Architecture(
        "neural",
        name,
        _placed(_kinds(blocks, network), config, smaller),
        _reads(config, network, smaller),
        cell,
        head.plane.out_features,
        (head.hidden or head.plane).in_features - network.encoder.width,
        Measured(sum(p.numel() for p in network.parameters())),
        config.neck.layers(),
    )


def _kinds(blocks: tuple[Block, ...], network: Network) -> tuple[Block, ...]:
    """The blocks with the activations and norms that they were given."""
    told: dict[str, Any] = {n: k for n, k in network.kinds.items() if k != OWN}
    return tuple(replace(block, **told) if block.trains else block for block in blocks)


NECKS: Mapping[Kind, type[Convolution | Attention]] = {"conv": Convolution, "attention": Attention}
"""What of a config makes a layer of the neck."""


def _neck_config(architecture: Architecture) -> dict[str, Any]:
    """What makes the neck, or none.

    Raises:
        ConfigError: Nothing does.
    """
    if not architecture.neck:
        return {"neck": NoNeck.__name__}
    layer = architecture.neck[-1]
    kind = NECKS[layer.kind]
    if architecture.neck != kind(layer.width).layers():
        raise ConfigError(
            "The neck of the learner 'neural' is one layer: conv with gelu, or attention without "
            "an activation, each residual and with a layer norm."
        )
    return {"neck": kind.__name__, f"neck.{kind.__name__}.width": layer.width}


def _placed(blocks: tuple[Block, ...], config: NeuralConfig, smaller: Shape) -> tuple[Block, ...]:
    """The blocks that are left at their places in the checkpoint, between those that are not."""
    found = {number: Block(number + 1, kept=False) for number in range(smaller.of)}
    for place, number in enumerate(smaller.blocks):
        heads = config.heads_kept if smaller.heads and smaller.heads[place] else 1.0
        units = config.width_kept if smaller.units and smaller.units[place] else 1.0
        found[number] = replace(blocks[place], number=number + 1, heads=heads, hidden=units)
    return tuple(found.values())


def _reads(config: NeuralConfig, network: Network, smaller: Shape) -> tuple[Read, ...]:
    """The last layer, or each of a mix with its share."""
    top = smaller.blocks[-1] + 1
    pooling: Any = config.pooling
    if network.mix is None:
        return (Read(top, pooling),)
    shares = network.mix.shares()
    places = (0, *(number + 1 for number in smaller.blocks))[-len(shares) :]
    return tuple(Read(*one) for one in zip(places, [pooling] * len(places), shares, strict=True))


def tuned_config(architecture: Architecture) -> Mapping[str, Any]:
    """The depth, adapter, pooling and head that make this.

    Raises:
        ConfigError: None do.
    """
    kept, reads, cell = architecture.kept, architecture.reads, architecture.cell
    if not kept:
        raise ConfigError("The learner 'neural' fine-tunes blocks, and this has none.")
    count = len(kept)
    mixed = _is_mix(architecture)
    if not mixed and (len(reads) > 1 or reads[0].layer != kept[-1].number):
        raise ConfigError(
            "The learner 'neural' reads the last layer alone, or a mix of the one at the cut and "
            "of all that the trained blocks leave, pooled alike."
        )
    for layer in cell:
        plain = Layer("linear", layer.width, layer.activation or "gelu")
        if (
            len(cell) > 1
            or plain.activation != "gelu"
            or replace(layer, activation="gelu") != plain
        ):
            raise ConfigError(
                "The head of the learner 'neural' has one linear layer at most, with gelu, and "
                "nothing else: its dropout is a field of the config."
            )
    trained = sum(block.trains for block in kept)
    _refuse_odd(kept, trained)
    share = trained / max(1, count)
    same = [depth for depth in DEPTHS if blocks_of(depth, count) == trained]
    depth = min(same, key=lambda one: abs(one - share), default=share)
    found: dict[str, Any] = {"depth": depth, "pooling": reads[0].pooling}
    found |= {"readout": "mix"} if mixed else {}
    found |= _neck_config(architecture)
    found |= _smaller_config(architecture)
    found["head"] = cell[0].width if cell else 0
    top = kept[-1]
    found["adapter"] = next(kind.__name__ for kind, n in ADAPTERS.items() if n == top.adapter)
    ranks = [block.rank for block in kept if block.trains]
    if top.adapter == "lora":
        found["adapter.LoRA.rank"] = max(1, round(sum(ranks) / len(ranks)))
        found |= {"adapter.LoRA.allocate": True} if len({*ranks}) > 1 else {}
    if top.adapter == "bottleneck":
        found["adapter.Bottleneck.width"] = top.rank
    return _with_backbone(architecture, found)


def _refuse_odd(kept: tuple[Block, ...], trained: int) -> None:
    """Refuse trained blocks that are not the top ones, and adapters that differ among them, are in
    others, or have no rank.

    Raises:
        ConfigError: Names the block.
    """
    first = len(kept) - trained
    for place, block in enumerate(kept):
        if block.trains != (place >= first):
            raise ConfigError(
                f"The learner 'neural' trains the top blocks, as many as wanted: block "
                f"{block.number} {'trains' if block.trains else 'does not, and others below do'}."
            )
        if block.adapter != (kept[-1].adapter if block.trains else ""):
            raise ConfigError(
                "The learner 'neural' puts the same adapter into all blocks that train, and none "
                f"into others: block {block.number} has {block.adapter or 'none'}."
            )
    ranks = {block.rank for block in kept[first:]}
    is_one = len(ranks) == 1 or kept[-1].adapter != "bottleneck"
    if kept[-1].adapter in ("lora", "bottleneck") and not (max(ranks) and is_one):
        raise ConfigError(
            f"The adapter {kept[-1].adapter} has a rank of one at least, and a bottleneck the same "
            "in all blocks that train."
        )


def _is_mix(architecture: Architecture) -> bool:
    """Whether just the layers at the cut and above are mixed."""
    kept, reads = architecture.kept, architecture.reads
    trained = sum(block.trains for block in kept)
    wanted = [0, *(block.number for block in kept)][-trained - 1 :]
    return (
        trained > 0
        and [read.layer for read in reads] == wanted
        and all(read.weight is not None and read.pooling == reads[0].pooling for read in reads)
    )


CHANGED = {"activation": ("gelu_tanh", "quick_gelu", "relu"), "norm": ("rms",)}
"""The kinds of layers that blocks may be given, as `nn/kinds.py` has them."""


def _inner(block: Block) -> tuple[float, float, str, str]:
    """What of a block is not as the checkpoint has it."""
    return block.heads, block.hidden, block.activation, block.norm


def _smaller_config(architecture: Architecture) -> dict[str, Any]:
    """What takes away what is not kept of the blocks.

    Raises:
        ConfigError: Nothing does: frozen blocks lose heads, or blocks differ in their shares.
    """
    kept, count = architecture.kept, len(architecture.blocks)
    top = kept[-1].number
    gone = [str(block.number) for block in architecture.blocks[:top] if not block.kept]
    plain_one = (1.0, 1.0, "", "")
    every = {_inner(block) for block in kept if block.trains} or {plain_one}
    frozen = [block for block in kept if not block.trains and _inner(block) != plain_one]
    if len(every) > 1 or frozen:
        raise ConfigError(
            "The learner 'neural' takes the same share of the heads and of the feed-forward width "
            "out of all blocks that train, gives all the same activation and norm, and changes "
            "nothing of those that do not train."
        )
    heads, units, activation, norm = every.pop()
    if activation not in ("", *CHANGED["activation"]) or norm not in ("", *CHANGED["norm"]):
        raise ConfigError(
            "The learner 'neural' gives blocks the activation gelu_tanh, quick_gelu or relu, and "
            f"the norm rms, not {activation or 'their own'} and {norm or 'their own'}; empty "
            "leaves what the checkpoint has."
        )
    found = {"blocks": top / count, "skipped": ", ".join(gone)}
    found |= {"heads_kept": heads, "width_kept": units}
    found |= {"activation": activation or OWN, "norm": norm or OWN}
    plain = {"blocks": 1.0, "skipped": "", "heads_kept": 1.0, "width_kept": 1.0}
    plain |= dict.fromkeys(CHANGED, OWN)
    return {name: value for name, value in found.items() if value != plain[name]}


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


def refuse_neck(architecture: Architecture, learner: str) -> None:
    """Refuse layers over tokens or places for a learner that reads pooled vectors.

    Raises:
        ConfigError: There are some.
    """
    if architecture.neck:
        raise ConfigError(
            f"The learner {learner!r} reads pooled vectors of frozen layers, so that it has no "
            "neck: 'neural' has."
        )


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
