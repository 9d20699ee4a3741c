"""Where to draw the line: thresholds, and answers that are better not given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.predictions import HALF, ClassScores
from tunesmith.evaluate.abstaining import risk_coverage
from tunesmith.evaluate.weighted import counts
from tunesmith.report import pictures
from tunesmith.report.drawing import label
from tunesmith.report.facts import Answered, Facts
from tunesmith.report.section import Block, Chart, Section, Table, Words, table

FEWEST_ROWS = 20
PLACES = np.arange(1, 100) / 100
LISTED = np.arange(1, 20) * 5 - 1
"""Of the places those in steps of 0.05."""


def thresholds(facts: Facts) -> Section | None:
    blocks: list[Block] = []
    if reason := facts.reasons.get("threshold"):
        blocks.append(Words(f"Threshold: {reason}."))
    after = facts.model.get("after") or {}
    if after.get("thresholds"):
        blocks.append(_of_labels(facts.classes, after["thresholds"]))
    # Thresholds are chosen by the rows that select, never by those that prove.
    known = facts.validated or facts.answers
    if known is not None and isinstance(known.prediction, ClassScores):
        if len(known) >= FEWEST_ROWS:
            if len(facts.classes) == 2:
                weights = after.get("weights") or (HALF, HALF)
                decided = None if facts.model.get("costs") else weights[0] / sum(weights)
                blocks.append(_two(known, known.prediction, decided))
            if not facts.model.get("costs"):  # then the likeliest class is not the answer
                blocks.append(_abstaining(facts.answers or known))
    elif after.get("weights"):
        blocks.append(_of_classes(facts.classes, after["weights"]))
    if not any(isinstance(block, Chart | Table) for block in blocks):
        return None
    why = "The likeliest class is not always the best answer: a threshold trades one kind of error "
    why += "for the other, and the least sure answers can be left to people."
    return Section("thresholds", "Thresholds and abstaining", why, tuple(blocks))


def _of_labels(classes: tuple[str, ...], least: list[float]) -> Table:
    rows = ([name, float(one)] for name, one in zip(classes, least, strict=True))
    return table("A label is answered from this probability on", {"label": None, "from": 3}, rows)


def _of_classes(classes: tuple[str, ...], weights: list[float]) -> Table:
    rows = ([name, float(one)] for name, one in zip(classes, weights, strict=True))
    return table("What a probability counts", {"class": None, "weight": 3}, rows)


def _two(known: Answered, found: ClassScores, chosen: float | None) -> Chart:
    """What becomes of two classes at each threshold of the second; none is chosen where costs
    decide."""
    answers = "by what answers cost" if chosen is None else f"at {chosen:.3f}"
    rates = _rates(known.truth, found.array()[:, 1], counts(known.weights, len(known)))
    rows = ([float(PLACES[at]), *(float(one[at]) for one in rates.values())] for at in LISTED)
    second = found.classes[1]
    return Chart(
        "thresholds",
        f"Answering {second!r} from this probability on",
        f"Accuracy, precision, recall and F1 of {second!r} by threshold on {known.told}; the model "
        f"answers {answers}.",
        table(f"By threshold, {known.told}", {"threshold": 2, **dict.fromkeys(rates, 3)}, rows),
        pictures.lines(
            PLACES,
            rates,
            across=f"threshold of {label(second)}",
            up="share",
            mark=chosen,
            at=f"the model answers {answers}",
        ),
    )


def _rates(
    truth: NDArray[np.int64], marks: NDArray[np.float64], own: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Of every threshold, NaN where nothing is answered so."""
    given = marks[None, :] >= PLACES[:, None]
    positive = truth == 1
    right, all_given = given @ (own * positive), given @ own
    wanted, whole = (own * positive).sum(), own.sum()
    accuracy = (right + (~given) @ (own * (truth == 0))) / whole
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(all_given > 0, right / all_given, np.nan)
    return {
        "accuracy": accuracy,
        "precision": precision,
        "recall": right / max(wanted, 1e-12),
        "F1": 2 * right / np.maximum(wanted + all_given, 1e-12),
    }


def _abstaining(known: Answered) -> Chart:
    assert isinstance(known.prediction, ClassScores)
    steps = risk_coverage(known.truth, known.prediction, known.weights)
    share = np.array([one["coverage"] for one in steps])
    risk = np.array([one["risk"] for one in steps])
    half = float(np.interp(0.5, share, risk))
    heads = {"answered": 2, "wrong of them": 4, "from a confidence of": 3}
    keys = ("coverage", "risk", "confidence")
    return Chart(
        "abstaining",
        "Leaving the least sure rows unanswered",
        f"Of all of {known.told} {100 * risk[-1]:.1f} % are answered wrong, of the surer half "
        f"{100 * half:.1f} %.",
        table("By share of rows answered", heads, ([o[k] for k in keys] for o in steps[4::5])),
        pictures.lines(
            share,
            {"wrong among those answered": risk},
            across="share of rows answered, the surest first",
            up="share",
            mark=None,
            at="",
        ),
    )
