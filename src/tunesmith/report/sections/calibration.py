"""Whether probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.predictions import ClassScores
from tunesmith.evaluate.calibration import quality, reliability
from tunesmith.report import pictures
from tunesmith.report.facts import Answered, Facts
from tunesmith.report.section import Block, Cell, Chart, Section, Table, Words, table

FEWEST_ROWS = 20


def calibration(facts: Facts) -> Section | None:
    told = (facts.summary.get("after") or {}).get("calibration") or {}
    known = facts.answers
    has_rows = known is not None and isinstance(known.prediction, ClassScores)
    if not told and not has_rows:
        return None
    blocks: list[Block] = []
    if reason := facts.reasons.get("calibration"):
        blocks.append(Words(f"Calibration: {reason}."))
    own = _own(known) if known is not None else None
    if facts.labelled and own:
        blocks.append(own)
    elif told.get("reliability"):
        blocks.append(_chart(told["reliability"], facts.classes, "the rows that were scored"))
    elif own:
        blocks.append(own)
    if told:
        blocks.append(_quality(told))
    if facts.labelled and known and isinstance(known.prediction, ClassScores):
        blocks.append(_measured(known, known.prediction))
    if not blocks:
        return None
    why = "A probability of 0.8 should come true four times in five. Bars are what so few rows "
    why += "allow; ECE is the mean distance from the diagonal, Brier and log loss are lower where "
    why += "probabilities are better."
    return Section("calibration", "Calibration", why, tuple(blocks))


def _own(known: Answered) -> Chart | None:
    found = known.prediction
    if not isinstance(found, ClassScores) or len(known) < FEWEST_ROWS:
        return None
    bins = reliability(known.truth, found, weights=known.weights)
    return _chart(bins, found.classes, known.told)


def _chart(bins: Sequence[Mapping[str, Any]], classes: tuple[str, ...], of: str) -> Chart:
    whose = f"of {classes[1]!r}" if len(classes) == 2 else "of the likeliest class"
    many = sum(one["rows"] for one in bins)
    far = sum(abs(one["said"] - one["came"]) * one["rows"] for one in bins) / max(1, many)
    return Chart(
        "calibration",
        f"What was said, and what came: the probability {whose}",
        f"On {of} what came true lies {far:.3f} from what was said, on average of {len(bins)} "
        "bins.",
        table(
            f"Bins of {of}",
            {"said": 3, "came true": 3, "rows": None},
            ([one[key] for key in ("said", "came", "rows")] for one in bins),
        ),
        pictures.reliability(bins),
        (5.6, 4.6),
    )


def _quality(told: Mapping[str, Any]) -> Table:
    names = {"log_loss": "log loss", "ece": "ECE", "brier": "Brier"}
    rows: list[list[Cell]] = [
        [name, told["before"].get(key), told["after"].get(key)] for key, name in names.items()
    ]
    title = f"Quality of probabilities on the rows that were scored; method: {told['method']}"
    return table(title, {"measure": None, "before": 4, "after": 4}, rows)


def _measured(known: Answered, found: ClassScores) -> Table:
    inside = known.truth >= 0
    weights = None if known.weights is None else known.weights[inside]
    measured = quality(known.truth[inside], found.take(inside.nonzero()[0]), weights)
    title = f"Quality of probabilities on {known.told}"
    return table(title, {"measure": None, "value": 4}, measured.items())
