"""Where answers are wrong: which labels are taken for which, how far off numbers are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import ClassScores, Labels, Values
from tunesmith.report import pictures
from tunesmith.report.facts import Answered, Facts
from tunesmith.report.section import Block, Cell, Chart, Section, Table, Words, table

MOST_CLASSES = 20
MOST_PAIRS = 20
MOST_DOTS = 400
BINS = 24
WHY = "A mean hides where a model fails; here it is told label by label, range by range."


def errors(facts: Facts) -> Section | None:
    known = facts.answers
    if known is None:
        stored = (facts.metrics.get("test_confusion") or {}).get("counts")
        if stored:
            return _section(_classes(np.array(stored), facts.classes, "test rows"))
        return _section([Words(facts.untold, "quiet")]) if facts.untold else None
    found = known.prediction
    if isinstance(found, ClassScores):
        return _section(_classes(_counted(known, found), found.classes, known.told))
    if isinstance(found, Labels):
        return _section([_labels(known, found)])
    return _section(_numbers(known, found, facts.target))


def _counted(known: Answered, found: ClassScores) -> NDArray[np.int64]:
    """How often each label (row) got each answer (column); labels that the model does not know are
    left out."""
    count, inside = len(found.classes), known.truth >= 0
    places = known.truth[inside] * count + known.answered()[inside]
    return np.bincount(places, minlength=count * count).reshape(count, count)


def _section(blocks: list[Block]) -> Section:
    return Section("errors", "Right and wrong answers", WHY, tuple(blocks))


def _classes(counts: NDArray[np.int64], classes: tuple[str, ...], of: str) -> list[Block]:
    right, rows, given = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    wrong = rows + given - 2 * right
    shown = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    some = counts[np.ix_(shown, shown)]
    names = [classes[place] for place in shown]
    share = right.sum() / max(1, rows.sum())
    title = "Labels by answers"
    if len(shown) < len(classes):
        title += f", of the {len(shown)} of {len(classes):,} classes with the most errors"
    behind = table(
        f"Labels (rows) by answers (columns), {of}",
        {"label": None, **dict.fromkeys(names)},
        ([name, *map(int, row)] for name, row in zip(names, some, strict=True)),
        is_heat=True,
    )
    side = float(np.clip(3.4 + 0.22 * len(shown), 4.0, 7.0))
    blocks: list[Block] = [
        Chart(
            "confusion",
            title,
            f"{100 * share:.1f} % of {of} are answered right, on the diagonal.",
            behind,
            pictures.confusion(some, names),
            (side + 1.4, side),
        )
    ]
    blocks.append(_by_class(counts, classes, of))
    if len(classes) > 2 and (pairs := _pairs(counts, classes)):
        heads = {"label": None, "answered as": None, "rows": None, "of the label": 3}
        blocks.append(table(f"The most frequent mistakes, {of}", heads, pairs))
    return blocks


def _by_class(counts: NDArray[np.int64], classes: tuple[str, ...], of: str) -> Table:
    right, rows, given = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    recall, precision = right / np.maximum(rows, 1), right / np.maximum(given, 1)
    f1 = 2 * right / np.maximum(rows + given, 1)
    order = np.argsort(f1, kind="stable")
    told: list[list[Cell]] = [
        [
            classes[place],
            int(rows[place]),
            float(recall[place]) if rows[place] else None,
            float(precision[place]) if given[place] else None,
            float(f1[place]) if rows[place] else None,
        ]
        for place in order
    ]
    heads = {"label": None, "rows": None, "recall": 3, "precision": 3, "F1": 3}
    return table(f"Each label, the hardest first, {of}", heads, told)


def _pairs(counts: NDArray[np.int64], classes: tuple[str, ...]) -> list[list[Cell]]:
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:MOST_PAIRS]
    places = [divmod(int(one), len(classes)) for one in order]
    return [
        [
            classes[row],
            classes[column],
            int(off[row, column]),
            float(off[row, column] / counts[row].sum()),
        ]
        for row, column in places
        if off[row, column]
    ]


def _labels(known: Answered, found: Labels) -> Table:
    truth, chosen = known.truth[:, : len(found.classes)] == 1, found.chosen()
    right, rows, given = (truth & chosen).sum(0), truth.sum(0), chosen.sum(0)
    f1 = 2 * right / np.maximum(rows + given, 1)
    told: list[list[Cell]] = [
        [
            found.classes[place],
            int(rows[place]),
            float(right[place] / rows[place]) if rows[place] else None,
            float(right[place] / given[place]) if given[place] else None,
            float(f1[place]) if rows[place] else None,
        ]
        for place in np.argsort(f1, kind="stable")
    ]
    heads = {"label": None, "rows": None, "recall": 3, "precision": 3, "F1": 3}
    return table(f"Each label, the hardest first, {known.told}", heads, told)


def _numbers(known: Answered, found: Values, target: str) -> list[Block]:
    truth, answers = known.truth.astype(float), found.values
    off = answers - truth
    places = np.linspace(0, len(off) - 1, min(len(off), MOST_DOTS)).round().astype(int)
    heights, edges = np.histogram(off, bins=min(BINS, max(4, len(off) // 8)))
    bounds = (
        [float(a), float(b), int(n)] for a, b, n in zip(edges, edges[1:], heights, strict=False)
    )
    drawn = "" if len(places) == len(off) else f" {len(places):,} of them are drawn."
    far = [float(np.quantile(np.abs(off), share)) for share in (0.5, 0.9)]
    return [
        Chart(
            "answers",
            "Answers against the truth",
            f"Half of {known.told} are answered within {far[0]:,.4g}, nine of ten within "
            f"{far[1]:,.4g}.{drawn}",
            _tenths(truth, answers, known.told),
            pictures.against(truth[places], answers[places], target),
        ),
        Chart(
            "residuals",
            "How far off",
            f"Answer minus truth has a mean of {off.mean():,.4g} over {known.told}.",
            table("Rows by how far off", {"from": 3, "to": 3, "rows": None}, bounds),
            pictures.histogram(heights, edges, "answer minus truth"),
        ),
    ]


def _tenths(truth: NDArray[np.float64], answers: NDArray[np.float64], of: str) -> Table:
    order = np.argsort(answers, kind="stable")
    parts = [rows for rows in np.array_split(order, 10) if len(rows)]
    told = (
        [
            *(float(answers[rows[end]]) for end in (0, -1)),
            len(rows),
            float((answers - truth)[rows].mean()),
            float(np.abs(answers - truth)[rows].mean()),
        ]
        for rows in parts
    )
    heads = {"answers from": 3, "to": 3, "rows": None, "mean error": 3, "mean absolute error": 3}
    return table(f"Errors by tenths of the answers, {of}", heads, told)
