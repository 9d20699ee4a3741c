"""Scores by group, and how far groups lie apart, each with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.seeds import generator
from tunesmith.evaluate.weighted import Weights, counting, counts, mean, taken

RESAMPLES, FEWEST_RESAMPLES = 400, 60
MOST_WORK = 4_000_000
"""Rows times resamples: beyond that fewer of them."""
FEWEST = 30
"""Rows of a group, and of each class in it for a rate, from which it can be told."""
FEWEST_OF_CLASS = 10
MOST_GROUPS = 20
OTHER = "(other)"
MISSING = "(missing)"

Rates = Mapping[str, float]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Ranged:
    """A number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """The rows of one group. `is_small`: too few to tell; it has no say in the gaps."""

    name: str
    rows: int
    is_small: bool
    metrics: Mapping[str, Ranged]


@dataclass(frozen=True)
class Fairness:
    """Of one column: its groups, and the gaps between those that are large enough, by name.

    `positive` is the label whose choice counts as selection; empty for numbers and several
    classes. Differences are largest minus smallest, ratios smallest over largest.

    Source: Hardt, Price & Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016
    (equalised odds); Feldman et al., "Certifying and Removing Disparate Impact", KDD 2015
    (demographic parity as a ratio).
    """

    column: str
    positive: str
    groups: tuple[Group, ...]
    gaps: Mapping[str, Ranged]

    def frame(self) -> Any:
        """A data frame: a line for each group with its rows, `too small` and each metric, and low
        and high of it."""
        import pandas as pd

        lines = []
        for group in self.groups:
            line: dict[str, Any] = {"group": group.name, "rows": group.rows}
            line["too small"] = group.is_small
            for key, one in group.metrics.items():
                line |= {key: one.value, f"{key} low": one.low, f"{key} high": one.high}
            lines.append(line)
        return pd.DataFrame(lines).set_index("group")

    def told(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        return asdict(self)


def fairness(
    column: str,
    cells: NDArray[Any],
    truth: NDArray[Any],
    prediction: Prediction,
    *,
    positive: str | None = None,
    seed: int = 0,
    weights: Weights = None,
) -> Fairness:
    """Scores by the cells of a column, and their gaps.

    Args:
        cells: Of the column, shape (rows,); numbers of many values are cut at their quartiles.
        truth: Class codes (-1 for a label the model does not know) or numbers, shape (rows,).
        positive: The label that counts as selected; of two classes the second by default.
        weights: How much each row counts; those that do not are left out.
    """
    there = counting(weights, len(truth))
    cells, truth, prediction = cells[there], truth[there], prediction.take(there)
    own = counts(taken(weights, there), len(truth))
    names, places = groups_of(cells)
    rates, chosen = _rates_of(truth, prediction, positive, own)
    rows = [np.flatnonzero(places == code) for code in range(len(names))]
    small = [_is_small(one, truth, prediction) for one in rows]
    plain = [rates(one) for one in rows]
    dice = generator(seed, "fairness", column)
    count = int(np.clip(MOST_WORK // max(1, len(truth)), FEWEST_RESAMPLES, RESAMPLES))
    drawn: list[list[Rates]] = [
        [rates(one[dice.integers(0, len(one), len(one))]) for one in rows] for _ in range(count)
    ]
    groups = tuple(
        Group(
            name,
            len(rows[code]),
            small[code],
            {
                key: _ranged(value, [draw[code][key] for draw in drawn])
                for key, value in plain[code].items()
            },
        )
        for code, name in enumerate(names)
    )
    large = [code for code, is_small in enumerate(small) if not is_small]
    if len(large) < 2:
        return Fairness(column, chosen, groups, {})
    value = gaps([plain[code] for code in large])
    found = [gaps([draw[code] for code in large]) for draw in drawn]
    told = {
        key: _ranged(one, [draw.get(key, np.nan) for draw in found]) for key, one in value.items()
    }
    return Fairness(column, chosen, groups, told)


def groups_of(cells: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the groups, and that of each row by its place; beyond twenty the rarest are one."""
    if cells.dtype.kind in "fM":
        texts = _of_numbers(cells)
    else:
        texts = np.array([MISSING if cell is None else str(cell) for cell in cells], dtype=object)
    names, places, counts = np.unique(texts.astype(str), return_inverse=True, return_counts=True)
    if len(names) <= MOST_GROUPS:
        return tuple(names.tolist()), places.astype(np.int64)
    kept = np.sort(np.argsort(-counts, kind="stable")[: MOST_GROUPS - 1])
    new = np.full(len(names), len(kept), dtype=np.int64)
    new[kept] = np.arange(len(kept))
    return (*(str(names[i]) for i in kept), OTHER), new[places]


def _of_numbers(cells: NDArray[Any]) -> NDArray[np.object_]:
    """Numbers and dates as texts: as they are where they are few, else by quarters of the rows."""
    is_date = cells.dtype.kind == "M"
    gone = np.isnat(cells) if is_date else np.isnan(cells)
    known = cells[~gone]
    found = np.full(len(cells), MISSING, dtype=object)

    def said(value: Any) -> str:
        return str(value.astype("datetime64[D]")) if is_date else f"{value:g}"

    levels = np.unique(known)
    if len(levels) <= 10:
        found[~gone] = [said(value) for value in known]
        return found
    edges = np.unique(np.sort(known)[(len(known) * np.array([0.25, 0.5, 0.75])).astype(int)])
    ends = [said(edge) for edge in edges]
    middle = [f"{a} to below {b}" for a, b in pairwise(ends)]
    names = np.array([f"below {ends[0]}", *middle, f"from {ends[-1]}"], dtype=object)
    found[~gone] = names[np.searchsorted(edges, known, side="right")]
    return found


def _is_small(rows: NDArray[np.int64], truth: NDArray[Any], prediction: Prediction) -> bool:
    if len(rows) < FEWEST:
        return True
    if not isinstance(prediction, ClassScores) or len(prediction.classes) != 2:
        return False
    counts = np.bincount(truth[rows][truth[rows] >= 0], minlength=2)
    return bool(counts.min() < FEWEST_OF_CLASS)


def _rates_of(
    truth: NDArray[Any], prediction: Prediction, positive: str | None, own: Numbers
) -> tuple[Callable[[NDArray[np.int64]], dict[str, float]], str]:
    """What is measured on some rows, and the label that counts as selected."""
    if isinstance(prediction, Labels):
        raise ConfigError("Scores by group are not built for several labels a row.")
    if not isinstance(prediction, ClassScores):
        residual = prediction.array() - truth
        answers = prediction.array()
        return lambda rows: of_numbers(residual[rows], answers[rows], own[rows]), ""
    codes, found = prediction.codes(), prediction.array()
    given = np.clip(found[np.arange(len(truth)), np.maximum(truth, 0)], 1e-9, 1.0)
    loss = np.where(truth >= 0, -np.log(given), -np.log(1e-9))
    right = codes == truth
    if len(prediction.classes) != 2 and positive is None:
        return lambda rows: {
            "accuracy": mean(right[rows], own[rows]),
            "log loss": mean(loss[rows], own[rows]),
        }, ""
    chosen = positive or prediction.classes[1]
    place = prediction.classes.index(chosen)
    is_chosen, is_positive = codes == place, truth == place
    marks, whole = found[:, place], right
    ranks = np.unique(marks, return_inverse=True)[1]

    def rates(rows: NDArray[np.int64]) -> dict[str, float]:
        return {
            **of_selection(is_chosen[rows], is_positive[rows], whole[rows], own[rows]),
            "mean score": mean(marks[rows], own[rows]),
            "AUC": _area(ranks[rows], is_positive[rows], own[rows]),
            "log loss": mean(loss[rows], own[rows]),
        }

    return rates, chosen


def of_selection(
    chosen: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    right: NDArray[np.bool_],
    own: Numbers,
) -> dict[str, float]:
    """Rates of a selection; NaN where there is no row to take it of."""
    return {
        "selection rate": mean(chosen, own),
        "true positive rate": mean(chosen[positive], own[positive]),
        "false positive rate": mean(chosen[~positive], own[~positive]),
        "precision": mean(positive[chosen], own[chosen]),
        "accuracy": mean(right, own),
    }


def of_numbers(residual: Numbers, answers: Numbers, own: Numbers) -> dict[str, float]:
    """Errors of numbers, in the units of the target: answer minus truth."""
    return {
        "mean answer": mean(answers, own),
        "mean error": mean(residual, own),
        "mean absolute error": mean(np.abs(residual), own),
        "rmse": mean(residual**2, own) ** 0.5,
    }


def gaps(groups: Sequence[Rates]) -> dict[str, float]:
    """How far groups lie apart: the difference in each rate, and the gaps that have names."""
    found: dict[str, float] = {}
    spread: dict[str, tuple[float, float]] = {}
    for key in groups[0]:
        values = [group[key] for group in groups if np.isfinite(group[key])]
        if len(values) == len(groups):
            spread[key] = min(values), max(values)
            found[f"{key} difference"] = max(values) - min(values)
    if "selection rate" not in groups[0]:
        return found
    low, high = spread["selection rate"]
    named = {"demographic parity difference": found.pop("selection rate difference")}
    named["demographic parity ratio"] = low / high if high else float("nan")
    odds = [spread[key] for key in ("true positive rate", "false positive rate") if key in spread]
    if len(odds) == 2:
        named["equalised odds difference"] = max(high - low for low, high in odds)
        ratios = [low / high if high else float("nan") for low, high in odds]
        named["equalised odds ratio"] = min(ratios)
    return named | found


def _area(ranks: NDArray[np.int64], positive: NDArray[np.bool_], own: Numbers) -> float:
    width = int(ranks.max(initial=0)) + 1
    ups = np.bincount(ranks[positive], own[positive], minlength=width)
    downs = np.bincount(ranks[~positive], own[~positive], minlength=width)
    many = float(ups.sum()) * float(downs.sum())
    if not many:
        return float("nan")
    below = np.cumsum(downs) - downs / 2
    return float((ups * below).sum() / many)


def _ranged(value: float, drawn: Sequence[float]) -> Ranged:
    """A value and the interval of what was drawn; a gap that is drawn is never below zero, so that
    its interval says how large it may be, not that it is there."""
    known = np.array([one for one in drawn if np.isfinite(one)])
    if not len(known) or not np.isfinite(value):
        return Ranged(value, float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Ranged(value, min(float(low), value), max(float(high), value))
