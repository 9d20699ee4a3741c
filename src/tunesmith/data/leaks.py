"""Columns that tell too much: alone, by the order of the rows, by whom the rows belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset, Finding, Part, Rows
from tunesmith.core.seeds import generator
from tunesmith.data.duplicates import exact, is_missing
from tunesmith.metrics.classification import area

MOST_ROWS = 5_000
FEWEST_ROWS, FEWEST_OF_A_CLASS = 60, 10
BINS = 32
ALONE, TIMES_BETTER, BETTER = 0.98, 3.0, 0.05
"""Score of one column alone from which it is too good, and how far below the best other column must
lie: in times of what is missing to 1, and at least."""
COPY = 0.98
"""Rank correlation from which two columns are taken for one."""
BY_ORDER, BY_ORDER_ERRORS = 0.1, 4.0
"""By how much a column must tell less of later rows, and in standard errors."""
TELLING = 0.6
DRIFTS = 0.8
SAME_GROUP, MOST_OF_A_GROUP, FEWEST_GROUPS = 0.8, 25, 20
"""What the other rows of a group must tell of a row; the mean size of groups and their number."""
SMOOTH = 0.75
"""Share of that which numbers near to each other tell, from which a number is one and no name."""


@dataclass(frozen=True)
class _Table:
    """Rows that are looked at: their bins by column, and what is to be told."""

    data: Dataset
    names: tuple[str, ...]
    truth: NDArray[Any]
    classes: int

    @cached_property
    def bins(self) -> dict[str, NDArray[np.int64]]:
        return {name: _binned(self.data.values(name)) for name in self.names}

    def alone(self, name: str, fitted: Rows, scored: Rows) -> float:
        """How well one column, in bins, tells the target of rows that had no part in it: area under
        the ROC curve (mean of each class against the rest) or R²."""
        bins = self.bins[name]
        if not self.classes:
            truth = self.truth.astype(np.float64)
            means = _means(bins, truth, fitted)[bins[scored]]
            spread = float(np.square(truth[scored] - truth[scored].mean()).sum())
            return 1 - float(np.square(truth[scored] - means).sum()) / spread if spread else 0.0
        areas = []
        for code in range(self.classes) if self.classes > 2 else (1,):
            one = self.truth == code
            if 0 < one[scored].sum() < len(scored):
                marks = _means(bins, one.astype(np.float64), fitted)[bins[scored]]
                areas.append(area(one[scored], marks)(None))
        return float(np.mean(areas)) if areas else 0.5


def _binned(values: NDArray[Any]) -> NDArray[np.int64]:
    """Codes of the cells: of categories their own, of numbers and dates about as many rows each;
    missing cells have one of theirs."""
    if values.dtype == object:
        return exact([cell or "" for cell in values])
    numbers = _numbers(values)
    known = np.isfinite(numbers)
    if not known.any():
        return np.zeros(len(values), dtype=np.int64)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(known, 1 + np.searchsorted(edges, numbers, side="right"), 0).astype(np.int64)


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind != "M":
        return values.astype(np.float64)
    return np.where(np.isnat(values), np.nan, values.astype("datetime64[s]").astype(np.float64))


def _means(
    bins: NDArray[np.int64], truth: NDArray[np.float64], fitted: Rows
) -> NDArray[np.float64]:
    """The mean of some rows by bin, drawn by one row's worth to the mean of all of them."""
    count, middle = int(bins.max()) + 1, float(truth[fitted].mean())
    sums = np.bincount(bins[fitted], truth[fitted], minlength=count)
    return np.asarray((sums + middle) / (np.bincount(bins[fitted], minlength=count) + 1))


def leaks(
    data: Dataset,
    target: str,
    inputs: Sequence[str],
    truth: NDArray[Any],
    classes: tuple[str, ...],
    parts: Mapping[Part, Rows],
    *,
    time: str | None = None,
    is_given: bool = False,
    group: str | None = None,
    known: Sequence[Finding] = (),
    seed: int = 0,
) -> tuple[Finding, ...]:
    """Columns that alone tell nearly all, that tell by the order alone, that drift, and that name a
    group. Looks at no more than 5,000 rows of training.

    Args:
        truth: Class codes or numbers of all rows, shape (rows,).
        time: The column by which the rows were split.
        is_given: Whether the data say which rows test.
        group: The column whose cells stay together in the split.
        known: What was found before; columns that were told as a giveaway are not told again.
    """
    train = parts["train"]
    if len(train) > MOST_ROWS:
        train = np.sort(generator(seed, "leaks").choice(train, MOST_ROWS, replace=False))
    if classes:
        counts = np.bincount(truth[train], minlength=len(classes))
        train = train[counts[truth[train]] >= FEWEST_OF_A_CLASS]
    if len(train) < FEWEST_ROWS or len(np.unique(truth[train])) < 2:
        return ()
    names = tuple(n for n in inputs if data.column(n).kind in ("number", "date", "category"))
    told = {n for n in names for f in known if f.message.startswith(f"Column {n!r} alone")}
    table = _Table(data.take(train), names, truth[train], len(classes))
    found = [*_by_one_column(table, target, told, seed)]
    if time is not None:
        found += _by_order(table, target, data.values(time)[train], seed)
    if time is not None or is_given:
        found += _drifting(data, names, parts, seed)
    if group is None:
        found += _by_group(data, target, names, truth, classes, parts, table)
    return tuple(found)


def _by_one_column(table: _Table, target: str, told: set[str], seed: int) -> Iterator[Finding]:
    halves = _halves(len(table.truth), seed)
    alone = {
        name: float(np.mean([table.alone(name, *pair) for pair in (halves, halves[::-1])]))
        for name in table.names
    }
    if not table.classes:
        alone = {name: max(value, _ranked(table, name)) for name, value in alone.items()}
    measure = "area under the ROC curve" if table.classes else "R²"
    for name, value in alone.items():
        if value < ALONE or name in told:
            continue
        others = [
            v for other, v in alone.items() if other != name and not _copies(table, name, other)
        ]
        if not others or max(others) > 1 - max(BETTER, TIMES_BETTER * (1 - value)):
            continue
        yield Finding(
            "leaking column",
            f"Column {name!r} alone tells {target!r} far better than any other does: {measure} "
            f"{value:.3f}, the next {max(others):.3f}. If it is not known when predicting, leave "
            "it out.",
        )


def _ranked(table: _Table, name: str) -> float:
    """R² between the ranks of a column and those of the target: bins say little of long tails."""
    values = table.data.values(name)
    if values.dtype == object:
        return 0.0
    numbers = _numbers(values)
    known = np.isfinite(numbers)
    if known.sum() < max(FEWEST_ROWS, len(numbers) / 2) or np.ptp(numbers[known]) == 0:
        return 0.0
    first, second = (one[known].argsort().argsort() for one in (numbers, table.truth))
    return float(np.corrcoef(first, second)[0, 1] ** 2)


def _halves(rows: int, seed: int) -> tuple[Rows, Rows]:
    first, second = np.array_split(generator(seed, "leak halves").permutation(rows), 2)
    return first, second


def _copies(table: _Table, one: str, other: str) -> bool:
    """Whether two columns are one and the same, but for their scale."""
    first, second = table.bins[one], table.bins[other]
    if first.std() == 0 or second.std() == 0:
        return False
    values = [table.data.values(name) for name in (one, other)]
    if any(cells.dtype == object for cells in values):
        pairs = len(np.unique(np.stack([first, second]), axis=1).T)
        return pairs == len(np.unique(first)) == len(np.unique(second))
    return abs(float(np.corrcoef(first, second)[0, 1])) > COPY


def _by_order(table: _Table, target: str, times: NDArray[Any], seed: int) -> Iterator[Finding]:
    """Columns that tell of rows among which they were learned, and not of later ones."""
    order = np.argsort(_numbers(times), kind="stable")
    earlier, later = np.array_split(order, 2)
    halves = _halves(len(order), seed)
    counts = np.bincount(table.truth[later], minlength=2) if table.classes else None
    error = 0.02 if counts is None else float(np.sqrt((1 / np.maximum(counts, 1)).sum() / 12))
    for name in table.names:
        mixed, ahead = table.alone(name, *halves), table.alone(name, earlier, later)
        if mixed >= TELLING and mixed - ahead >= max(BY_ORDER, BY_ORDER_ERRORS * error):
            measure = "area under the ROC curve" if table.classes else "R²"
            yield Finding(
                "order",
                f"Column {name!r} tells {target!r} by the order of the rows: {measure} {mixed:.2f} "
                f"on rows of the same time, {ahead:.2f} on later ones. Leave it out unless what it "
                "says lasts.",
            )


def _drifting(
    data: Dataset, names: Sequence[str], parts: Mapping[Part, Rows], seed: int
) -> Iterator[Finding]:
    """Columns that tell test rows from train rows (adversarial validation)."""
    dice = generator(seed, "drift")
    sides = [parts["train"], parts["test"]]
    rows = [dice.permutation(one)[: MOST_ROWS // 2] for one in sides]
    if min(map(len, rows)) < FEWEST_OF_A_CLASS:
        return
    late = np.repeat([0, 1], [len(rows[0]), len(rows[1])])
    table = _Table(data.take(np.concatenate(rows)), tuple(names), late, 2)
    halves = _halves(len(late), seed)
    found = {name: table.alone(name, *halves) for name in names}
    far = {name: value for name, value in found.items() if value >= DRIFTS}
    if far:
        said = ", ".join(f"{n!r} {v:.2f}" for n, v in sorted(far.items(), key=lambda p: -p[1]))
        yield Finding(
            "drift",
            f"Test rows differ from training rows in {said} (area under the ROC curve of telling "
            "them apart; 0.5 is no difference): what is learned by these may not hold.",
            len(far),
        )


def _by_group(
    data: Dataset,
    target: str,
    names: Sequence[str],
    truth: NDArray[Any],
    classes: tuple[str, ...],
    parts: Mapping[Part, Rows],
    table: _Table,
) -> Iterator[Finding]:
    """Columns whose few rows of one cell share their target, on both sides of the split."""
    train, test = parts["train"], parts["test"]
    for name in names:
        values = data.values(name)
        if values.dtype.kind == "f" and not np.array_equal(values, np.round(values), True):
            continue
        cells = exact([str(cell) for cell in values])
        rows = train[~is_missing(values)[train]]
        sizes = np.bincount(cells[rows])
        groups = int((sizes > 0).sum())
        repeated = sizes[cells[rows]] > 1
        if groups < FEWEST_GROUPS or not 2 <= len(rows) / groups <= MOST_OF_A_GROUP:
            continue
        if repeated.mean() < 0.5:
            continue
        tells = _of_the_others(cells[rows], truth[rows], len(classes))
        near = _of_the_others(table.bins[name], table.truth, len(classes))
        is_smooth = values.dtype != object and near > SMOOTH * tells
        again = int((np.isin(cells[test], cells[rows]) & ~is_missing(values)[test]).sum())
        if tells < SAME_GROUP or is_smooth or again < len(test) / 10:
            continue
        yield Finding(
            "group",
            f"Column {name!r} seems to name whom a row belongs to: {again:,} of {len(test):,} test "
            f"rows have a cell that also stands in train, and the other rows of a cell tell "
            f"{tells:.0%} of what there is to tell of {target!r}. If rows to come have other "
            f"cells, the score is too good: fit with --group {name!r}.",
            again,
        )


def _of_the_others(cells: NDArray[np.int64], truth: NDArray[Any], classes: int) -> float:
    """Which share of the errors of the commonest answer, or of the variance, the other rows of the
    same cell take away."""
    width = int(cells.max()) + 1
    sizes = np.bincount(cells, minlength=width)
    keep = sizes[cells] > 1
    if not classes:
        y = truth.astype(np.float64)
        others = (np.bincount(cells, y, minlength=width)[cells] - y)[keep] / (
            sizes[cells][keep] - 1
        )
        spread = float(np.square(y[keep] - y[keep].mean()).sum())
        return 1 - float(np.square(y[keep] - others).sum()) / spread if spread else 0.0
    counts = np.zeros((width, classes))
    np.add.at(counts, (cells, truth), 1)
    left = counts[cells]
    left[np.arange(len(cells)), truth] -= 1
    wrong = float((left.argmax(axis=1) != truth)[keep].mean())
    usual = float(1 - np.bincount(truth[keep]).max() / keep.sum())
    return 1 - wrong / usual if usual else 0.0
