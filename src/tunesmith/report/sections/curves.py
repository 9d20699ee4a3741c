"""How well probabilities rank rows: ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Labels
from tunesmith.evaluate.weighted import Weights, counts
from tunesmith.report import pictures
from tunesmith.report.drawing import label
from tunesmith.report.facts import Answered, Facts
from tunesmith.report.section import Block, Cell, Chart, Section, table

MOST_CURVES = 6
MOST_POINTS = 160
MOST_LISTED = 25
MOST_SAID = 3
INCHES = (5.6, 4.6)
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def curves(facts: Facts) -> Section | None:
    known = facts.answers
    if known is None or not isinstance(known.prediction, ClassScores | Labels):
        return None
    found = list(_each(known))
    if not found:
        return None
    # Of several classes those are drawn that are ranked worst: there is something to see.
    drawn = sorted(found, key=lambda one: one.area)[:MOST_CURVES]
    blocks: tuple[Block, ...] = (_roc(drawn, known.told), _recall(drawn, known.told))
    if len(found) > 1:
        heads = {"label": None, "ROC AUC": 4, "average precision": 4, "share of rows": 4}
        worst_first = sorted(found, key=lambda one: one.area)
        rows = ([one.name, one.area, one.precise, one.share] for one in worst_first)
        blocks += (table(f"Each label against all others, {known.told}", heads, rows),)
    why = "A curve shows every threshold at once: what is gained of one class for what is lost of "
    why += "the other. Average precision is to be held against the label's share of the rows."
    return Section("curves", "ROC and precision-recall", why, blocks)


@dataclass(frozen=True)
class Found:
    """A label against all others: the area under its ROC curve, its average precision, its share of
    the rows, true over false positive rate, precision over recall."""

    name: str
    area: float
    precise: float
    share: float
    roc: Curve
    precision: Curve


def _each(known: Answered) -> Iterator[Found]:
    """Every label that some rows have and some have not: of two classes the second alone."""
    found, truth = known.prediction, known.truth
    assert isinstance(found, ClassScores | Labels)
    places = range(len(found.classes))
    if isinstance(found, ClassScores) and len(found.classes) == 2:
        places = range(1, 2)
    for place in places:
        several = isinstance(found, Labels)
        positive = truth[:, place] == 1 if several else truth == place
        if 0 < positive.sum() < len(positive):
            yield _of(found.classes[place], positive, found.array()[:, place], known.weights)


def _of(
    name: str, positive: NDArray[np.bool_], marks: NDArray[np.float64], weights: Weights
) -> Found:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    false, true, _ = roc_curve(positive, marks, sample_weight=weights)
    precision, recall, _ = precision_recall_curve(positive, marks, sample_weight=weights)
    own = counts(weights, len(positive))
    return Found(
        name,
        float(auc(false, true)),
        float(average_precision_score(positive, marks, sample_weight=weights)),
        float(own[positive].sum() / own.sum()),
        (_few(false), _few(true)),
        (_few(recall[::-1]), _few(precision[::-1])),
    )


def _few(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """So many points at most, the ends among them."""
    if len(values) <= MOST_POINTS:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, MOST_POINTS).round().astype(int)])


def _roc(drawn: list[Found], of: str) -> Chart:
    ends = np.array([0.0, 1.0])
    said = "; ".join(f"{label(one.name)} {one.area:.3f}" for one in drawn[:MOST_SAID])
    heads = {"label": None, "false positive rate": 3, "true positive rate": 3}
    return Chart(
        "roc",
        "ROC curve",
        f"The area under the curve on {of}, where guessing has 0.5: {said}.",
        table("Points of the curve", heads, _points({one.name: one.roc for one in drawn})),
        pictures.curves(
            {f"{label(one.name)} ({one.area:.3f})": one.roc for one in drawn},
            x="false positive rate",
            y="true positive rate",
            chance=(ends, ends),
        ),
        INCHES,
    )


def _recall(drawn: list[Found], of: str) -> Chart:
    said = "; ".join(
        f"{label(one.name)} {one.precise:.3f}, guessing {one.share:.3f}"
        for one in drawn[:MOST_SAID]
    )
    share = drawn[0].share
    chance = (np.array([0.0, 1.0]), np.array([share, share])) if len(drawn) == 1 else None
    heads = {"label": None, "recall": 3, "precision": 3}
    return Chart(
        "precision_recall",
        "Precision over recall",
        f"Average precision on {of}: {said}.",
        table("Points of the curve", heads, _points({one.name: one.precision for one in drawn})),
        pictures.curves(
            {f"{label(one.name)} ({one.precise:.3f})": one.precision for one in drawn},
            x="recall",
            y="precision",
            chance=chance,
            is_stepped=True,
        ),
        INCHES,
    )


def _points(drawn: Mapping[str, Curve]) -> Iterator[list[Cell]]:
    for name, (across, up) in drawn.items():
        some = np.linspace(0, len(across) - 1, min(MOST_LISTED, len(across))).round().astype(int)
        for place in np.unique(some):
            yield [name, float(across[place]), float(up[place])]
