"""A fine-tuned network as a model: what it answers, how it is written down and read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import Architecture
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import WeightsError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.learners._below import NECK, Below, StoreError
from tunesmith.learners._forms import restored_form
from tunesmith.learners._insight import Cell, Insight, Insightful, answered, standardised
from tunesmith.learners._seeing import PLAIN, seen_by, settled_views
from tunesmith.modalities.inputs import Inputs, distinct
from tunesmith.nn.adapters import MOST_WIDTH
from tunesmith.nn.augment import Recipe
from tunesmith.nn.batches import Content, Rows
from tunesmith.nn.inside import Shape
from tunesmith.nn.shards import active
from tunesmith.zoo import weights
from tunesmith.zoo.reading import Reader, loaded, reader_of, shaped
from tunesmith.zoo.weights import Source

if TYPE_CHECKING:
    from tunesmith.nn.network import Network


@dataclass(frozen=True)
class NeuralModel(Insightful):
    """A fine-tuned network with everything that turns rows into its input."""

    classes: tuple[str, ...]
    inputs: Inputs
    network: Network
    reader: Reader
    length: int
    mean: float
    scale: float
    shape: dict[str, Any]
    epochs: int = 0
    stop_after: float = 0.0
    head_start: str = "random"
    known: tuple[Dataset, Prediction] | None = None
    """While a fit runs: rows that were answered already, and the answers."""
    below: Below | None = None
    """While a fit runs: what is frozen, where its answers are stored."""
    source: Source | None = None
    """The file that the frozen weights came from."""
    remembers: bool = False
    """While a fit runs: the token ids of what is asked."""
    several: bool = False
    """Whether rows may have several of the classes."""
    tta: int = 1
    """Views of a picture over which an answer is averaged."""
    tested: Recipe = PLAIN
    """How these views are made."""
    form: Architecture | None = None
    """Its architecture."""
    smaller: Shape | None = None
    """What is left of the checkpoint, where something was taken away."""
    bottleneck: int = 0
    """Width of the narrow networks in the trained blocks; 0 where there are none."""

    def architecture(self) -> Architecture | None:
        return self.form

    def predict(self, data: Dataset) -> Prediction:
        """Each distinct content goes through the encoder once."""
        from tunesmith.nn import heads, loop

        if self.known is not None and _is_same(self.known[0], data):
            return self.known[1]
        each, places = distinct(self.inputs.contents(data))
        ids = self.reader.rows(each, self.length, remember=self.remembers)
        views = seen_by(ids, self.tested, self.tta)
        every = np.concatenate([places + view * len(each) for view in range(self.tta)])
        dense = np.tile(self.inputs.dense(data), (self.tta, 1))
        rows = self.rows([views[place] for place in every], dense)
        if len(each) < len(places) and rows.states is None and rows.pooled is None:
            once = Rows(views, np.empty((len(views), 0), dtype=np.float32), rows.pad_id)
            rows = replace(rows, pooled=loop.pooled(self.network, once)[every])
        answers = loop.logits(self.network, rows)
        logits = answers.reshape(self.tta, len(places), answers.shape[1]).mean(dim=0)
        return heads.answer(logits, self.classes, self.mean, self.scale, several=self.several)

    def seen(self, data: Dataset) -> NDArray[np.float32]:
        from tunesmith.nn.features import embed

        contents = self.inputs.contents(data)
        ids = self.reader.rows(contents, self.length, remember=self.remembers)
        pooled = embed(self.network.encoder, ids)
        return np.concatenate([pooled, self.inputs.dense(data)], axis=1)

    def rows(
        self, ids: Sequence[Content], dense: NDArray[np.float32], watch: Watch | None = None
    ) -> Rows:
        """The network's input: what lies below the cut from the store, where one is in use."""
        plain = Rows(ids, dense, getattr(self.network.encoder, "pad_id", 0))
        if self.below is None or active() is None:
            return plain
        try:
            return self.below.rows(ids, dense, watch.clock if watch else None)
        except StoreError as error:
            if watch:
                watch.tell("store", f"given up: {error}; the frozen blocks run in every step")
            return plain

    @property
    def encoders(self) -> tuple[Any, ...]:
        return (self.network.encoder,)

    def heat_methods(self) -> frozenset[str]:
        found = super().heat_methods()
        carries = self.network.neck_kind != "convolution"  # which rollout knows nothing of
        return found if carries else found - {"attention-rollout"}

    def insight(self, data: Dataset) -> Insight:
        """Where it answers by several views of a picture, the picture itself."""
        import torch

        from tunesmith.nn.saliency import Passage, Seen

        network = self.network.eval()
        pad_id = getattr(network.encoder, "pad_id", 0)
        cell = Cell.of(self.inputs, self.reader, self.length, data, pad_id)

        def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
            logits = network.head(torch.cat([*features, dense], dim=1)).float()
            told = {"mean": self.mean, "scale": self.scale}
            return answered(logits, self.classes, several=self.several, **told)

        seen = Seen.tuned(network, cell.ids, cell.blank)
        passage = Passage((seen,), self.inputs.dense(data)[0], answer)
        return Insight(passage, (cell,), self.inputs.slices(), standardised(self.inputs))

    def redrawn(self, seed: int) -> NeuralModel:
        from tunesmith.nn.redraw import redrawn

        network = self.network
        parts = [network.head, network.pool, *network.trained()]
        parts += [] if network.neck is None else [network.neck]
        return replace(self, network=redrawn(network, parts, seed), known=None, below=None)

    def settled(self) -> dict[str, Any]:
        return {
            **self._course(),
            "patience": 0,
            **settled_views(self),
            **settled_blocks(self.smaller),
        }

    def _course(self) -> dict[str, Any]:
        """How its training went, so that it can go the same way again."""
        return {
            "epochs": self.epochs,
            "stop_after": self.stop_after,
            "head_start": self.head_start,
        }

    def save(self, folder: Path) -> None:
        """Write the model down. What is frozen is copied from the checkpoint's own file, where it
        is one and takes less, as fp16 does."""
        from safetensors.torch import save_file

        frozen = frozen_names(self.network)
        if self.source is None or self.source.size_bytes > _bytes(self.network, frozen):
            frozen = set()
        write_json(
            folder / "model.json",
            {
                "classes": self.classes,
                "inputs": self.inputs.state(),
                "reads": self.reader.kind,
                "length": self.length,
                "mean": self.mean,
                "scale": self.scale,
                "shape": self.shape,
                "several": self.several,
                "smaller": None if self.smaller is None else self.smaller.to_dict(),
                "bottleneck": self.bottleneck,
                "frozen_blocks": self.network.first_trained,
                "tta": [self.tta, self.tested.policy],
                "architecture": None if self.form is None else self.form.to_dict(),
                "below": None if self.below is None else [self.below.trunk.key, self.below.cut],
                **self._course(),
            },
        )
        self.reader.save(self.network.encoder, folder)
        if frozen:
            weights.write(self.network.encoder, folder, self.source)
        state = {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self.network.state_dict().items()
            if name not in frozen
        }
        save_file(state, folder / "network.safetensors")


def settled_blocks(smaller: Shape | None) -> dict[str, Any]:
    """Of a config, which blocks there are: one name for all that were cut off or skipped, so that
    what most folds did fits together."""
    if smaller is None:
        return {}
    gone = {*range(smaller.of)} - {*smaller.blocks}
    named = ", ".join(str(number + 1) for number in sorted(gone))
    return {"blocks": 1.0, "skip": 0, "skipped": named}


def _is_same(one: Dataset, other: Dataset) -> bool:
    """Whether both are the same rows of one source."""
    return one.source == other.source and np.array_equal(one.lines, other.lines)


def load(folder: Path) -> NeuralModel:
    """The model that was saved in a folder, on the fastest device.

    Raises:
        WeightsError: Weights are missing or do not fit.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tunesmith.nn import devices
    from tunesmith.nn.network import Network

    saved = read_json(folder / "model.json")
    own, reads = folder / weights.OWN_FILE, str(saved["reads"])
    try:
        told = saved.get("smaller")
        smaller = None if told is None else Shape.from_dict(told)
        state = load_file(folder / "network.safetensors")
        with torch.device("meta"):  # no memory is taken for shapes that the file does not have
            blank = Network(_added(_shaped(folder, reads, smaller), saved), **saved["shape"])
        shapes, frozen = blank.state_dict(), saved["frozen_blocks"]
        if type(frozen) is not int or not 0 <= frozen <= len(blank.encoder.blocks):
            raise ValueError(f"frozen_blocks is {frozen!r}")
        blank.first_trained = frozen
        may = frozen_names(blank) if own.is_file() else set()
        gone = [name for name in shapes if name not in state and name not in may]
        if gone:
            raise ValueError(f"{gone[0]} is missing")
        wrong = [name for name in state if state[name].shape != shapes[name].shape]
        if wrong:
            raise ValueError(f"{wrong[0]} has another shape than its description")
        is_own = own.is_file()
        encoder = loaded(folder, reads, own.name) if is_own else _shaped(folder, reads, smaller)
        network = Network(_added(encoder, saved), **saved["shape"])
        network.load_state_dict(state, strict=False)
    except (RuntimeError, KeyError, ValueError, SafetensorError) as error:
        raise WeightsError(f"{folder} holds weights that do not fit: {error}") from error
    network.first_trained = frozen
    network.requires_grad_(False).to(devices.device()).eval()
    return NeuralModel(
        classes=tuple(saved["classes"]),
        inputs=Inputs.restore(saved["inputs"]),
        network=network,
        reader=reader_of(folder, reads),
        length=saved["length"],
        mean=saved["mean"],
        scale=saved["scale"],
        shape=saved["shape"],
        below=_below(network, saved.get("below"), smaller),
        smaller=smaller,
        bottleneck=saved.get("bottleneck", 0),
        tta=int(saved["tta"][0]),
        tested=Recipe(str(saved["tta"][1])),
        source=Source.of(own) if own.is_file() else None,
        epochs=saved["epochs"],
        stop_after=saved["stop_after"],
        head_start=saved["head_start"],
        several=saved.get("several", False),
        form=restored_form(saved.get("architecture")),
    )


def _is_encoder(name: str) -> bool:
    return name.startswith("encoder.")


def _bytes(network: Network, names: Collection[str]) -> int:
    return sum(value.nbytes for name, value in network.state_dict().items() if name in names)


def frozen_names(network: Network) -> set[str]:
    """The tensors that are as the checkpoint has them, by name."""
    if not network.first_trained:
        return set()
    blocks = {id(block) for block in network.trained()}
    above = tuple(f"{name}." for name, part in network.named_modules() if id(part) in blocks)
    return {n for n in network.state_dict() if _is_encoder(n) and not n.startswith(above)}


def _shaped(folder: Path, reads: str, smaller: Shape | None) -> Any:
    """An encoder of the shape that a folder tells, whose weights are about to be set."""
    encoder = shaped(folder, reads)
    if smaller is not None:
        from tunesmith.nn.shapes import reshape

        reshape(encoder, smaller)
    return encoder


def _added(encoder: Any, saved: Mapping[str, Any]) -> Any:
    """An encoder with the narrow networks that its trained blocks have.

    Raises:
        ValueError: It cannot have them.
    """
    width = int(saved.get("bottleneck", 0))
    if width:
        from tunesmith.nn.bottleneck import insert
        from tunesmith.nn.shapes import inside_of

        inside = inside_of(encoder)
        if inside is None or not 0 < width <= MOST_WIDTH:
            raise ValueError(f"bottleneck is {width}")
        for block in encoder.blocks[int(saved["frozen_blocks"]) :]:
            insert(block, inside, width)
    return encoder


def _below(network: Network, told: list[Any] | None, smaller: Shape | None) -> Below | None:
    """What is frozen of a network that was saved, so that the fit that saved it finds its rows."""
    from tunesmith.nn.activations import Trunk

    if told is None or not 0 <= told[1] <= len(network.encoder.blocks):
        return None
    kept = () if smaller is None or smaller.is_full else smaller.blocks
    pool = network.pool.kind if network.neck is None else NECK
    return Below(Trunk(network.encoder, str(told[0]), "", kept), told[1], pool)
