"""What models over an encoder as it came have in common: a probe, and a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset, Rows
from tunesmith.learners._insight import Cell, Insight, Insightful, seen_frozen, standardised
from tunesmith.modalities.inputs import Inputs, distinct
from tunesmith.nn.augment import View
from tunesmith.nn.shards import active
from tunesmith.zoo import weights
from tunesmith.zoo.backbones import Backbone
from tunesmith.zoo.reading import Reader, reader_of, restored
from tunesmith.zoo.weights import Source

if TYPE_CHECKING:
    import torch

    from tunesmith.nn.activations import Trunk

Views = Callable[[Sequence[NDArray[Any]]], Sequence[NDArray[Any] | View]]
Answer = Callable[[Sequence["torch.Tensor"], "torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class FrozenModel(Insightful):
    """Encoder → the vectors of `readout`, other columns beside them → something that was learned.
    While a fit runs, what is stored under `trunk` is not computed again."""

    classes: tuple[str, ...]
    inputs: Inputs
    encoder: Any
    reader: Reader
    length: int
    readout: str
    trunk: Trunk | None = field(default=None, kw_only=True)
    source: Source | None = field(default=None, kw_only=True)
    """The file that the encoder's weights came from."""
    several: bool = field(default=False, kw_only=True)

    @property
    def encoders(self) -> tuple[Any, ...]:
        return (self.encoder,)

    @property
    def backbone(self) -> str:
        """The name of the checkpoint; empty where nobody knows it."""
        return self.trunk.name if self.trunk else ""

    def read(self, data: Dataset, views: Views = list) -> tuple[NDArray[np.float32], Rows]:
        """The vectors of what `views` makes of each distinct content, one after the other, and for
        each row the number of its content."""
        from tunesmith.nn import activations
        from tunesmith.nn.features import embed

        store = active()
        each, places = distinct(self.inputs.contents(data))
        ids = views(self.reader.rows(each, self.length, remember=store is not None))
        if self.trunk is None or store is None:
            return embed(self.encoder, ids, self.readout), places
        return activations.features(self.trunk, ids, self.readout), places

    def looked_into(self, data: Dataset, answer: Answer) -> Insight:
        """The model before the one row of some data, by what `answer` makes of the vectors and of
        the numbers beside them."""
        from tunesmith.nn.saliency import Passage

        pad_id = getattr(self.encoder, "pad_id", 0)
        place = Cell.of(self.inputs, self.reader, self.length, data, pad_id)
        seen = seen_frozen(place, self.encoder.eval(), self.readout)
        passage = Passage((seen,), self.inputs.dense(data)[0], answer)
        return Insight(passage, (place,), self.inputs.slices(), standardised(self.inputs))

    def told(self) -> dict[str, Any]:
        """All of this for JSON, but for the weights."""
        return {
            "classes": self.classes,
            "inputs": self.inputs.state(),
            "reads": self.reader.kind,
            "length": self.length,
            "readout": self.readout,
            "trunk": self.trunk.key if self.trunk else "",
            "backbone": self.backbone,
            "several": self.several,
        }

    def save_encoder(self, folder: Path) -> None:
        """The reader and the encoder as files."""
        self.reader.save(self.encoder, folder)
        weights.write(self.encoder, folder, self.source)


def over(base: Backbone, classes: tuple[str, ...], inputs: Inputs, length: int) -> dict[str, Any]:
    """The fields of a model over a checkpoint, but for its read-out."""
    return {
        "classes": classes,
        "inputs": inputs,
        "encoder": base.encoder,
        "reader": base.reader,
        "length": length,
        "trunk": base.trunk,
        "source": base.source,
    }


def reopened(folder: Path, saved: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a model from `told` and from what `save_encoder` wrote."""
    from tunesmith.nn.activations import Trunk

    encoder = restored(folder, saved["reads"])
    return {
        "classes": tuple(saved["classes"]),
        "inputs": Inputs.restore(saved["inputs"]),
        "encoder": encoder,
        "reader": reader_of(folder, saved["reads"]),
        "length": saved["length"],
        "readout": saved["readout"],
        "trunk": Trunk(encoder, str(saved["trunk"]), str(saved.get("backbone", ""))),
        "source": Source.of(folder / weights.OWN_FILE),
        "several": saved.get("several", False),
    }
