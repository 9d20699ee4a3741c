"""Where a model errs on labelled rows: its answers looked at by sorts of rows, by labels and one by
one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.multilabel import unpacked
from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values
from tunesmith.core.printable import printable
from tunesmith.core.records import Column, Dataset
from tunesmith.core.runfolder import read_json
from tunesmith.core.seeds import generator
from tunesmith.data.pictures import DATA_URI
from tunesmith.evaluate import mistakes
from tunesmith.evaluate.conditions import conditions
from tunesmith.evaluate.mistakes import RowLosses, losses_of
from tunesmith.evaluate.properties import properties
from tunesmith.evaluate.slices import FEWEST_ROWS, Losses, Slices, fewest_rows, find_slices
from tunesmith.evaluate.suspects import suspects
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.suspecting import FILE as SUSPECTS
from tunesmith.predictor.errors import Errors, RowError
from tunesmith.predictor.labelled import Labelled
from tunesmith.predictor.uncertainty import uncertainty

MOST_ROWS = 20_000
"""In which slices are looked for; drawn of more."""
MOST_LETTERS = 160
"""Of a row as it is shown."""
MOST_LISTED = 20
MOST_PAIRS = 30
NONE = "(none)"


def errors_of(
    model: Model, told: Labelled, found: Prediction, *, folder: Path, most: int, seed: int
) -> Errors:
    """Where a model errs on labelled rows.

    Args:
        found: Its answers for these rows.
        folder: Of the run, which may hold a list of suspect rows.
        most: Slices that are told at most.

    Raises:
        ConfigError: `most` is below one.
        DataError: There is no row.
    """
    if most < 1:
        raise ConfigError(f"most={most} slices cannot be told. Give 1 or more.")
    if not len(told.rows):
        raise DataError(f"No row of {told.rows.source} has a label; errors need labels.")
    losses = losses_of(told.truth, found)
    notes: list[str] = []
    slices = _slices(model, told, losses, most, seed, notes)
    unsure, how = uncertainty(model, told.rows, found)
    rows = _Rows(model, told, found, losses, unsure)
    lines, truth = told.rows.lines, told.truth
    if isinstance(found, Labels):
        notes.append(
            "a pair of label and answer needs one label a row; 'labels' tells how often each of "
            "several is missed or added"
        )
    if unsure is None:
        notes.append("one model alone answers with numbers: nothing tells how sure it is of a row")
    else:
        notes.append(f"uncertainty is {how}")
    return Errors(
        source=told.rows.source,
        rows=len(told.rows),
        measure=losses.name,
        error=float(losses.losses.values.mean()),
        second_measure=losses.second_name,
        second=_mean(losses.losses.second),
        slices=slices.each,
        looked_at=slices.looked_at,
        pairs=mistakes.pairs(truth, found, lines, MOST_PAIRS)
        if isinstance(found, ClassScores)
        else (),
        deciles=mistakes.deciles(truth, found.values, lines) if isinstance(found, Values) else (),
        labels=mistakes.labels(truth, found) if isinstance(found, Labels) else (),
        worst=rows.worst(MOST_LISTED),
        uncertain=rows.uncertain(MOST_LISTED),
        suspects=_suspects(folder),
        notes=tuple(notes),
    )


def _mean(values: NDArray[np.float64] | None) -> float:
    return float("nan") if values is None else float(values.mean())


def _slices(
    model: Model, told: Labelled, losses: RowLosses, most: int, seed: int, notes: list[str]
) -> Slices:
    rows, loss = told.rows, losses.losses
    if len(rows) < FEWEST_ROWS:
        notes.append(f"slices are looked for in {FEWEST_ROWS} labelled rows or more")
        return Slices((), 0, 0)
    if len(rows) > MOST_ROWS:
        chosen = np.sort(generator(seed, "errors").permutation(len(rows))[:MOST_ROWS])
        rows = rows.take(chosen)
        second = None if loss.second is None else loss.second[chosen]
        loss = Losses(loss.values[chosen], loss.is_binary, second)
        notes.append(f"slices were looked for in {MOST_ROWS:,} of the {len(told.rows):,} rows")
    fewest = fewest_rows(len(rows))
    known = conditions(properties(rows, model.inputs, seed=seed), len(rows), fewest)
    return find_slices(known, loss, rows.lines, fewest=fewest, most=most, seed=seed)


def _suspects(folder: Path) -> int | None:
    file = folder / SUSPECTS
    if not file.is_file():
        return None
    try:
        return int(read_json(file)["flagged"])
    except (DataError, KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class _Rows:
    """Labelled rows with what was answered for them."""

    model: Model
    told: Labelled
    found: Prediction
    losses: RowLosses
    unsure: NDArray[np.float64] | None

    def worst(self, most: int) -> tuple[RowError, ...]:
        """The rows that lose most: of classes the wrong ones whose label is least probable."""
        loss = self._rank()
        chosen = np.argsort(-loss, kind="stable")[:most]
        return self._named(row for row in chosen if loss[row] > 0)

    def uncertain(self, most: int) -> tuple[RowError, ...]:
        """The rows of which the model is least sure."""
        if self.unsure is None:
            return ()
        return self._named(np.argsort(-self.unsure, kind="stable")[:most])

    def _rank(self) -> NDArray[np.float64]:
        """By what rows are the worst: of classes by how improbable the label is, where the answer
        is wrong; by what the answer costs, where answers have costs; else by the loss."""
        losses = self.losses.losses
        if losses.is_binary and losses.second is not None:
            return np.where(losses.values > 0, losses.second, 0.0)
        return losses.values

    def _named(self, rows: Iterable[int]) -> tuple[RowError, ...]:
        flagged = self._suspect()
        loss = self._loss()
        return tuple(self._one(int(row), loss, flagged) for row in rows)

    def _loss(self) -> NDArray[np.float64]:
        losses = self.losses.losses
        return losses.second if losses.is_binary and losses.second is not None else losses.values

    def _suspect(self) -> NDArray[np.bool_]:
        if isinstance(self.found, Labels):
            return np.zeros(len(self.found), dtype=bool)
        return suspects(self.told.truth, self.found).flagged

    def _one(self, row: int, loss: NDArray[np.float64], flagged: NDArray[np.bool_]) -> RowError:
        data, answer = self.told.rows, said(self.found, row)
        cell = data.values(self.model.target)[row]
        truth = _several(unpacked(cell)) if isinstance(self.found, Labels) else cell
        own = chosen = None
        if isinstance(self.found, ClassScores):
            code = int(self.told.truth[row])
            chosen = float(
                self.found.probabilities[row, self.found.take(np.array([row])).codes()[0]]
            )
            own = float(self.found.probabilities[row, code]) if code >= 0 else 0.0
        return RowError(
            int(data.lines[row]),
            shown(data, self.model.inputs, row),
            float(truth) if isinstance(self.found, Values) else printable(str(truth), MOST_LETTERS),
            answer,
            float(loss[row]),
            None if self.unsure is None else float(self.unsure[row]),
            chosen,
            own,
            bool(flagged[row]),
        )


def said(found: Prediction, row: int) -> str | float:
    """The answer of a row."""
    one = found.take(np.array([row])).decode()[0]
    if isinstance(found, Values):
        return float(one)
    return printable(_several(one) if isinstance(found, Labels) else str(one), MOST_LETTERS)


def _several(each: Sequence[str]) -> str:
    return ", ".join(map(str, each)) or NONE


def shown(data: Dataset, columns: Sequence[Column], row: int) -> str:
    """What a person sees of a row: its texts and the places of its pictures, else its cells."""
    contents = [column for column in columns if column.kind in ("text", "image")]
    several = len(contents) > 1
    told = []
    for column in contents or columns:
        cell = data.values(column.name)[row]
        text = _cell(cell)
        if text is not None:
            told.append(f"{column.name}: {text}" if several or not contents else text)
    return printable("; ".join(told), MOST_LETTERS)


def _cell(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value).removesuffix("T00:00:00")
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return "a picture without a file" if text.startswith(DATA_URI) else text
