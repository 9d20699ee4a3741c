"""Whether sets and intervals hold the truth as often as they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunesmith.core.predictions import Labels
from tunesmith.evaluate.conformal import Conformal, covered
from tunesmith.evaluate.weighted import mean
from tunesmith.report import pictures
from tunesmith.report.facts import Answered, Facts
from tunesmith.report.section import Block, Cell, Chart, Section, Table, Words, table

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_DRAWN = 24
Group = tuple[str, Mapping[str, Any]]
"""Its name, and how many of its rows are held."""


def coverage(facts: Facts) -> Section | None:
    told = (facts.summary.get("after") or {}).get("coverage")
    saved = (facts.model.get("after") or {}).get("conformal")
    known = facts.labelled.answered if facts.labelled else facts.tested
    blocks: list[Block] = []
    if told:
        blocks += _held(told, has_classes=bool(facts.classes))
    if saved and known is not None and not isinstance(known.prediction, Labels):
        blocks.append(_levels(Conformal.from_json(saved), known))
    if not blocks:
        return None
    why = "A set of classes, or an interval, holds the truth as often as you ask, of new rows like "
    why += "the old ones: predict_set, predict_interval. Groups may still fall short; here they "
    why += "are told apart."
    return Section("coverage", "Conformal coverage", why, tuple(blocks))


def _held(told: Mapping[str, Any], *, has_classes: bool) -> list[Block]:
    size = "classes in a set" if has_classes else "wide"
    blocks: list[Block] = [
        Words(
            f"Asked for {told['asked']:g}, {told['held']:.3f} of {told['rows']:,} rows that "
            f"were scored are held, with {told['mean_size']:,.4g} {size} on average; made "
            f"from {told['calibrated_on']:,} validation rows."
        )
    ]
    groups: list[Group] = [
        (f"{name} = {value}", one)
        for name, values in told.get("groups", {}).items()
        for value, one in values.items()
    ]
    groups = [*(told.get("classes") or {}).items(), *groups]
    if not groups:
        return blocks
    rows = [[name, one["held"], one["rows"]] for name, one in groups]
    behind = table("Held, by class and group", {"group": None, "held": 3, "rows": None}, rows)
    shown = _shortest(groups)
    title = "Held, by class and group"
    if len(shown) < len(groups):
        title += f": {len(shown)} of {len(groups)} that fall short most"
    blocks.append(
        Chart(
            "coverage",
            title,
            f"The share of rows whose truth is held in each of {len(shown)} groups, where "
            f"{told['asked']:g} was asked for, with 95 % intervals.",
            behind,
            pictures.held(
                [name for name, _ in shown],
                np.array([one["held"] for _, one in shown], dtype=float),
                np.array([one["rows"] for _, one in shown], dtype=float),
                float(told["asked"]),
            ),
            (6.0, 1.4 + 0.28 * len(shown)),
        )
    )
    return blocks


def _shortest(groups: list[Group]) -> list[Group]:
    """Those of which it is surest that they fall short, in the order that they came in."""
    held = np.array([one["held"] for _, one in groups], dtype=float)
    rows = np.array([one["rows"] for _, one in groups], dtype=float)
    highest = pictures.wilson(held, rows)[1]
    return [groups[place] for place in np.sort(np.argsort(highest, kind="stable")[:MOST_DRAWN])]


def _levels(conformal: Conformal, known: Answered) -> Table:
    """How often is held what at each level that the rows can tell."""
    rows: list[list[Cell]] = []
    for level in LEVELS:
        if level <= conformal.most:
            held, sizes = covered(conformal, known.truth, known.prediction, level)
            rows.append([level, mean(held, known.weights), mean(sizes, known.weights)])
    heads = {"asked": 2, "held": 3, "mean size": 3}
    return table(f"By what is asked, {known.told}", heads, rows)
