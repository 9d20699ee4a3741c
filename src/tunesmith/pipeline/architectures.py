"""The architecture of a model in its folder: as JSON, with what was measured, and drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from tunesmith.core.architecture import Architecture, Measured
from tunesmith.core.contracts import Fitted
from tunesmith.core.records import Result
from tunesmith.core.runfolder import read_json, write_bytes, write_json
from tunesmith.report.architecture import svg

FILE, DRAWING = "architecture.json", "architecture.svg"


def write(folder: Path, fitted: Fitted, measured: Measured) -> None:
    """Put that of a model into its folder; nothing where it tells none."""
    found = fitted.architecture()
    if found is not None:
        write_json(folder / FILE, found.with_measured(measured).to_dict())


def measured_of(result: Result) -> Measured:
    """What was measured of the model of a trial, but for the number of its weights."""
    value = result.score
    return Measured(
        None,
        1000 * result.predict_seconds,
        result.memory_bytes / 1e6 if result.memory_bytes else None,
        None if value is None or math.isnan(value.value) else value.value,
        "" if value is None else value.metric,
    )


def read(folder: Path) -> Architecture | None:
    """That of the model of a folder, or of the first of its folds; None where it tells none.

    Raises:
        DataError: The file cannot be read.
        ConfigError: It holds no architecture.
    """
    file = folder / FILE
    return Architecture.from_dict(read_json(file)) if file.is_file() else None


def hand_on(folder: Path, to: Path) -> None:
    """Put that of the model of a folder, and its drawing, into another folder too."""
    write_heaviest(to, [(folder, 1.0)])


def write_heaviest(folder: Path, members: Sequence[tuple[Path, float]]) -> None:
    """Put that of the member that counts most, of those that tell one, into the folder of a model,
    and its drawing beside it."""
    found = [(weight, one) for place, weight in members if (one := read(place)) is not None]
    if not found:
        return
    _, chosen = max(found, key=lambda pair: pair[0])
    write_json(folder / FILE, chosen.to_dict())
    write_bytes(folder / DRAWING, svg(chosen).encode())
