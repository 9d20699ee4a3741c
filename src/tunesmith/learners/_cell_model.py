"""A searched cell over what a frozen encoder makes of texts or pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import Architecture
from tunesmith.core.errors import WeightsError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.learners._cell_form import cell_form
from tunesmith.learners._insight import Cell as Place
from tunesmith.learners._insight import Insight, Insightful, answered, seen_frozen
from tunesmith.modalities.inputs import Inputs, distinct
from tunesmith.nn.shards import active
from tunesmith.zoo import weights
from tunesmith.zoo.reading import Reader, reader_of, restored
from tunesmith.zoo.weights import Source

if TYPE_CHECKING:
    import torch

    from tunesmith.nn.activations import Trunk
    from tunesmith.nn.cells import Cell

ANSWERED = 4096
"""Rows that are answered at once."""


@dataclass(frozen=True)
class CellModel(Insightful):
    """Encoder → the vectors of `readout`, other columns beside them → cell. While a fit runs, what
    is stored under `trunk` is not computed again."""

    classes: tuple[str, ...]
    inputs: Inputs
    encoder: Any
    reader: Reader
    length: int
    readout: str
    cell: Cell
    mean: float = 0.0
    scale: float = 1.0
    found: Mapping[str, Any] | None = None
    """What the valid rows and the search settled, as fields of the config."""
    trunk: Trunk | None = None
    source: Source | None = None
    """The file that the encoder's weights came from."""
    several: bool = False

    def predict(self, data: Dataset) -> Prediction:
        return self.answer(self.seen(data))

    def answer(self, numbers: NDArray[np.float32]) -> Prediction:
        """Of `seen`."""
        from tunesmith.nn import heads

        return heads.answer(
            cell_logits(self.cell, numbers),
            self.classes,
            self.mean,
            self.scale,
            several=self.several,
        )

    def seen(self, data: Dataset) -> NDArray[np.float32]:
        return np.concatenate([self._read(data), self.inputs.dense(data)], axis=1)

    def _read(self, data: Dataset) -> NDArray[np.float32]:
        """Each distinct content is read once."""
        from tunesmith.nn import activations
        from tunesmith.nn.features import embed

        store = active()
        each, places = distinct(self.inputs.contents(data))
        ids = self.reader.rows(each, self.length, remember=store is not None)
        if self.trunk is None or store is None:
            return embed(self.encoder, ids, self.readout)[places]
        return activations.features(self.trunk, ids, self.readout)[places]

    def architecture(self) -> Architecture:
        name = self.trunk.name if self.trunk else ""
        return cell_form(name, self.encoder, self.readout, self.cell)

    @property
    def encoders(self) -> tuple[Any, ...]:
        return (self.encoder,)

    def insight(self, data: Dataset) -> Insight:
        import torch

        from tunesmith.nn.saliency import Passage

        pad_id = getattr(self.encoder, "pad_id", 0)
        place = Place.of(self.inputs, self.reader, self.length, data, pad_id)

        def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
            logits = self.cell(torch.cat([features[0], dense], dim=1), dense[:, :0])[:, 0]
            return answered(
                logits, self.classes, several=self.several, mean=self.mean, scale=self.scale
            )

        seen = seen_frozen(place, self.encoder.eval(), self.readout)
        passage = Passage((seen,), self.inputs.dense(data)[0], answer)
        return Insight(passage, (place,), self.inputs.slices(), self.inputs.states)

    def redrawn(self, seed: int) -> CellModel:
        from tunesmith.nn.redraw import redrawn

        return replace(self, cell=redrawn(self.cell, [self.cell], seed))

    def settled(self) -> dict[str, Any]:
        return dict(self.found or {})

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        state = {
            "classes": self.classes,
            "inputs": self.inputs.state(),
            "reads": self.reader.kind,
            "length": self.length,
            "readout": self.readout,
            "cell": asdict(self.cell.shape),
            "mean": self.mean,
            "scale": self.scale,
            "settled": self.settled(),
            "trunk": self.trunk.key if self.trunk else "",
            "backbone": self.trunk.name if self.trunk else "",
            "several": self.several,
        }
        write_json(folder / "model.json", state)
        self.reader.save(self.encoder, folder)
        weights.write(self.encoder, folder, self.source)
        tensors = {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy())
            for name, tensor in self.cell.state_dict().items()
        }
        save_file(tensors, folder / "cell.safetensors")

    @staticmethod
    def load(folder: Path) -> CellModel:
        """What `save` wrote.

        Raises:
            WeightsError: The weights of the cell do not fit it.
        """
        from tunesmith.nn.activations import Trunk

        saved = read_json(folder / "model.json")
        encoder = restored(folder, saved["reads"])
        return CellModel(
            classes=tuple(saved["classes"]),
            inputs=Inputs.restore(saved["inputs"]),
            encoder=encoder,
            reader=reader_of(folder, saved["reads"]),
            length=saved["length"],
            readout=saved["readout"],
            cell=_restored_cell(folder, saved["cell"]),
            mean=saved["mean"],
            scale=saved["scale"],
            found=saved["settled"],
            trunk=Trunk(encoder, str(saved["trunk"]), str(saved["backbone"])),
            source=Source.of(folder / weights.OWN_FILE),
            several=saved["several"],
        )


def cell_logits(cell: Any, numbers: NDArray[np.float32]) -> torch.Tensor:
    """Logits of rows, shape (rows, outputs), in fp32 on the CPU."""
    import torch

    from tunesmith.nn.devices import device

    cell.eval()
    found = [torch.empty(0, cell.plane.out_features)]
    with torch.no_grad():
        for start in range(0, len(numbers), ANSWERED):
            rows = torch.from_numpy(numbers[start : start + ANSWERED]).to(device())
            found.append(cell(rows, rows[:, :0])[:, 0].float().cpu())
    return torch.cat(found)


def _restored_cell(folder: Path, told: Mapping[str, Any]) -> Cell:
    """The cell of a folder that anyone may have written: no memory is taken for shapes that the
    file of its weights does not have.

    Raises:
        WeightsError: They do not fit.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from tunesmith.nn.cells import Cell, CellShape
    from tunesmith.nn.devices import device

    try:
        tensors = load_file(folder / "cell.safetensors")
        shape = CellShape(**{**told, "widths": tuple(told["widths"])})
        if shape.depth > len(tensors):
            raise ValueError(f"it tells of {shape.depth} layers")
        with torch.device("meta"):
            cell = Cell(shape)
        state = {name: torch.from_numpy(value) for name, value in tensors.items()}
        cell.load_state_dict(state, assign=True)
    except (RuntimeError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise WeightsError(
            f"{folder} holds weights of a cell that do not fit it: {error}"
        ) from error
    return cell.requires_grad_(False).to(device()).eval()
