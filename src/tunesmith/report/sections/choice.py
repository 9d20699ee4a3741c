"""What was chosen, why, and what stands beside it: a model to be read, what more would buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.report.facts import Facts
from tunesmith.report.section import NOTHING, Block, Cell, Section, Table, Words, said, table

ABOUT = ("backbone", "winner", "calibration", "threshold", "stack", "soup")
KEPT_APART = (*ABOUT, "task", "metric", "split", "inputs", "weights", "costs", "labels", "few")


def choice(facts: Facts) -> Section:
    reasons = facts.reasons
    named = [*(n for n in ABOUT if n in reasons), *(n for n in reasons if n not in KEPT_APART)]
    blocks: list[Block] = []
    if named:
        rows = ([name, reasons[name]] for name in named)
        blocks.append(table("Choices", {"choice": None, "reason": None}, rows))
    blocks.append(_members(facts))
    blocks += [Words(text) for text in _beside(facts.summary)]
    if nested := facts.summary.get("nested"):
        blocks.append(_folds(nested))
    blocks += [*_prospects(facts.summary.get("prospects") or {})]
    if config := (facts.summary.get("best") or {}).get("config"):
        blocks.append(_config(config))
    why = "Every choice has its reason and its number, so that you can disagree with it."
    return Section("choice", "What was chosen, and why", why, tuple(blocks))


def _members(facts: Facts) -> Table:
    scores = {one["trial"]: one for one in facts.summary.get("leaderboard") or []}
    rows: list[list[Cell]] = []
    for one in facts.model.get("members") or []:
        known = scores.get(one["trial"], {})
        rows.append(
            [one["trial"], one["learner"], one["backbone"] or None, float(one["weight"])]
            + [known.get(key) for key in ("score", "predict_ms_per_row", "size_mb")]
        )
    heads = {"trial": None, "learner": None, "reads with": None, "weight": 3}
    heads |= {f"{facts.metric}, validation": 4, "ms a row": 2, "MB": 1}
    return table("Who answers", heads, rows)


def _beside(summary: Mapping[str, Any]) -> Iterator[str]:
    for name in ("interpretable", "distilled", "nested"):
        if told := (summary.get(name) or {}).get("message"):
            yield f"{told}."


def _folds(nested: Mapping[str, Any]) -> Table:
    heads = {"outer fold": None, "rows": None, "score": 4, "validation inside": 4, "learner": None}
    keys = ("fold", "rows", "score", "validation", "learner")
    return table("Outer folds", heads, ([one[key] for key in keys] for one in nested["folds"]))


def _prospects(prospects: Mapping[str, Any]) -> Iterator[Block]:
    """What more time and more labelled rows would buy."""
    rows: list[list[Cell]] = []
    for of, what in (("budget", "time"), ("rows", "labelled rows")):
        outlook = prospects.get(of)
        if not outlook:
            continue
        what = "trials" if outlook.get("of") == "trials" else what
        if not outlook["expected"]:
            yield Words(f"With more {what}: {outlook['reason']}.", "quiet")
        rows += [
            [f"{said(float(one['factor']), 0)} times the {what}"]
            + [one[key] for key in ("expected", "low", "high")]
            for one in outlook["expected"]
        ]
    if rows:
        heads = {"with": None, "expected": 4, "low": 4, "high": 4}
        yield table("What more would buy, on validation rows; 80 % intervals", heads, rows)


def _config(config: Mapping[str, Any]) -> Table:
    from tunesmith.report.plots import flat

    rows = ([name, _plain(value)] for name, value in flat(config).items())
    return table("Settings of the best model", {"setting": None, "value": None}, rows)


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value) or NOTHING
