"""Whether new rows look like those of a fit: property by property, and all together.

A shift is told where it is neither chance (p-values corrected for the number of properties) nor
small (an effect size): of a large table every difference is significant, and most do not matter.
All together: can a quick model tell new rows from old ones?

Source: Benjamini & Hochberg, "Controlling the False Discovery Rate", Journal of the Royal
Statistical Society B 1995; Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017;
Rabanser et al., "Failing Loudly: An Empirical Study of Methods for Detecting Dataset Shift",
NeurIPS 2019."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.printable import printable
from tunesmith.core.seeds import derive, generator
from tunesmith.evaluate.profile import Sketched
from tunesmith.evaluate.properties import Property
from tunesmith.evaluate.sketches import LevelSketch, NumberSketch, WordSketch, document_counts

LEVEL = 0.01
"""Of the corrected p-values, and of the test of all together."""
LEAST_EFFECT = 0.1
"""Of a Kolmogorov-Smirnov distance, a Jensen-Shannon distance, or a difference in the share of
texts with a word."""
LEAST_MISSING = 0.05
LEAST_AUC = 0.6
FEWEST_ROWS = 20
NEW_LEVELS, NEW_SHARE = 5, 0.02
"""New levels that are named, and the share of rows with such that is told by itself."""
WORD_SHARE = "share of texts with a word"
MOST_NEW_WORDS = 100
"""The commonest words of new texts that a sketch does not hold."""
MOST_COMPARED = 2_000
FEWEST_COMPARED = 50
FOLDS = 5

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """How a property of new rows lies to that of the fit's. `effect` is of the measure `measure`;
    `p` the probability of it by chance alone, `corrected` for the number of properties; `drifted`
    where it is neither chance nor small; `said` what changed, in words; `new_levels` some that no
    row of the fit had."""

    column: str
    about: str
    measure: str
    effect: float
    p: float
    corrected: float
    drifted: bool
    said: str
    new_levels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.column if self.about == "value" else f"{self.column}: {self.about}"


@dataclass(frozen=True)
class Distinction:
    """How well a quick model tells new rows from those of the fit: the area under the ROC curve by
    cross-validation with its 95 % interval (0.5: not at all), of how many rows of each, and by what
    (`of`). `distinct` where that is neither chance nor little."""

    of: str
    auc: float
    low: float
    high: float
    p: float
    old_rows: int
    new_rows: int
    distinct: bool

    def told(self) -> dict[str, Any]:
        return asdict(self)


def shifts(
    each: Sequence[Sketched], found: Mapping[tuple[str, str], Property]
) -> tuple[Shift, ...]:
    """The shift of every property that new rows have too, those that drifted first, by effect."""
    from scipy.stats import false_discovery_control

    told: list[Shift] = []
    for sketched in each:
        one = found.get((sketched.column, sketched.about))
        if one is None or not len(one.values):
            continue
        told += _compared(sketched, one)
    if not told:
        return ()
    corrected = false_discovery_control([one.p for one in told], method="bh")
    told = [
        replace(one, corrected=float(q), drifted=bool(q <= LEVEL and one.drifted))
        for one, q in zip(told, corrected, strict=True)
    ]
    return tuple(sorted(told, key=lambda one: (not one.drifted, -one.effect)))


def _compared(sketched: Sketched, one: Property) -> list[Shift]:
    sketch, missing = sketched.sketch, one.missing()
    known = one.values[~missing]
    told = []
    gone, all_rows = sketch.missing, sketch.rows + sketch.missing
    if sketched.about == "value" and (gone or missing.any()):
        told.append(_of_missing(sketched, gone / max(1, all_rows), all_rows, missing))
    if min(len(known), sketch.rows) < FEWEST_ROWS:
        return told
    if isinstance(sketch, NumberSketch):
        told.append(_of_numbers(sketched, sketch, known))
    elif isinstance(sketch, LevelSketch):
        told.append(_of_levels(sketched, sketch, known))
    else:
        told.append(_of_words(sketched, sketch, known))
    return told


def _shift(
    sketched: Sketched,
    measure: str,
    effect: float,
    p: float,
    is_large: bool,
    said: str,
    **more: Any,
) -> Shift:
    return Shift(
        sketched.column, sketched.about, measure, effect, float(np.clip(p, 0, 1)), 1.0, is_large,
        said, **more,
    )  # fmt: skip


def _of_missing(sketched: Sketched, before: float, rows: int, missing: NDArray[np.bool_]) -> Shift:
    now = float(missing.mean())
    table = [
        [round(before * rows), rows - round(before * rows)],
        [int(missing.sum()), int((~missing).sum())],
    ]
    p = _fisher(table)
    found = _shift(
        sketched, "missing share", abs(now - before), p, abs(now - before) >= LEAST_MISSING,
        f"missing in {before:.0%} -> {now:.0%} of rows",
    )  # fmt: skip
    return replace(found, about="missing cells")


def _fisher(table: Sequence[Sequence[int]]) -> float:
    from scipy.stats import chi2_contingency, fisher_exact

    counts = np.array(table)
    if counts.min() > 10:
        return float(chi2_contingency(counts).pvalue)
    return float(fisher_exact(counts).pvalue)


def _of_numbers(sketched: Sketched, sketch: NumberSketch, known: NDArray[Any]) -> Shift:
    """Kolmogorov and Smirnov's test against the sketch, whose own coarseness is no distance."""
    from scipy.stats import kstwobign

    is_date = known.dtype.kind == "M"
    plain = known.astype("datetime64[s]").astype(np.int64) if is_date else known
    values: Numbers = np.sort(plain).astype(np.float64)
    points = np.union1d(values, sketch.values)
    after = np.searchsorted(values, points, side="right") / len(values)
    distance = max(0.0, float(np.abs(after - sketch.at(points)).max()) - sketch.room)
    size = np.sqrt(len(values) * sketch.rows / (len(values) + sketch.rows))
    p = float(kstwobign.sf((size + 0.12 + 0.11 / size) * distance))
    return _shift(
        sketched, "Kolmogorov-Smirnov distance", distance, p, distance >= LEAST_EFFECT,
        _said_numbers(sketched, sketch, values, is_date),
    )  # fmt: skip


def _said_numbers(sketched: Sketched, sketch: NumberSketch, values: Numbers, is_date: bool) -> str:
    def said(value: float) -> str:
        if is_date:
            return str(np.datetime64(int(value), "s").astype("datetime64[D]"))
        return f"{value:.4g}" if value != round(value) else f"{value:.0f}"

    old = np.repeat(sketch.values, np.maximum(np.round(sketch.counts), 1).astype(int))
    told = f"median {said(float(np.median(old)))} -> {said(float(np.median(values)))}"
    low, high = sketch.values[0], sketch.values[-1]
    outside = float(((values < low) | (values > high)).mean())
    if is_date:
        told += f", range {said(low)} to {said(high)} -> {said(values[0])} to {said(values[-1])}"
    if float(np.median(old)) == float(np.median(values)) and not is_date:
        told += f", mean {said(float(old.mean()))} -> {said(float(values.mean()))}"
    return told + (f", {outside:.0%} of rows outside of what was seen" if outside >= 0.005 else "")


def _of_levels(sketched: Sketched, sketch: LevelSketch, known: NDArray[Any]) -> Shift:
    from scipy.stats import chi2_contingency

    counts = Counter(map(str, known))
    names = list(sketch.levels)
    before = np.array([*sketch.levels.values(), sketch.other], dtype=np.float64)
    after = np.array([*(counts[name] for name in names), 0.0])
    after[-1] = len(known) - after.sum()
    distance = _jensen_shannon(before, after)
    p = 1.0
    pooled = _pooled(np.stack([before, after]))
    if pooled.shape[1] > 1:
        p = float(chi2_contingency(pooled, correction=False).pvalue)
    new = [(count, level) for level, count in counts.items() if sketch.is_new(level)]
    share = sum(count for count, _ in new) / len(known)
    named = tuple(level for _, level in sorted(new, key=lambda one: (-one[0], one[1])))[:NEW_LEVELS]
    return _shift(
        sketched, "Jensen-Shannon distance", distance, p, distance >= LEAST_EFFECT,
        _said_levels(names, before, after, share, named), new_levels=named,
    )  # fmt: skip


def _jensen_shannon(one: Numbers, other: Numbers) -> float:
    from scipy.spatial.distance import jensenshannon

    found = float(jensenshannon(one, other, base=2))
    return found if np.isfinite(found) else 0.0


def _pooled(table: Numbers) -> Numbers:
    """Counts with the columns in which less than five are expected put together."""
    table = table[:, table.sum(axis=0) > 0]
    total = table.sum()
    expected = table.sum(axis=0) * table.sum(axis=1).min() / total if total else table[0]
    rare = expected < 5
    if rare.sum() < 2:
        return table
    return np.concatenate([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)], axis=1)


def _said_levels(
    names: Sequence[str], before: Numbers, after: Numbers, share: float, new: Sequence[str]
) -> str:
    shares = before / max(before.sum(), 1), after / max(after.sum(), 1)
    change = shares[1] - shares[0]
    order = np.argsort(-np.abs(change), kind="stable")[:2]
    words = [*(f"'{printable(name, 40)}'" for name in names), "rare or new levels"]
    told = [f"{words[i]} {shares[0][i]:.0%} -> {shares[1][i]:.0%}" for i in order]
    if share >= NEW_SHARE:
        shown = ", ".join(f"'{printable(level, 40)}'" for level in new)
        told.append(f"{share:.0%} of rows have a level that is new ({shown})")
    return ", ".join(told)


def _of_words(sketched: Sketched, sketch: WordSketch, known: NDArray[Any]) -> Shift:
    """The words whose share of texts changed most; p is corrected for how many were looked at. Of a
    word that was not kept the change is at least that from the most texts that it may have been in.
    """
    from scipy.stats import norm

    counts = document_counts(known)
    new = sorted(counts.keys() - sketch.words.keys(), key=lambda word: (-counts[word], word))
    words = [*sketch.words, *new[:MOST_NEW_WORDS]]
    if not words:
        return _shift(sketched, WORD_SHARE, 0.0, 1.0, False, "no text has a word")
    floor = sketch.most_other
    old = np.array([sketch.words.get(word, floor) for word in words], dtype=np.float64)
    before, after = old / sketch.rows, np.array([counts[word] for word in words]) / len(known)
    # Of a word that was not kept: as often before as now, where it may have been so.
    unkept = np.arange(len(words)) >= len(sketch.words)
    before = np.where(unkept, np.minimum(before, after), before)
    shared = (before * sketch.rows + after * len(known)) / (sketch.rows + len(known))
    spread = np.sqrt(np.maximum(shared * (1 - shared), 1e-9) * (1 / sketch.rows + 1 / len(known)))
    change = np.abs(after - before)
    p = float(min(1.0, 2 * norm.sf((change / spread).max()) * (len(sketch.words) + len(new))))
    order = np.argsort(-change, kind="stable")[:3]
    told = ", ".join(
        f"'{printable(words[i], 40)}' in {'at most ' * bool(unkept[i])}{before[i]:.0%} -> "
        f"{after[i]:.0%}"
        for i in order
    )
    effect = float(change.max())
    found = _shift(sketched, WORD_SHARE, effect, p, effect >= LEAST_EFFECT, told)
    return replace(found, about="words in texts")


def distinction(
    old: Numbers, new: Numbers, of: str, *, seed: int = 0, is_dense: bool = False
) -> Distinction | None:
    """Whether a quick model tells new rows from old ones; None where either are too few.

    Args:
        old: Numbers of rows of the fit, shape (rows, width), NaN where missing.
        new: The same of new rows.
        of: What these numbers are.
        is_dense: Whether they are features, each of which says a little: a plane then parts the
            rows, and trees otherwise.
    """
    if min(len(old), len(new)) < FEWEST_COMPARED or not old.shape[1]:
        return None
    if len(new) > MOST_COMPARED:
        new = new[np.sort(generator(seed, "compared").permutation(len(new))[:MOST_COMPARED])]
    rows = np.concatenate([old, new])
    truth = np.repeat([0, 1], [len(old), len(new)])
    scores = _crossed(rows, truth, seed, _plane if is_dense else _trees)
    auc, spread = _area(scores[truth == 0], scores[truth == 1])
    from scipy.stats import mannwhitneyu

    p = float(mannwhitneyu(scores[truth == 1], scores[truth == 0], alternative="greater").pvalue)
    room = 1.96 * spread
    return Distinction(
        of, auc, max(0.0, auc - room), min(1.0, auc + room), p, len(old), len(new),
        bool(p <= LEVEL and auc >= LEAST_AUC),
    )  # fmt: skip


def _crossed(
    rows: Numbers, truth: NDArray[np.int64], seed: int, build: Callable[[int], Any]
) -> Numbers:
    """How new each row looks to a model that has not seen it, shape (rows,)."""
    from sklearn.model_selection import StratifiedKFold

    found = np.empty(len(rows))
    state = derive(seed, "distinction") % 2**31
    for train, valid in StratifiedKFold(FOLDS, shuffle=True, random_state=state).split(rows, truth):
        model = build(state).fit(rows[train], truth[train])
        found[valid] = model.decision_function(rows[valid])
    return found


def _trees(state: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=40,
        learning_rate=0.1,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=state,
    )


def _plane(state: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", random_state=state)
    )


def _area(old: Numbers, new: Numbers) -> tuple[float, float]:
    """The area under the ROC curve, and its standard error.

    Source: DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated
    receiver operating characteristic curves", Biometrics 1988, in the form of placements.
    """
    above = _placed(np.sort(old), new)
    below = _placed(np.sort(new), old)
    placed, missed = above, 1 - below
    variance = placed.var(ddof=1) / len(new) + missed.var(ddof=1) / len(old)
    return float(placed.mean()), float(np.sqrt(variance))


def _placed(ordered: Numbers, values: Numbers) -> Numbers:
    """The share of some numbers that each of others lies above, half of those that equal it."""
    both = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(both / (2 * len(ordered)))
