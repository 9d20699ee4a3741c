"""What a model makes of each column: what is lost when its cells are shuffled among the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Metric
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import Prediction, Values
from tunesmith.core.records import Dataset, Kind
from tunesmith.core.seeds import generator
from tunesmith.evaluate.scores import resampled

Answer = Callable[[Dataset], Prediction]

REPEATS = 5
RESAMPLES = 200
LEVEL = 0.95


@dataclass(frozen=True)
class Importance:
    """Of one column the mean over so many `shuffles` of what is lost, its bootstrap interval over
    rows and shuffles, and the standard deviation between shuffles."""

    column: str
    kind: Kind
    value: float
    low: float
    high: float
    between: float
    shuffles: int = REPEATS


@dataclass(frozen=True)
class Asked:
    """What rows are answered by: the truth behind them and the metric, or neither, where the rows
    have no labels. Then what is lost is how far the answers move: half the summed change of the
    probabilities, or the change of the number."""

    answer: Answer
    truth: NDArray[np.generic] | None = None
    metric: Metric | None = None
    weights: NDArray[np.float64] | None = None


def permutation_importance(
    asked: Asked,
    rows: Dataset,
    *,
    seed: int = 0,
    repeats: int = REPEATS,
    clock: Clock | None = None,
) -> tuple[Importance, ...]:
    """Of every column of the rows, the most important first. Texts and pictures are shuffled as
    numbers are, so that all columns are measured in one scale. Columns that say the same stand in
    for one another: both then seem to be worth little. Where the clock leaves no time for as many
    repeats, columns are shuffled less often, and the last ones not at all.

    scikit-learn's function of this name hands back scores alone; an interval over rows needs the
    answers.

    Raises:
        BudgetError: The clock was over before any column was shuffled.

    Source: Breiman, "Random Forests", Machine Learning 2001; Fisher, Rudin & Dominici, "All Models
    are Wrong, but Many are Useful", JMLR 2019.
    """
    clock = clock or Clock()
    whole = asked.answer(rows)
    found: list[Importance] = []
    each = 0.0
    for place, column in enumerate(rows.columns):
        if clock.is_over():
            break
        dice, began = generator(seed, "shuffle", place), clock.elapsed()
        answers = [
            asked.answer(shuffled(rows, column.name, dice.permutation(len(rows))))
            for _ in range(_affordable(clock, each * (len(rows.columns) - place), repeats))
        ]
        lost = _lost(asked, whole, answers, seed)
        found.append(_importance(column.name, column.kind, lost, dice))
        each = (clock.elapsed() - began) / len(answers)
    if not found:
        raise BudgetError(
            f"The time was over when 0 of {len(rows.columns)} columns had been shuffled. "
            "Give more time or fewer rows."
        )
    return tuple(sorted(found, key=lambda one: -one.value))


def _affordable(clock: Clock, seconds: float, repeats: int) -> int:
    """How often the columns that are left can be shuffled, at so many seconds for once."""
    if not clock.has_deadline() or not seconds:
        return repeats
    return int(np.clip(clock.left() / seconds, 1, repeats))


def shuffled(rows: Dataset, column: str, order: NDArray[np.int64]) -> Dataset:
    """The rows with the cells of one column in another order."""
    return replace(rows, cells={**rows.cells, column: rows.values(column)[order]})


@dataclass(frozen=True)
class _Lost:
    """On the rows as they are, shape (repeats,), and on resamples of them, (resamples, repeats)."""

    here: NDArray[np.float64]
    drawn: NDArray[np.float64]


def _lost(asked: Asked, whole: Prediction, answers: Sequence[Prediction], seed: int) -> _Lost:
    if asked.truth is None or asked.metric is None:
        moved = np.stack([_moved(whole, one) for one in answers], axis=1)
        dice = generator(seed, "rows")
        rows = dice.integers(0, len(moved), (RESAMPLES, len(moved)))
        drawn = np.stack([moved[some].mean(axis=0) for some in rows])
        return _Lost(moved.mean(axis=0), drawn)
    sign = 1.0 if asked.metric.higher_is_better else -1.0
    scores = np.array(
        [asked.metric.score(asked.truth, one, asked.weights) for one in (whole, *answers)]
    )
    drawn = resampled(
        asked.metric,
        asked.truth,
        (whole, *answers),
        seed=seed,
        resamples=RESAMPLES,
        weights=asked.weights,
    )
    return _Lost(sign * (scores[0] - scores[1:]), sign * (drawn[:, :1] - drawn[:, 1:]))


def _moved(before: Prediction, after: Prediction) -> NDArray[np.float64]:
    """How far each answer moved, shape (rows,)."""
    apart = np.abs(after.array() - before.array())
    return apart if isinstance(before, Values) else np.asarray(apart.sum(axis=1) / 2)


def _importance(column: str, kind: Kind, lost: _Lost, dice: np.random.Generator) -> Importance:
    count = len(lost.here)
    some = dice.integers(0, count, (len(lost.drawn), count))
    means = np.take_along_axis(lost.drawn, some, axis=1).mean(axis=1)
    known = means[np.isfinite(means)]
    tail = 50 * (1 - LEVEL)
    ends = np.percentile(known, [tail, 100 - tail]) if len(known) else (np.nan, np.nan)
    value = float(lost.here.mean())
    between = float(lost.here.std(ddof=1)) if count > 1 else 0.0
    return Importance(column, kind, value, float(ends[0]), float(ends[1]), between, count)
