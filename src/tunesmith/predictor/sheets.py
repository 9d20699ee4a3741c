"""Which answers a contact sheet shows, and in which order: the surest wrong ones first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.multilabel import unpacked
from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values
from tunesmith.core.records import Dataset
from tunesmith.pipeline.artifact import Model
from tunesmith.predictor.labelled import has_labels, labelled
from tunesmith.predictor.rows import rows_of
from tunesmith.report.sheet import Mark, Section, Tile

NONE = "(none)"
"""Of a row without any of several labels."""
MOST = 1_000
"""Pictures of one sheet."""


def sections_of(model: Model, data: Any, most: int) -> tuple[str, list[Section]]:
    """The heading and the sections of a sheet of a model's answers.

    Raises:
        ConfigError: The model reads no pictures, or so many cannot be shown.
        DataError: The rows cannot be used.
    """
    columns = [column.name for column in model.inputs if column.kind == "image"]
    if not columns:
        raise ConfigError("This model reads no pictures; a sheet shows answers for pictures.")
    if not 1 <= most <= MOST:
        raise ConfigError(f"A sheet shows 1 to {MOST:,} pictures, not {most:,}.")
    if not has_labels(model, data):
        rows = rows_of(model, data)
        found = model.decide(rows, model.predict(rows))
        chosen, cells = _spread(np.arange(len(rows)), most), rows.values(columns[0])
        tiles = tuple(Tile(cells[row], (_said(found, row),)) for row in chosen)
        told = f"{len(tiles):,} of {len(rows):,}, in their order"
        return f"Answers for {len(rows):,} pictures", [Section(told, tiles)]
    known = labelled(model, data)
    found = model.decide(known.rows, model.predict(known.rows))
    return _compared(model, known.rows, known.truth, found, columns[0], most)


def _compared(
    model: Model, rows: Dataset, truth: NDArray[Any], found: Prediction, column: str, most: int
) -> tuple[str, list[Section]]:
    """The heading and the sections of labelled rows."""
    cells = rows.values(column)
    several = isinstance(found, Labels)
    labels = [_label(cell, several) for cell in rows.values(model.target).tolist()]

    def section(title: str, chosen: NDArray[np.int64], mark: Mark = "") -> Section:
        lines = ((("is " + labels[row], ""), _said(found, row, "said ")) for row in chosen)
        tiles = (Tile(cells[row], line, mark) for row, line in zip(chosen, lines, strict=True))
        return Section(title, tuple(tiles), mark)

    if isinstance(found, Values):
        order = np.argsort(-np.abs(found.values - truth), kind="stable")[:most]
        return f"{len(rows):,} pictures", [section("The furthest off first", order)]
    is_right, sure = _judged(found, truth)
    order = np.argsort(-sure, kind="stable")
    wrong, right = order[~is_right[order]], order[is_right[order]]
    room = most - min(len(right), most // 2)
    bad = wrong[:room]
    good = _spread(right, most - len(bad))
    sections = []
    if len(bad):
        sections.append(
            section(f"Wrong: {len(bad):,} of {len(wrong):,}, the surest first", bad, "wrong")
        )
    if len(good):
        told = f"Right: {len(good):,} of {len(right):,}, from the surest to the least sure"
        sections.append(section(told, good, "right"))
    share = f"{100 * len(right) / len(rows):.1f} % right"
    return f"{len(rows):,} pictures, {share}", sections


def _judged(
    found: ClassScores | Labels, truth: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which rows are answered right, and how sure each answer is; of several labels a row all of
    them, and the least sure of them."""
    if isinstance(found, ClassScores):
        codes = found.codes()
        return codes == truth, found.probabilities[np.arange(len(found)), codes]
    chosen, count = found.chosen(), len(found.classes)
    is_right = (chosen == truth[:, :count]).all(axis=1) & ~truth[:, count:].any(axis=1)
    return is_right, np.where(chosen, found.probabilities, 1 - found.probabilities).min(axis=1)


def _label(cell: Any, several: bool) -> str:
    if several:
        return ", ".join(unpacked(cell)) or NONE
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _said(found: Prediction, row: int, before: str = "") -> tuple[str, str]:
    """The answer of a row, and its probability."""
    one = found.take(np.array([row]))
    if isinstance(one, Values):
        return f"{before}{one.values[0]:.4g}", ""
    if isinstance(one, Labels):
        return before + (", ".join(one.decode()[0]) or NONE), ""
    code = int(one.codes()[0])
    return before + one.classes[code], f" {one.probabilities[0, code]:.2f}"


def _spread(rows: Sequence[int] | NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """So many of the rows at most, evenly from the first to the last."""
    every = np.asarray(rows, dtype=np.int64)
    if len(every) <= most:
        return every
    return every[np.linspace(0, len(every) - 1, most).round().astype(np.int64)]
