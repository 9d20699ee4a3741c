"""What a user says of costs and row weights, read against the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.costs import Costs
from tunesmith.core.errors import ConfigError, DataError, did_you_mean
from tunesmith.core.records import Dataset, Rows
from tunesmith.data.read import read
from tunesmith.tasks.classification import label_of

ANY = "*"
EXAMPLE = '{"good": {"bad": 5}, "bad": {"good": 1}}'
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TERMS = (
    re.compile(rf"(?P<factor>{NUMBER})\s*\*\s*(?P<column>.+)"),
    re.compile(rf"(?P<column>.+?)\s*\*\s*(?P<factor>{NUMBER})"),
    re.compile(r"(?P<factor>-)\s*(?P<column>.+)"),
)


def read_costs(spec: Any, classes: Sequence[str], names: Sequence[str]) -> Costs:
    """Costs as a user writes them: by true label, then by answer, `"*"` for every label that is not
    named (right answers cost nothing unless they are); or the rows of a square matrix, in the order
    of the classes. A cost is a number, the name of a column of amounts, or a number times a column.

    Raises:
        ConfigError: A label, a column or the shape is wrong, or a wrong answer has no cost.
    """
    if not classes:
        raise ConfigError("Costs are for classes; this target holds numbers. Leave costs away.")
    cells = _cells(spec, tuple(classes))
    count = len(classes)
    fixed, amounts = np.zeros((count, count)), []
    for (true, answer), cell in cells.items():
        value = _cost(cell, names, f"{classes[true]!r} answered {classes[answer]!r}")
        if isinstance(value, float):
            fixed[true, answer] = value
        else:
            amounts.append((true, answer, *value))
    if not amounts and not np.ptp(fixed, axis=1).any():
        raise ConfigError(
            "For each true label all answers cost the same: no answer is better than another. "
            f"Write for example {EXAMPLE}."
        )
    return Costs(tuple(map(tuple, fixed.tolist())), tuple(amounts))


def _cells(spec: Any, classes: tuple[str, ...]) -> dict[tuple[int, int], Any]:
    """What is written for each true class and answer."""
    count = len(classes)
    if isinstance(spec, Mapping):
        table = {true: _labels(spec[key], classes) for key, true in _named(spec, classes).items()}
        found = {}
        for true in range(count):
            for answer in range(count):
                ways = [(true, answer)] if true == answer else _ways(true, answer)
                known = [table[t][a] for t, a in ways if a in table.get(t, {})]
                if known:
                    found[true, answer] = known[0]
                elif true != answer:
                    raise ConfigError(
                        f"The costs do not say what it costs to answer {classes[answer]!r} where "
                        f"{classes[true]!r} is true. Write it, 0 if it costs nothing, or give "
                        f'{ANY!r} for all that are not named, such as {{"*": {{"*": 1}}}}.'
                    )
        return found
    rows = spec.tolist() if isinstance(spec, np.ndarray) else spec
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        raise ConfigError(f"Costs cannot be read from {spec!r}. Write for example {EXAMPLE}.")
    widths = [len(row) if isinstance(row, list | tuple) else 0 for row in rows]
    if widths != [count] * count:
        raise ConfigError(
            f"A matrix of costs has a row for each of the {count} labels ({_told(classes)}) and a "
            f"number for each in it; this one has {len(rows)} rows of {widths} numbers."
        )
    return {(t, a): rows[t][a] for t in range(count) for a in range(count)}


def _ways(true: int, answer: int) -> list[tuple[int, int]]:
    return [(true, answer), (true, -1), (-1, answer), (-1, -1)]


def _labels(row: Any, classes: tuple[str, ...]) -> dict[int, Any]:
    if not isinstance(row, Mapping):
        raise ConfigError(
            f"Costs are given by true label, then by answer; {row!r} is no table of answers. "
            f"Write for example {EXAMPLE}."
        )
    return {code: row[key] for key, code in _named(row, classes).items()}


def _named(table: Mapping[Any, Any], classes: tuple[str, ...]) -> dict[Any, int]:
    """The class of each key, -1 for any other."""
    found = {}
    for key in table:
        label = label_of(key)
        if label != ANY and label not in classes:
            raise ConfigError(
                f"The costs name a label {label!r} that the target does not hold."
                f"{did_you_mean(str(label), classes)}"
            )
        found[key] = -1 if label == ANY and ANY not in classes else classes.index(str(label))
    return found


def _cost(cell: Any, names: Sequence[str], where: str) -> float | tuple[float, str]:
    """A number, or a factor and the column that it is times."""
    if isinstance(cell, str):
        text = cell.strip()
        if re.fullmatch(NUMBER, text):
            return float(text)
        if text in names:
            return 1.0, text
        for term in TERMS:
            found = term.fullmatch(text)
            if found and found["column"].strip() in names:
                factor = -1.0 if found["factor"] == "-" else float(found["factor"])
                return factor, found["column"].strip()
        raise ConfigError(
            f"The cost of {where}, {cell!r}, is neither a number nor a column nor a number times "
            f"a column, such as 0.5 * amount.{did_you_mean(text, names)}"
        )
    is_number = isinstance(cell, int | float | np.number) and not isinstance(cell, bool)
    if not is_number or not np.isfinite(cell):
        raise ConfigError(f"The cost of {where} must be a finite number or a column, not {cell!r}.")
    return float(cell)


def _told(classes: Sequence[str]) -> str:
    return ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")


def with_numbers(data: Dataset, names: Sequence[str], target: str, option: str) -> Dataset:
    """The data with these columns as numbers, whatever they were taken for.

    Raises:
        ConfigError: There is none of that name, or it is the target.
        DataError: It holds no numbers.
    """
    for name in names:
        if data.column(name).name == target:
            raise ConfigError(f"{option} {name!r} is the target. Name another column.")
    wrong = {name: "number" for name in names if data.column(name).kind != "number"}
    if not wrong:
        return data
    try:
        return read(data, kinds=wrong)  # type: ignore[arg-type]
    except ConfigError as error:
        raise DataError(
            f"{option}: no cell of {' or '.join(map(repr, wrong))} of {data.source} is a number."
        ) from error


def read_weights(data: Dataset, name: str, parts: Mapping[Any, Rows]) -> NDArray[np.float64]:
    """The weights of the rows in units of their mean over the rows that are used, shape (rows,).

    Raises:
        DataError: One is missing, below zero or infinite, or a part has none above zero.
    """
    values = np.asarray(data.values(name), dtype=np.float64)
    used = np.sort(np.concatenate([np.unique(rows) for rows in parts.values()]))
    bad = used[~((values[used] >= 0) & np.isfinite(values[used]))]
    if len(bad):
        first = values[bad[0]]
        what = "no number" if np.isnan(first) else f"{first:g}"
        raise DataError(
            f"{data.source}, line {data.lines[bad[0]]}, column {name!r}: {what}, where a row needs "
            f"a weight of 0 or more ({len(bad):,} of {len(used):,} rows are so)."
        )
    for part, rows in parts.items():
        if not values[rows].any():
            raise DataError(
                f"All {len(rows):,} rows of {data.source} that fall into the {part} part have "
                f"weight 0 in column {name!r}: nothing counts there."
            )
    mean = float(values[used].mean())
    return np.asarray(np.where(np.isnan(values), 0.0, values) / mean)
