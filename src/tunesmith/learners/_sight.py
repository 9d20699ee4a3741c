"""What the encoder inside a fitted model makes of texts or pictures, before the model answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted
from tunesmith.core.records import Dataset
from tunesmith.learners._cell_model import CellModel
from tunesmith.learners._folded import Folded
from tunesmith.learners._frozen import FrozenInput
from tunesmith.learners._network_model import NeuralModel
from tunesmith.learners._per_label import PerLabel
from tunesmith.learners._with_embeddings import WithEmbeddings
from tunesmith.learners.fusion import FusionModel
from tunesmith.learners.probe import ProbeModel
from tunesmith.learners.stack import Stacked
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.shards import active
from tunesmith.zoo.reading import Reader

if TYPE_CHECKING:
    from tunesmith.nn.activations import Trunk

READOUT = "last"


@dataclass(frozen=True)
class Sight:
    """An encoder with what turns rows into its input. `trunk` is set where it is as its checkpoint
    has it, so that a store under way may know its rows."""

    inputs: Inputs
    encoder: Any
    reader: Reader
    length: int
    trunk: Trunk | None

    def features(
        self, data: Dataset, after: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """What it makes of rows, shape (rows, width); NaN where a row has nothing to be read.
        `after` is told how many rows are done, and may raise."""
        from tunesmith.nn import activations
        from tunesmith.nn.features import embed, width

        contents = self.inputs.contents(data)
        there = [row for row, content in enumerate(contents) if content]
        found = np.full((len(data), width(self.encoder, READOUT)), np.nan, dtype=np.float32)
        if not there:
            return found
        ids = self.reader.rows([contents[row] for row in there], self.length, remember=False)
        if self.trunk is not None and active() is not None:
            found[there] = activations.features(self.trunk, ids, READOUT)
        else:
            found[there] = embed(self.encoder, ids, READOUT, after=after)
        return found


def sight_of(model: Fitted) -> Sight | None:
    """The first encoder inside a model; None where it has none."""
    if isinstance(model, ProbeModel | CellModel):
        return Sight(model.inputs, model.encoder, model.reader, model.length, model.trunk)
    if isinstance(model, NeuralModel):
        return Sight(model.inputs, model.network.encoder, model.reader, model.length, None)
    if isinstance(model, FusionModel):
        return next((_frozen(content) for content, _ in model.blocks.contents), None)
    if isinstance(model, WithEmbeddings):
        own = sight_of(model.model)
        return own or next((_frozen(one.reads) for one in model.embeddings), None)
    return next((found for one in _parts(model) if (found := sight_of(one)) is not None), None)


def _frozen(content: FrozenInput) -> Sight:
    return Sight(content.inputs, content.encoder, content.reader, content.length, content.trunk)


def _parts(model: Fitted) -> tuple[Fitted, ...]:
    if isinstance(model, Folded):
        return model.models[:1]
    if isinstance(model, PerLabel):
        return tuple(one for one in model.models if one is not None)[:1]
    if isinstance(model, Stacked):
        return tuple(fitted for _, fitted in model.bases)
    return ()
