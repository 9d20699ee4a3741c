"""Target cells that hold several labels: as lists, with a delimiter between, or in 0/1 columns."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.multilabel import LabelForm, packed
from tunesmith.core.records import Column, Dataset
from tunesmith.data.cells import written

DELIMITERS = (";", "|", ",")
"""Looked for in this order. The comma also stands inside names, and must show more."""
LEAST_SEVERAL = 0.05
"""Share of the cells that must hold several labels."""
SHARED, MOVING = 0.8, 0.4
"""Share of the labels put together that must stand in several different cells; and, of a comma,
that must stand both first and after another."""
MOST_LETTERS, MOST_WORDS = 60, 6
"""Of a label that stands with others: more is a sentence."""
ADJACENT = re.compile(r"""(['"])\s+(['"])""")
FLAGS: Mapping[str, int] = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}


def as_list(cell: str) -> tuple[str, ...] | None:
    """The labels of a cell that is written as a list, in JSON or as Python does; None where it is
    no list of words and numbers."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if ADJACENT.search(text):  # an array of numpy's, whose words would run together
            return None
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if not isinstance(found, list) or any(isinstance(one, list | dict | tuple) for one in found):
        return None
    return tuple(word for one in found if (word := written(one)) is not None and word.strip())


def labels_in(cell: str, form: LabelForm) -> tuple[str, ...]:
    """The labels of a cell: of a list, parted by the delimiter, or the cell itself."""
    listed = as_list(cell)
    if listed is not None:
        return tuple(label.strip() for label in listed)
    if not form.delimiter:
        return (cell.strip(),)
    return tuple(part.strip() for part in cell.split(form.delimiter) if part.strip())


def recognised(values: NDArray[Any]) -> tuple[LabelForm | None, str]:
    """How the cells of a column of words hold several labels each, with the reason; None where they
    hold one, and then why they do although some look otherwise: empty where none does."""
    counts = Counter(value for value in values if value is not None)
    lists = [cell for cell in counts if as_list(cell) is not None]
    if counts and len(lists) == len(counts):
        return LabelForm(), f"every one of the {counts.total():,} cells is a list"
    if any(as_list(cell) for cell in lists):  # an empty one also stands for no label among words
        return None, (
            f"{len(lists):,} of the {len(counts):,} different cells are lists, and others are not"
        )
    why_not = ""
    for delimiter in DELIMITERS:
        wrong, told = _judged(delimiter, counts)
        if told and not wrong:
            return LabelForm(delimiter), told
        why_not = why_not or wrong
    return None, why_not


def forced(values: NDArray[Any]) -> LabelForm:
    """How cells are to be taken that are said to hold several labels: as lists where one is, else
    by the delimiter that most of them hold; each as one label where none does."""
    counts = Counter(value for value in values if value is not None)
    if any(as_list(cell) is not None for cell in counts):
        return LabelForm()
    times = {one: sum(count for cell, count in counts.items() if one in cell) for one in DELIMITERS}
    best = max(DELIMITERS, key=lambda one: times[one])
    return LabelForm(best if times[best] else "")


def _judged(delimiter: str, counts: Counter[str]) -> tuple[str, str]:
    """Why cells do not hold labels with this delimiter between them, and what speaks for it; both
    empty where it does not stand in them."""
    parts = {cell: labels_in(cell, LabelForm(delimiter)) for cell in counts}
    many = {cell: found for cell, found in parts.items() if len(found) > 1}
    if not many:
        return "", ""
    rows, every = sum(counts[cell] for cell in many), counts.total()
    labels = {label for found in parts.values() for label in found}
    told = (
        f"{rows:,} of the {every:,} cells have {delimiter!r} between words, and {len(labels):,} "
        f"labels make up {len(counts):,} different cells"
    )
    joined = {label for found in many.values() for label in found}
    shared = Counter(label for found in parts.values() for label in set(found))
    wrong = ""
    if rows < LEAST_SEVERAL * every:
        wrong = "too few cells do"
    elif any(len(one) > MOST_LETTERS or len(one.split()) > MOST_WORDS for one in joined):
        wrong = "what stands between them is too long for labels"
    elif len(labels) > len(counts) or (delimiter == "," and len(labels) == len(counts)):
        wrong = "so few are not put together anew"
    elif sum(shared[label] > 1 for label in joined) < SHARED * len(joined):
        wrong = "most stand in one kind of cell alone"
    elif delimiter == "," and not _moves(parts, joined):
        wrong = "each has its own place in the cells, as in a name"
    if wrong:
        return f"{told}: {wrong}", told
    return "", told


def _moves(parts: Mapping[str, Sequence[str]], joined: set[str]) -> bool:
    """Whether cells have unlike numbers of labels, and many labels stand first here and later
    there, as no part of a name does."""
    if len({len(found) for found in parts.values()}) == 1:
        return False
    first = {found[0] for found in parts.values() if found}
    later = {label for found in parts.values() for label in found[1:]}
    return len(first & later) >= MOVING * len(joined)


def with_labels(data: Dataset, target: str, form: LabelForm) -> Dataset:
    """The same rows with the target's cells as packed lists of labels, None where they are empty.
    What a source writes as numbers is a label as it stands."""
    values = data.values(target)
    known: dict[Any, str] = {}
    cells = np.full(len(values), None, dtype=object)
    for row, value in enumerate(values):
        word = written(float(value)) if isinstance(value, float | np.floating) else value
        if word is not None:
            if word not in known:
                known[word] = packed(labels_in(str(word), form))
            cells[row] = known[word]
    columns = tuple(
        Column(target, "category", c.reason) if c.name == target else c for c in data.columns
    )
    return Dataset(data.source, columns, {**data.cells, target: cells}, data.lines, data.bad)


def joined(data: Dataset, names: Sequence[str]) -> tuple[Dataset, str]:
    """Columns of 0 and 1 as one column of packed labels, which are the columns' names, in their
    place; and the name of it. A row with an empty cell among them has no labels known.

    Raises:
        DataError: There is no such column, or a cell is something else.
    """
    flags = [_flags(data, name) for name in names]
    cells = np.full(len(data), None, dtype=object)
    for row, found in enumerate(zip(*flags, strict=True)):
        if None not in found:
            cells[row] = packed(name for name, one in zip(names, found, strict=True) if one)
    target = ",".join(names)
    others = tuple(column for column in data.columns if column.name not in names)
    kept = {column.name: data.cells[column.name] for column in others}
    bad = tuple(cell for cell in data.bad if cell.column not in names)
    reason = f"0 and 1 in {len(names)} columns"
    columns = (*others, Column(target, "category", reason))
    return Dataset(data.source, columns, {**kept, target: cells}, data.lines, bad), target


def _flags(data: Dataset, name: str) -> list[int | None]:
    found: list[int | None] = []
    for row, value in enumerate(data.values(name)):
        word = written(float(value)) if isinstance(value, float | np.floating) else value
        flag = None if word is None else FLAGS.get(str(word).strip().casefold())
        if word is not None and flag is None:
            raise DataError(
                f"Line {data.lines[row]} of {data.source} has {str(word)[:40]!r} in the label "
                f"column {name!r}. Where several columns are the target each says whether its "
                "label is there: 1 or 0, true or false, yes or no."
            )
        found.append(flag)
    return found
