"""What a report says beyond the answers: which sorts of rows go wrong, and why answers are so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.errors import TunesmithError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Part
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.reframed import reframed
from tunesmith.pipeline.request import Request
from tunesmith.predictor.analysis import errors_of
from tunesmith.predictor.errors import Errors
from tunesmith.predictor.explaining import explain_rows
from tunesmith.predictor.labelled import Labelled
from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Cell, Section, Words, table

ROWS, FEWEST_ROWS = 16, 4
"""Explained, spread evenly over the rows: so many where there is time, and at least."""
EACH_ASKED = 200
"""Answers that the explanation of a row takes at least, of a text or a picture."""
EXPLAIN_SHARE = 0.8
MOST_ANSWERED = 1_000
"""Rows that are answered anew for the slices, where the run left no answers."""
WHY = "A mean hides who is served badly: these sorts of rows are answered worse than the others."


@dataclass(frozen=True)
class Known:
    """Labelled rows that the model has not learned from, and its answers where they are at hand."""

    told: Labelled
    answers: Prediction | None = None


def known_rows(folder: Path, facts: Facts) -> Known:
    """The rows of a run that proved its model, else those that selected, read again from its data.

    Raises:
        TunesmithError: The data is not where it was, or not as it was.
    """
    problem = reframed(folder, Request.read(folder), None, call="report", purpose="rows to look at")
    part: Part = "test" if len(problem.parts["test"]) else "valid"
    rows = problem.part(part)
    told = Labelled(rows, np.arange(len(rows)), rows, problem.truth(part))
    answers = facts.tested.prediction if facts.tested and part == "test" else None
    return Known(told, answers if answers is not None and len(answers) == len(rows) else None)


def with_insight(
    facts: Facts, model: Model, known: Known, *, seconds: float, seed: int = 0
) -> Facts:
    """The facts with explained rows and slices, in about so many seconds; what cannot be had is
    left out."""
    explained = slices = None
    unexplained: list[str] = []
    rows = known.told.rows
    inputs = rows.with_columns([column.name for column in model.inputs])
    try:
        count = min(_affordable(model, inputs, EXPLAIN_SHARE * seconds), len(rows))
        places = np.unique(np.linspace(0, len(rows) - 1, count).astype(np.int64))
        explained = explain_rows(
            model,
            inputs.take(places),
            places=places.tolist(),
            seconds=EXPLAIN_SHARE * seconds / len(places),
            seed=seed,
        )
    except TunesmithError as error:  # such as pictures that cannot be read any more
        unexplained.append(f"No row could be explained: {error}")
    try:
        slices = _section(_errors(facts, model, known, inputs, seed))
    except TunesmithError as error:
        unexplained.append(f"No sorts of rows could be looked for: {error}")
        slices = None
    return replace(facts, explained=explained, slices=slices, unexplained=" ".join(unexplained))


def _affordable(model: Model, inputs: Dataset, seconds: float) -> int:
    """How many rows can be explained in so many seconds, by what answers take."""
    some = inputs.take(np.arange(min(ROWS, len(inputs))))
    model.predict(some)  # what is loaded at first is not counted
    clock = Clock()
    model.predict(some)
    each = clock.elapsed() / len(some)
    return int(np.clip(seconds / max(EACH_ASKED * each, 1e-9), FEWEST_ROWS, ROWS))


def _errors(facts: Facts, model: Model, known: Known, inputs: Dataset, seed: int) -> Errors:
    told, answers = known.told, known.answers
    if answers is None:
        count = len(told.rows)
        some = np.unique(np.linspace(0, count - 1, min(count, MOST_ANSWERED)).astype(np.int64))
        told = Labelled(told.all_rows, some, told.rows.take(some), told.truth[some])
        answers = model.decide(told.rows, model.predict(inputs.take(some)))
    return errors_of(model, told, answers, folder=facts.folder, most=10, seed=seed)


def _section(found: Errors) -> Section | None:
    if not found.looked_at:
        return None
    if found.slices:
        said = (
            f"Of {found.looked_at:,} sorts of rows looked at, those below have a larger "
            f"{found.measure}; figures are of rows that had no say in choosing them, intervals "
            "hold for all of them together."
        )
    else:
        said = (
            f"There is no sort of rows whose {found.measure} is surely larger than that of the "
            f"others (of {found.looked_at:,} looked at)."
        )
    blocks: list[Block] = [Words(said)]
    if found.slices:
        heads = {
            "rows that": None,
            found.measure: 4,
            "of the others": 4,
            "gap at least": 4,
            "rows": None,
        }
        lines: list[list[Cell]] = [
            [one.name, one.error, one.rest_error, one.gap_low, one.rows] for one in found.slices
        ]
        blocks.append(table("Sorts of rows that go wrong", heads, lines))
    if found.worst:
        heads = {"line": None, "label": None, "answer": None, "row": None}
        worst: list[list[Cell]] = [
            [one.line, str(one.truth), str(one.answer), one.row] for one in found.worst[:10]
        ]
        blocks.append(table("The worst single rows", heads, worst))
    return Section("slices", "Where it goes wrong", WHY, tuple(blocks))
