"""Scores by groups of people, where columns were named for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Cell, Section, Words, table


def fairness(facts: Facts) -> Section | None:
    told = facts.summary.get("fairness") or {}
    if not told:
        return None
    blocks = [block for name, one in told.items() for block in _column(name, one)]
    why = "A good mean can hide that some are served worse; gaps stand with their intervals, and "
    why += "groups too small to tell are marked."
    return Section("fairness", "By groups", why, tuple(blocks))


def _column(name: str, told: Mapping[str, Any]) -> Iterator[Block]:
    if message := told.get("message"):
        yield Words(f"{message}.")
    groups = told.get("groups") or []
    if groups:
        measures = tuple(groups[0]["metrics"])
        rows = (
            [*_named(one), *(_value(one["metrics"][key]) for key in measures)] for one in groups
        )
        heads = {"group": None, "rows": None, "too few": None, **dict.fromkeys(measures, 3)}
        yield table(f"By {name}", heads, rows)
    if gaps := told.get("gaps"):
        rows = (
            [key, *(one[side] for side in ("value", "low", "high"))] for key, one in gaps.items()
        )
        heads = {"gap": None, "value": 3, "low": 3, "high": 3}
        yield table(f"Gaps between groups of {name}; 95 % intervals", heads, rows)


def _named(one: Mapping[str, Any]) -> list[Cell]:
    return [str(one["name"]), int(one["rows"]), "yes" if one.get("is_small") else ""]


def _value(one: Any) -> Cell:
    return one.get("value") if isinstance(one, Mapping) else one
