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
from tunesmith.learners._frozen_model import FrozenModel, reopened
from tunesmith.learners._insight import Insight, answered

if TYPE_CHECKING:
    import torch

    from tunesmith.nn.cells import Cell

ANSWERED = 4096
"""Rows that are answered at once."""


@dataclass(frozen=True)
class CellModel(FrozenModel):
    """Encoder → the vectors of `readout`, other columns beside them → cell."""

    cell: Cell
    mean: float = 0.0
    scale: float = 1.0
    found: Mapping[str, Any] | None = None
    """What the valid rows and the search settled, as fields of the config."""

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
        vectors, places = self.read(data)
        return np.concatenate([vectors[places], self.inputs.dense(data)], axis=1)

    def architecture(self) -> Architecture:
        return cell_form(self.backbone, self.encoder, self.readout, self.cell)

    def insight(self, data: Dataset) -> Insight:
        import torch

        def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
            logits = self.cell(torch.cat([features[0], dense], dim=1), dense[:, :0])[:, 0]
            return answered(
                logits, self.classes, several=self.several, mean=self.mean, scale=self.scale
            )

        return self.looked_into(data, answer)

    def redrawn(self, seed: int) -> CellModel:
        from tunesmith.nn.redraw import redrawn

        return replace(self, cell=redrawn(self.cell, [self.cell], seed))

    def settled(self) -> dict[str, Any]:
        return dict(self.found or {})

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        own = {
            "cell": asdict(self.cell.shape),
            "mean": self.mean,
            "scale": self.scale,
            "settled": self.settled(),
        }
        write_json(folder / "model.json", {**self.told(), **own})
        self.save_encoder(folder)
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
        saved = read_json(folder / "model.json")
        return CellModel(
            **reopened(folder, saved),
            cell=_restored_cell(folder, saved["cell"]),
            mean=saved["mean"],
            scale=saved["scale"],
            found=saved["settled"],
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
