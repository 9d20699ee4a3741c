"""What was answered for the rows that prove, kept in the run folder for who reads of it later: the
report tells from it which rows went wrong, and how, without the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.predictions import ClassScores, Labels, Prediction, prediction_of
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import RunFolder, write_bytes
from tunesmith.core.seeds import generator
from tunesmith.report.facts import Answered

FILE = "tested.safetensors"
MOST_CELLS = 4_000_000
"""Rows times classes that are kept, 16 MB; of more rows a draw."""


def write_tested(folder: RunFolder, problem: Problem, answers: Prediction) -> None:
    """Keep truth, answers, weights and lines of the test part."""
    from safetensors.numpy import save

    rows = _kept(problem, answers)
    found, own = answers.take(rows), problem.weight("test")
    arrays = {
        "truth": problem.truth("test")[rows],
        "answers": found.array().astype(np.float32 if problem.classes else np.float64),
        "lines": problem.data.lines[problem.parts["test"]][rows],
    }
    if own is not None:
        arrays["row_weights"] = own[rows]
    if isinstance(found, ClassScores):
        arrays["codes"] = found.codes()
        if found.weights is not None:
            arrays["weights"] = np.asarray(found.weights, dtype=np.float64)
    if isinstance(found, Labels) and found.thresholds is not None:
        arrays["thresholds"] = np.asarray(found.thresholds, dtype=np.float64)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(folder.path / FILE, save(whole))


def _kept(problem: Problem, answers: Prediction) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    count = len(answers)
    most = max(1, MOST_CELLS // max(1, len(problem.classes)))
    if count <= most:
        return np.arange(count)
    return np.sort(generator(problem.seed, "tested").choice(count, most, replace=False))


def read_tested(folder: Path, classes: tuple[str, ...], *, several: bool) -> Answered | None:
    """What a run kept; None of a run of an earlier version, or of one that did not end.

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
        found = prediction_of(told["answers"].astype(np.float64), classes, several=several)
        own = told.get("weights")
        if isinstance(found, ClassScores) and own is not None:
            found = replace(found, weights=own if own.ndim == 2 else tuple(map(float, own)))
        least = told.get("thresholds")
        if isinstance(found, Labels) and least is not None:
            found = replace(found, thresholds=least if least.ndim == 2 else tuple(least.tolist()))
        return Answered(
            "test rows", told["truth"], found, told.get("row_weights"), told.get("codes")
        )
    except (OSError, KeyError, SafetensorError) as error:
        raise DataError(
            f"{file} cannot be understood: {type(error).__name__} {error}. Remove it, and the "
            "report does without."
        ) from error
