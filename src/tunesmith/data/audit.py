"""The audit: what a careful person would tell about the data before any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset, Finding, Kind, Part, Rows
from tunesmith.core.seeds import generator
from tunesmith.data.duplicates import (
    exact,
    is_also_in,
    is_missing,
    near_groups,
    nearly_repeated,
    normalise,
    repeated,
    same_inputs,
    same_texts,
)

SHOWN, NAMED = 20, 5
"""Rows that a finding lists, and those that its sentence names."""
MUCH_MISSING = 0.2
IMBALANCED = 10.0
GIVEN_AWAY, WORD_GIVEN_AWAY = 0.995, 0.99
MUST_CORRELATE = 0.9995
MAJORITY_TOO_LARGE = 0.95
FEW_CHANGES = 0.02
FEWEST_ROWS, MOST_ROWS = 20, 5_000
"""Rows from which a column can be said to give the target away, and those that are looked at."""
IDENTIFYING_COLUMNS = 4
CONTINUOUS = 0.2
"""Share of distinct numbers from which equal rows are no accident."""


@dataclass(frozen=True)
class Audit:
    """What was found, and the rows of valid and test whose inputs also stand in train, sorted."""

    findings: tuple[Finding, ...]
    leaked: Rows


@dataclass(frozen=True)
class _Case:
    data: Dataset
    target: str
    inputs: tuple[str, ...]
    truth: NDArray[Any]
    classes: tuple[str, ...]
    parts: Mapping[Part, Rows]
    seed: int

    @property
    def labelled(self) -> Rows:
        known = self.truth >= 0 if self.classes else ~np.isnan(self.truth)
        return np.flatnonzero(known)

    def of_kind(self, *kinds: Kind) -> tuple[str, ...]:
        return tuple(name for name in self.inputs if self.data.column(name).kind in kinds)

    def finding(self, check: str, rows: Rows, text: str) -> Finding:
        """A finding on some rows; its sentence ends with their lines."""
        lines = np.sort(self.data.lines[rows])
        return Finding(check, f"{text} {_said(lines)}.", len(rows), _shown(lines))


def audit(
    data: Dataset,
    target: str,
    inputs: Sequence[str],
    truth: NDArray[Any],
    classes: tuple[str, ...],
    parts: Mapping[Part, Rows],
    *,
    unlabelled: Rows,
    seed: int,
) -> Audit:
    """Look for what spoils a fit or its score. Nothing that is found here stops the fit.

    Args:
        data: Every row, labelled or not.
        target: The column to predict.
        inputs: The columns to predict it from.
        truth: Class codes (int64, -1 without a label) or numbers (float64, NaN without), shape
            (rows,).
        classes: The labels by their code; empty for numbers.
        parts: Row indices into `data`.
        unlabelled: Row indices without a label.
        seed: Seed of the samples that are looked at.
    """
    case = _Case(data, target, tuple(inputs), truth, classes, parts, seed)
    findings = [*_cells(case, unlabelled), *_columns(case), *_classes(case)]
    findings += [Finding("giveaway", text) for text in _giveaways(case)]
    repeats, leaked = _repeats(case)
    return Audit((*findings, *repeats), leaked)


def _cells(case: _Case, unlabelled: Rows) -> Iterator[Finding]:
    data = case.data
    if len(unlabelled):
        text = f"{_count(len(unlabelled), 'row')} without a label in {case.target!r} left out:"
        yield case.finding("unlabelled", unlabelled, text)
    if data.bad:
        examples = "; ".join(
            f"line {bad.line}{f', column {bad.column!r}' if bad.column else ''}: "
            f"got {bad.got!r}, expected {bad.expected}"
            for bad in data.bad[:NAMED]
        )
        text = f"{_count(len(data.bad), 'cell or row', 'cells or rows')} could not be used: "
        lines = np.unique([bad.line for bad in data.bad])
        yield Finding("bad cells", f"{text}{examples}.", len(data.bad), _shown(lines))
    missing = {name: is_missing(data.values(name)) for name in case.inputs}
    much = {name: gone for name, gone in missing.items() if gone.mean() > MUCH_MISSING}
    if much:
        shares = ", ".join(f"{name!r} {gone.mean():.0%}" for name, gone in much.items())
        text = f"Input columns with more than {MUCH_MISSING:.0%} of their cells missing: {shares};"
        yield case.finding("missing cells", np.flatnonzero(np.any([*much.values()], axis=0)), text)


def _columns(case: _Case) -> Iterator[Finding]:
    said: tuple[tuple[Kind, str], ...] = (
        ("identifier", "names its rows and tells nothing about new ones"),
        ("constant", "is the same in every row"),
    )
    for kind, why in said:
        names = [n for n in case.data.of_kind(kind) if n not in (*case.inputs, case.target)]
        if names:
            shown = ", ".join(map(repr, names))
            text = f"Left out as input: {shown}, because a column of kind {kind} {why}."
            yield Finding(kind, text, len(names))


def _classes(case: _Case) -> Iterator[Finding]:
    if not case.classes or not len(case.labelled):
        return
    codes = case.truth[case.labelled]
    counts = np.bincount(codes, minlength=len(case.classes))
    single = np.flatnonzero(counts == 1)
    if len(single):
        names = _some([repr(case.classes[code]) for code in single])
        text = f"{_count(len(single), 'class', 'classes')} with a single row ({names}):"
        rows = case.labelled[np.isin(codes, single)]
        yield case.finding("single-row classes", rows, text)
    counts = np.where(counts == 0, counts.max(), counts)
    rare, large = int(counts.argmin()), int(counts.argmax())
    ratio = counts[large] / counts[rare]
    if ratio >= IMBALANCED:
        text = (
            f"The classes are imbalanced: {case.classes[large]!r} has {counts[large]:,} rows, "
            f"{case.classes[rare]!r} {counts[rare]:,} ({counts[rare] / len(codes):.2g} of all), "
            f"{ratio:.0f} times fewer. Look at a metric that weighs classes alike."
        )
        yield Finding("imbalance", text, int(counts[rare]))


def _giveaways(case: _Case) -> Iterator[str]:
    """Sentences on columns that alone tell the target."""
    rows = case.labelled
    if len(rows) < FEWEST_ROWS:
        return
    if len(rows) > MOST_ROWS:
        rows = generator(case.seed, "giveaway").choice(rows, MOST_ROWS, replace=False)
    truth = case.truth[rows]
    counts = np.bincount(truth) if case.classes else np.zeros(1)
    majority = float(counts.max() / len(rows))
    for name in case.inputs:
        kind, values = case.data.column(name).kind, case.data.values(name)[rows]
        how = ""
        if kind == "category" and case.classes:
            how = _given_by_levels(values, truth, majority)
        elif kind in ("number", "date") and not case.classes:
            how = _given_by_number(_floats(values), truth)
        elif kind in ("number", "date") and majority < MAJORITY_TOO_LARGE:
            how = _given_by_tree(_floats(values), truth, case.seed)
        elif kind == "text" and case.classes:
            how = _given_by_words(values, truth, case.classes)
        if how:
            yield (
                f"Column {name!r} alone gives {case.target!r} away: {how}. If it is not known "
                "when predicting, leave it out."
            )


def _given_by_levels(values: NDArray[Any], truth: Rows, majority: float) -> str:
    levels = exact([cell or "" for cell in values])
    width, classes = int(truth.max()) + 1, len(np.unique(truth))
    count = int(levels.max()) + 1
    if len(levels) < 5 * count and count > 2 * classes:
        return ""
    pairs, sizes = np.unique(levels * width + truth, return_counts=True)
    best = np.zeros(count, dtype=np.int64)
    np.maximum.at(best, pairs // width, sizes)
    right = float(best.sum() / len(truth))
    if right < GIVEN_AWAY or 1 - right > (1 - majority) / 10:
        return ""
    return f"its {count:,} values tell the label of {right:.1%} of the rows"


def _given_by_number(values: NDArray[np.float64], truth: NDArray[np.float64]) -> str:
    known = ~np.isnan(values)
    x, y = values[known], truth[known]
    if len(x) < max(FEWEST_ROWS, len(values) / 2) or x.min() == x.max() or y.min() == y.max():
        return ""
    straight = abs(float(np.corrcoef(x, y)[0, 1]))
    ranked = abs(float(np.corrcoef(_ranks(x), _ranks(y))[0, 1]))
    name, most = ("Spearman", ranked) if ranked > straight else ("Pearson", straight)
    return f"their {name} correlation is {most:.5f}" if most > MUST_CORRELATE else ""


def _given_by_tree(values: NDArray[np.float64], truth: Rows, seed: int) -> str:
    classes = len(np.unique(truth))
    order = generator(seed, "giveaway halves").permutation(len(truth))
    leaves = min(2 * classes, 32)
    changes = int((np.diff(truth[np.lexsort((truth, values))]) != 0).sum())
    if classes < 2 or changes > 2 * leaves + FEW_CHANGES * len(truth):
        return ""  # along the column the label changes too often for so few thresholds
    from sklearn.tree import DecisionTreeClassifier

    first, second = np.array_split(order, 2)
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    tree.fit(values[first, None], truth[first])
    right = float((tree.predict(values[second, None]) == truth[second]).mean())
    return f"a few thresholds tell the label of {right:.1%} of the rows" * (right >= GIVEN_AWAY)


def _given_by_words(values: NDArray[Any], truth: Rows, classes: tuple[str, ...]) -> str:
    """Whether texts name their own label, and not as often the next one."""
    names = [f" {normalise(label)} " for label in classes]
    texts = [f" {normalise(cell or '')} " for cell in values]
    own = sum(names[code] in text for code, text in zip(truth, texts, strict=True))
    others = sum(
        names[code + 1 - len(names)] in text for code, text in zip(truth, texts, strict=True)
    )
    if own < WORD_GIVEN_AWAY * len(texts) or others > len(texts) / 2:
        return ""
    return f"{own / len(texts):.1%} of its texts hold the word of their label"


def _repeats(case: _Case) -> tuple[list[Finding], Rows]:
    """Findings on rows that stand more than once, and the leaked rows."""
    held = np.concatenate([case.parts[name] for name in ("valid", "test")])
    same = same_inputs(case.data, case.inputs)
    if not _is_telling(case):
        again = held[is_also_in(same, held, case.parts["train"])]
        text = f"{_count(len(again), 'row')} of valid and test also in train; with inputs of few "
        text += "values that is natural, so none counts as leaked:"
        soft = [case.finding("exact duplicates", again, text)] if len(again) else []
        return soft, np.empty(0, dtype=np.int64)
    texts, words = same_texts(case.data, case.inputs, same)
    pairs, searched = near_groups(texts, words, held, case.seed)
    every = case.parts.values()
    exactly = np.concatenate([repeated(same, case.truth, rows) for rows in every])
    nearly = np.concatenate([nearly_repeated(same, texts, pairs, rows) for rows in every])
    findings = []
    if len(exactly):
        text = (
            f"{_count(len(exactly), 'repeat')} of an earlier row of the same part, label included:"
        )
        findings.append(case.finding("exact duplicates", exactly, text))
    if len(nearly):
        text = f"{_count(len(nearly), 'row')} with nearly the text of another row of the same part"
        findings.append(case.finding("near duplicates", nearly, f"{text}{searched}:"))
    findings += _conflicts(case, same)
    found, leaked = _leaks(case, same, texts, pairs)
    return findings + found, leaked


def _is_telling(case: _Case) -> bool:
    """Whether rows of equal inputs must be the same row, rather than alike by accident."""
    if case.of_kind("text", "image"):
        return True
    needed = max(FEWEST_ROWS, CONTINUOUS * len(case.data))
    numbers = (case.data.values(name) for name in case.of_kind("number"))
    return len(case.inputs) >= IDENTIFYING_COLUMNS and any(
        len(np.unique(values)) >= needed for values in numbers
    )


def _leaks(
    case: _Case, same: Rows, texts: Rows, pairs: NDArray[np.int64]
) -> tuple[list[Finding], Rows]:
    train = case.parts["train"]
    known = np.isin(pairs, texts[train])
    close = np.union1d(texts[train], np.concatenate([pairs[known[:, 0], 1], pairs[known[:, 1], 0]]))
    leaks, said, exactly = [train[:0]], [], 0
    for name in ("valid", "test"):
        rows = case.parts[name]
        if not len(rows):  # with folds there is no part that only selects
            continue
        equal = is_also_in(same, rows, train)
        leaks.append(rows[equal | ((texts[rows] >= 0) & np.isin(texts[rows], close))])
        said.append(f"{len(leaks[-1]):,} of {_count(len(rows), f'{name} row')}")
        exactly += int(equal.sum())
    leaked = np.sort(np.concatenate(leaks)).astype(np.int64)
    text = (
        f"{' and '.join(said)} also stand in train ({exactly:,} exactly, "
        f"{len(leaked) - exactly:,} nearly); the score is shown with and without them:"
    )
    return ([case.finding("leak", leaked, text)] if len(leaked) else []), leaked


def _conflicts(case: _Case, same: Rows) -> list[Finding]:
    rows = np.concatenate([*case.parts.values()])
    rows = np.sort(rows[same[rows] >= 0])
    if not case.classes or not len(rows):
        return []
    pairs = np.unique(np.stack([same[rows], case.truth[rows]]), axis=1)
    groups, labels = np.unique(pairs[0], return_counts=True)
    torn = rows[np.isin(same[rows], groups[labels > 1])]
    text = f"{_count(len(torn), 'row')} with the inputs of another row but not its label:"
    return [case.finding("conflicting labels", torn, text)] if len(torn) else []


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places in the order, equal numbers sharing the mean of theirs."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[codes], dtype=np.float64)


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers as they are, dates in seconds; NaN where missing."""
    if values.dtype.kind != "M":
        return values.astype(np.float64)
    return np.where(np.isnat(values), np.nan, values.astype("datetime64[s]").astype(np.float64))


def _shown(lines: Rows) -> tuple[int, ...]:
    return tuple(int(line) for line in lines[:SHOWN])


def _said(lines: Rows) -> str:
    words = "line" if len(lines) == 1 else "lines"
    return f"{words} {_some([str(line) for line in lines.tolist()])}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
