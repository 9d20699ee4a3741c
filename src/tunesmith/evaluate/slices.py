"""Slices: sorts of rows on which a model errs more than on the others, found on one half of the
rows and proven on the other.

All conditions, and all pairs of them, are looked at: the errors of every pair are one product of
matrices, so that nothing needs to be pruned. Rows are dealt into two halves. The best few slices of
the first are tested on the second, and those of the second on the first; what is told of a slice
(error, gap, interval) are figures of rows that had no say in its choice, and the tests are
corrected for how many slices were brought to them.

Source: Chung et al., "Slice Finder: Automated Data Slicing for Model Validation", ICDE 2019;
Sagadeeva & Boehm, "SliceLine: Fast, Linear-Algebra-based Slice Finding for ML Model Debugging",
SIGMOD 2021; Lavrač et al., "Subgroup Discovery with CN2-SD", JMLR 2004, for rows that are covered
already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.seeds import generator
from tunesmith.evaluate.conditions import Conditions, joined, may_join, named
from tunesmith.evaluate.gaps import Gap, compared, corrected

FEWEST_ROWS = 100
"""Labelled rows below which no slice is looked for."""
FEWEST, FEWEST_SHARE = 20, 0.01
"""Rows of a slice, at least: so many, and that share of all."""
MOST_SHARE = 0.5
"""Of the rows: what more of them have in common is no sort of rows."""
SINGLES, PAIRS = 6, 4
"""Slices of each half that are brought to the other."""
MOST_PAIRED = 900
"""Conditions of which all pairs are looked at: those that alone say most."""
LEAST_EVIDENCE = 1.6
"""Standard errors above the others from which a slice is worth a test."""
LEAST_ADDED = 2.0
"""Standard errors that each condition of a pair adds to the other."""
MOST_KEPT = 400
TOO_ALIKE = 0.5
"""Jaccard similarity from which two slices are one."""
LEVEL = 0.02
"""Of all that is claimed, together."""
MOST_LINES = 5

Numbers = NDArray[np.float64]
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """Rows that are answered worse than the others.

    `rows` are all that meet the conditions; `error`, `rest_error` and the gap between them, with an
    interval that holds for all slices together, are of the half (`proof_rows` of the slice) that
    had no say in choosing it; `second` is the second measure of the same rows. `p` is corrected for
    all tests. `lines` are some rows with the largest loss.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    share: float
    proof_rows: int
    error: float
    rest_error: float
    gap: float
    gap_low: float
    gap_high: float
    p: float
    second: float | None
    rest_second: float | None
    lines: tuple[int, ...]

    def told(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Slices:
    """The slices that were proven, the surest gap first; how many were looked at, and how many of
    them were brought to a test."""

    each: tuple[Slice, ...]
    looked_at: int
    tested: int


@dataclass(frozen=True)
class Losses:
    """What is compared: the loss of each row, shape (rows,), whether it is zero or one, and a
    second one to be told beside it."""

    values: Numbers
    is_binary: bool
    second: Numbers | None = None


@dataclass(frozen=True)
class _Found:
    """A slice of one half that is to be proven by the other."""

    places: tuple[int, ...]
    half: int
    gap: Gap


def fewest_rows(rows: int) -> int:
    """The least rows of a slice."""
    return max(FEWEST, int(np.ceil(FEWEST_SHARE * rows)))


def find_slices(
    known: Conditions,
    losses: Losses,
    lines: NDArray[np.int64],
    *,
    fewest: int,
    most: int = 10,
    seed: int = 0,
) -> Slices:
    """The slices with an error above that of the other rows, at most so many.

    Args:
        known: Conditions and which row meets which.
        losses: Of the same rows.
        lines: Where each row stands in its source, shape (rows,).
        fewest: Rows of a slice, at least.
    """
    rows = len(losses.values)
    if rows < FEWEST_ROWS or not len(known) or np.ptp(losses.values) == 0:
        return Slices((), 0, 0)
    half = generator(seed, "slices").permutation(rows) % 2
    chosen, looked_at = [], 0
    for which in (0, 1):
        places, count = _candidates(known, losses, half == which, max(2, int(0.4 * fewest)))
        looked_at = max(looked_at, count)
        chosen += [(one, which) for one in places]
    found = list(_proven(known, losses, half, chosen))
    apart = _apart(known, losses, found)[:most]
    return Slices(
        tuple(_told(known, losses, half, lines, one) for one in apart), looked_at, len(chosen)
    )


def _candidates(
    known: Conditions, losses: Losses, here: Masks, fewest: int
) -> tuple[list[tuple[int, ...]], int]:
    """The slices of one half that say most: single conditions, and pairs; and how many there
    were."""
    masks, values = known.masks[here], _bounded(losses)[here]
    table = _Sums.of(values, losses.is_binary)
    floats = masks.astype(np.float32)
    counts, sums = floats.sum(axis=0, dtype=np.float64), values @ floats
    alone = table.evidence(counts, sums, fewest)
    order = np.argsort(-alone, kind="stable")
    singles = [(int(place),) for place in order[:MOST_KEPT] if alone[place] >= LEAST_EVIDENCE]
    paired = order[:MOST_PAIRED]
    ones, others, looked_at = _pairs(known, floats, values, table, paired, fewest)
    pairs = list(zip(ones.tolist(), others.tolist(), strict=True))
    chosen = _cover(masks, values, table, singles, SINGLES, fewest)
    chosen += _cover(masks, values, table, pairs, PAIRS, fewest)
    return chosen, int((counts >= fewest).sum()) + looked_at


def _bounded(losses: Losses) -> Numbers:
    """Losses without the few that would outweigh all others; what is told of slices is of all."""
    if losses.is_binary:
        return losses.values
    return np.minimum(losses.values, np.quantile(losses.values, 0.99))


@dataclass(frozen=True)
class _Sums:
    """What all rows of a half add up to."""

    rows: int
    total: float
    variance: float
    is_binary: bool

    @staticmethod
    def of(values: Numbers, is_binary: bool) -> _Sums:
        return _Sums(len(values), float(values.sum()), float(values.var()) or 1e-12, is_binary)

    def evidence(self, counts: Numbers, sums: Numbers, fewest: int) -> Numbers:
        """How surely rows of that count and that sum of losses err more than the others: of zeros
        and ones the signed root of the likelihood ratio, which holds for few rows too; else the gap
        in standard errors. Minus infinity for too few rows, and too many."""
        rest, rest_sums = self.rows - counts, self.total - sums
        with np.errstate(all="ignore"):
            gap = sums / counts - rest_sums / rest
            if self.is_binary:
                found = np.sign(gap) * np.sqrt(np.maximum(self._ratio(counts, sums), 0))
            else:
                found = gap / np.sqrt(self.variance * (1 / counts + 1 / rest))
        return np.where((counts >= fewest) & (counts <= MOST_SHARE * self.rows), found, -np.inf)

    def _ratio(self, counts: Numbers, sums: Numbers) -> Numbers:
        from scipy.special import xlogy

        rest, rest_sums = self.rows - counts, self.total - sums
        cells = ((sums, counts), (rest_sums, rest))
        share = self.total / self.rows
        found = np.zeros_like(counts, dtype=np.float64)
        for wrong, rows in cells:
            right = rows - wrong
            found = found + xlogy(wrong, wrong / (rows * share))
            found = found + xlogy(right, right / (rows * (1 - share)))
        return 2 * found

    def added(
        self, counts: Numbers, sums: Numbers, parent: Numbers, parent_sums: Numbers
    ) -> Numbers:
        """How surely a part of a slice errs more than the rest of it, in standard errors."""
        rest, rest_sums = parent - counts, parent_sums - sums
        with np.errstate(all="ignore"):
            variance: Any = self.variance
            if self.is_binary:
                share = parent_sums / parent
                variance = np.maximum(share * (1 - share), 1e-9)
            found = (sums / counts - rest_sums / rest) / np.sqrt(variance * (1 / counts + 1 / rest))
        return np.where(rest > 0, found, -np.inf)


def _pairs(
    known: Conditions,
    floats: NDArray[np.float32],
    values: Numbers,
    table: _Sums,
    places: NDArray[np.int64],
    fewest: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The pairs of some conditions that say most, each adding to the other; and how many there are
    with rows enough."""
    part = np.ascontiguousarray(floats[:, places])
    counts = (part.T @ part).astype(np.float64)
    sums = (part.T @ (part * values[:, None].astype(np.float32))).astype(np.float64)
    may = (
        np.triu(may_join([known.each[place] for place in places]), 1) if len(places) else counts > 0
    )
    ones, others = np.nonzero(may & (counts >= fewest))
    both, both_sums = counts[ones, others], sums[ones, others]
    evidence = table.evidence(both, both_sums, fewest)
    single, single_sums = np.diag(counts), np.diag(sums)
    for side in (ones, others):
        added = table.added(both, both_sums, single[side], single_sums[side])
        evidence = np.where(added >= LEAST_ADDED, evidence, -np.inf)
    best = np.argsort(-evidence, kind="stable")[:MOST_KEPT]
    best = best[evidence[best] >= LEAST_EVIDENCE]
    return places[ones[best]], places[others[best]], len(ones)


def _cover(
    masks: Masks,
    values: Numbers,
    table: _Sums,
    ranked: Sequence[tuple[int, ...]],
    most: int,
    fewest: int,
) -> list[tuple[int, ...]]:
    """Of slices ranked by what they say, one after the other that says most of the rows that those
    before it do not cover."""
    if not ranked:
        return []
    rows = np.stack([joined(masks, one) for one in ranked]).astype(np.float32)
    left = np.ones(len(values), dtype=np.float32)
    chosen: list[tuple[int, ...]] = []
    whole = rows.sum(axis=1)
    while len(chosen) < most:
        counts = (rows @ left).astype(np.float64)
        sums = (rows @ (left * values)).astype(np.float64)
        table = _Sums(
            int(left.sum()), float((left * values).sum()), table.variance, table.is_binary
        )
        evidence = table.evidence(counts, sums, fewest)
        evidence[counts < (1 - TOO_ALIKE) * whole] = -np.inf
        best = int(evidence.argmax())
        if evidence[best] < LEAST_EVIDENCE:
            break
        chosen.append(ranked[best])
        left = left * (1 - rows[best])
    return chosen


def _proven(
    known: Conditions,
    losses: Losses,
    half: NDArray[np.int64],
    chosen: Sequence[tuple[tuple[int, ...], int]],
) -> Iterator[_Found]:
    """Those of the slices whose gap is there in the half that had no say."""
    level = 1 - LEVEL / max(1, len(chosen))
    gaps = []
    for places, which in chosen:
        there = half != which
        inside = joined(known.masks[there], places)
        gaps.append(compared(losses.values[there], inside, losses.is_binary, level))
    for (places, which), gap, p in zip(chosen, gaps, corrected([g.p for g in gaps]), strict=True):
        if p <= LEVEL and gap.low > 0:
            yield _Found(places, which, Gap(**{**asdict(gap), "p": p}))


def _apart(known: Conditions, losses: Losses, found: Sequence[_Found]) -> list[_Found]:
    """The slices with the surest gap first, without those that are nearly the rows of one before,
    or that err only where these do."""
    kept: list[_Found] = []
    covered = np.zeros(len(losses.values), dtype=bool)
    table = _Sums.of(_bounded(losses), losses.is_binary)
    for one in sorted(found, key=lambda one: (-one.gap.low, one.places)):
        mask = joined(known.masks, one.places)
        if any(_alike(mask, joined(known.masks, other.places)) for other in kept):
            continue
        new = mask & ~covered
        if kept and (
            new.sum() < 0.25 * mask.sum() or _gap(table, losses, new, covered) < LEAST_EVIDENCE
        ):
            continue
        kept.append(one)
        covered |= mask
    return kept


def _gap(table: _Sums, losses: Losses, new: Masks, covered: Masks) -> float:
    values = losses.values[~covered]
    inside = new[~covered]
    left = _Sums(len(values), float(values.sum()), table.variance, table.is_binary)
    counts, sums = np.array([float(inside.sum())]), np.array([float(values[inside].sum())])
    return float(left.evidence(counts, sums, 1)[0])


def _alike(one: Masks, other: Masks) -> bool:
    return bool((one & other).sum() > TOO_ALIKE * (one | other).sum())


def _told(
    known: Conditions,
    losses: Losses,
    half: NDArray[np.int64],
    lines: NDArray[np.int64],
    one: _Found,
) -> Slice:
    each = [known.each[place] for place in one.places]
    mask, there = joined(known.masks, one.places), half != one.half
    rank = losses.values if losses.second is None else losses.second
    worst = np.flatnonzero(mask)
    worst = worst[np.argsort(-rank[worst], kind="stable")][:MOST_LINES]
    inside, outside = mask & there, ~mask & there
    second = losses.second
    return Slice(
        name=named(each),
        columns=tuple(dict.fromkeys(condition.column for condition in each)),
        rows=int(mask.sum()),
        share=float(mask.mean()),
        proof_rows=int(inside.sum()),
        error=one.gap.inside,
        rest_error=one.gap.outside,
        gap=one.gap.gap,
        gap_low=one.gap.low,
        gap_high=one.gap.high,
        p=one.gap.p,
        second=None if second is None else float(second[inside].mean()),
        rest_second=None if second is None else float(second[outside].mean()),
        lines=tuple(lines[worst].tolist()),
    )
