"""What the valid rows tell of answers, kept in the run folder so that another model of the run can
be calibrated later without the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.costs import Costs, RowCosts
from tunesmith.core.errors import DataError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import write_bytes
from tunesmith.evaluate.weighted import Weights, counts, taken

FILE = "validation.safetensors"


@dataclass(frozen=True)
class Validation:
    """The rows to learn by: their `places` in the valid part, and of each its truth (class code or
    number), weight and costs. Rows whose inputs also stand in train are left out, as they look
    surer than new ones are; where most are such rows, new ones will be too. So are those that do
    not count."""

    metric: str
    classes: tuple[str, ...]
    seed: int
    places: NDArray[np.int64]
    truth: NDArray[Any]
    weights: Weights
    costs: RowCosts | None

    @staticmethod
    def of(problem: Problem) -> Validation:
        own, rows = problem.weight("valid"), problem.parts["valid"]
        there, fresh = counts(own, len(rows)) > 0, ~np.isin(rows, problem.leaked)
        clean = np.flatnonzero(there & fresh if 2 * fresh.sum() >= len(fresh) else there)
        costs = problem.row_costs("valid")
        return Validation(
            problem.metric,
            problem.classes,
            problem.seed,
            clean,
            problem.truth("valid")[clean],
            taken(own, clean),
            None if costs is None else costs.take(clean),
        )

    def answered(self, prediction: Prediction) -> Prediction:
        """The answers for these rows out of those for the whole valid part."""
        found = prediction.take(self.places)
        return replace(found, costs=self.costs) if isinstance(found, ClassScores) else found

    def write(self, folder: Path) -> None:
        from safetensors.numpy import save

        tensors = {"seed": np.array([self.seed]), "places": self.places, "truth": self.truth}
        if self.weights is not None:
            tensors["weights"] = self.weights
        if self.costs is not None:
            tensors |= {f"amount.{i}": cells for i, (*_, cells) in enumerate(self.costs.amounts)}
        write_bytes(folder / FILE, save(tensors))

    @staticmethod
    def read(
        folder: Path, *, metric: str, classes: tuple[str, ...], costs: Costs | None
    ) -> Validation | None:
        """That of a run; None of a run of an earlier version, which kept none.

        Raises:
            DataError: The file cannot be understood.
        """
        file = folder / FILE
        if not file.is_file():
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            told = load(file.read_bytes())
            return Validation(
                metric,
                classes,
                int(told["seed"][0]),
                told["places"],
                told["truth"],
                told.get("weights"),
                None if costs is None else _priced(costs, told),
            )
        except (OSError, KeyError, SafetensorError) as error:
            raise DataError(
                f"{file} cannot be understood: {type(error).__name__} {error}. Go on with the run, "
                f"which writes it again: tunesmith resume {folder}"
            ) from error


def _priced(costs: Costs, told: dict[str, NDArray[np.float64]]) -> RowCosts:
    amounts = (
        (true, answer, told[f"amount.{i}"]) for i, (true, answer, *_) in enumerate(costs.amounts)
    )
    return RowCosts(np.array(costs.fixed, dtype=np.float64), tuple(amounts))
