"""What was found wrong with the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Section, Table, Words, table

MOST_SUSPECTS, FEW_SUSPECTS = 25, 5
"""Rows of the list; and of one where none looks mislabelled."""


def audit(facts: Facts) -> Section:
    findings = facts.summary.get("findings") or facts.problem.get("findings") or []
    blocks: list[Block] = []
    if findings:
        heads = {"check": None, "rows": None, "what was found": None}
        rows = ([one["check"], one.get("count") or None, one["message"]] for one in findings)
        blocks.append(table("Findings", heads, rows))
    else:
        blocks.append(Words("Nothing was found: no leak, no duplicate, no conflicting label."))
    suspects = facts.others.get("suspects") or {}
    if suspects.get("rows"):
        blocks += [Words(_looked(suspects)), _suspects(suspects["rows"])]
    if ablation := (facts.others.get("ablation") or {}).get("rows"):
        blocks.append(_ablation(ablation))
    why = (
        "Leaks and wrong labels make a score a lie; they are looked for before anything is fitted."
    )
    return Section("audit", "Data audit", why, tuple(blocks))


def _looked(suspects: Mapping[str, Any]) -> str:
    many, flagged = suspects["rows_looked_at"], suspects["flagged"]
    told = f"{flagged:,} of {many:,} rows look mislabelled, by {suspects['answers']}."
    if gone := suspects.get("left_out"):
        told += (
            f" Leaving them out of training changes the {gone['metric']} of {gone['learner']} from "
            f"{gone['with']:.4f} to {gone['without']:.4f}, {gone['gain']:+.4f} "
            f"[{gone['low']:+.4f}, {gone['high']:+.4f}]."
        )
    return told


def _suspects(rows: list[Mapping[str, Any]]) -> Table:
    some = rows[: MOST_SUSPECTS if any(one["flagged"] for one in rows) else FEW_SUSPECTS]
    title = "Rows whose label is least probable: look at these first"
    keys: tuple[str, ...]
    if "residual" in some[0]:
        heads: dict[str, int | None] = {"line": None, "given": 4, "answered": 4, "residual": 4}
        keys = ("line", "given", "likelier", "residual", "flagged")
    else:
        heads = {"line": None, "given": None, "its probability": 3, "likelier": None}
        heads |= {"its probability then": 3}
        keys = ("line", "given", "given_probability", "likelier", "likelier_probability", "flagged")
    return table(title, {**heads, "flagged": None}, ([one[key] for key in keys] for one in some))


def _ablation(rows: list[Mapping[str, Any]]) -> Table:
    heads = {"what": None, "alone": 4, "lost without it": 4, "low": 4, "high": 4}
    keys = ("what", "alone", "lost", "lost_low", "lost_high")
    return table(
        "What each column is worth", heads, ([one.get(key) for key in keys] for one in rows)
    )
