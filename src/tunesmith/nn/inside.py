"""What of a network is kept, as a value, and how the blocks of each family are made inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN = "own"
"""The kind of a layer that is as the checkpoint has it."""
UNIT_MULTIPLE = 8
"""Feed-forward units are kept in such numbers, which processors multiply well."""


@dataclass(frozen=True)
class Shape:
    """What is kept of a network: `blocks` by number (0 next to the input), of `of` that it had, and
    of each of them the number of its attention `heads` and of its feed-forward `units`; 0 where
    none was cut out, or it has none."""

    of: int
    blocks: tuple[int, ...]
    heads: tuple[int, ...] = ()
    units: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.is_full and not self.is_pruned

    @property
    def is_pruned(self) -> bool:
        return any((*self.heads, *self.units))

    @property
    def is_full(self) -> bool:
        """Whether every block is kept."""
        return len(self.blocks) == self.of

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"of": self.of, **{n: list(getattr(self, n)) for n in ("blocks", "heads", "units")}}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Shape:
        """What `to_dict` wrote.

        Raises:
            ValueError: It is no shape of a network.
        """
        told = {name: tuple(map(int, plain[name])) for name in ("blocks", "heads", "units")}
        shape = Shape(int(plain["of"]), **told)
        ordered = tuple(sorted({*shape.blocks}))
        counts = {len(numbers) for numbers in (shape.heads, shape.units) if numbers}
        if (
            ordered != shape.blocks
            or not ordered
            or not 0 <= ordered[0] <= ordered[-1] < shape.of
            or counts - {len(ordered)}
            or min((0, *shape.heads, *shape.units)) < 0
        ):
            raise ValueError(f"no network has the shape {dict(plain)!r}")
        return shape


@dataclass(frozen=True)
class Inside:
    """The linear maps of a block, by name: `query`, `key`, `value` and what follows attention
    (`out`), empty where heads cannot be taken out; `up`, to the feed-forward units, and `down` from
    them. And what bends between these (`bend`), empty where neither that nor the norms can be of
    another kind."""

    up: tuple[str, ...]
    down: str
    query: str = ""
    key: str = ""
    value: str = ""
    out: str = ""
    bend: str = ""


_SELF = {part: f"attention.self.{part}" for part in ("query", "key", "value")}
_BEND = "intermediate.intermediate_act_fn"
_BERT = Inside(
    ("intermediate.dense",), "output.dense", **_SELF, out="attention.output.dense", bend=_BEND
)
_GATED = Inside(("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj")
_UNITS = Inside(("intermediate.dense",), "output.dense", bend=_BEND)
INSIDE: Mapping[str, Inside] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "electra"), _BERT),
    "distilbert": Inside(
        ("ffn.lin1",),
        "ffn.lin2",
        *("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"),
        bend="ffn.activation",
    ),
    **dict.fromkeys(("mpnet", "deberta-v2"), _UNITS),
    **dict.fromkeys(("llama", "qwen2", "qwen3"), _GATED),
    **dict.fromkeys(
        ("VisionTransformer", "VisionTransformerDistilled"),
        Inside(("mlp.fc1",), "mlp.fc2", bend="mlp.act"),
    ),
}
"""By the family of a checkpoint. The heads of mpnet share a table of distances, those of deberta
and of decoders share other things; gpt2 and modernbert hold several maps in one matrix."""


def kept_units(count: int, share: float) -> int:
    """How many of so many feed-forward units are a share, in a number that multiplies well."""
    wanted = max(1, round(share * count / UNIT_MULTIPLE)) * UNIT_MULTIPLE
    return min(count, wanted)


def kept_heads(count: int, share: float) -> int:
    return max(1, round(share * count))
