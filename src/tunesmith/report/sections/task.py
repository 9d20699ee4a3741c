"""What is to be learned from what, and why it was taken so."""

from __future__ import annotations

from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Section, Words, table

ABOUT = ("task", "metric", "split", "weights", "costs", "labels", "few", "folds")


def task(facts: Facts) -> Section:
    reasons = facts.reasons
    known = [name for name in ABOUT if name in reasons]
    blocks: list[Block] = [_what(facts)]
    if known:
        rows = ([name, reasons[name]] for name in known)
        blocks.append(table("What was decided, and why", {"choice": None, "reason": None}, rows))
    columns = facts.problem.get("columns") or facts.model.get("columns") or []
    inputs = set(facts.problem.get("inputs") or [c["name"] for c in columns])
    told = (
        [one["name"], _role(one["name"], facts.target, inputs), one["kind"], one["reason"]]
        for one in columns
    )
    heads = {"column": None, "used as": None, "kind": None, "because": None}
    blocks.append(table("Columns", heads, told))
    why = (
        "A wrong kind of column or a wrong target is the dearest mistake, and the easiest to mend."
    )
    return Section("task", "The task", why, tuple(blocks))


def _role(name: str, target: str, inputs: set[str]) -> str:
    if name == target:
        return "target"
    return "input" if name in inputs else "not used"


def _what(facts: Facts) -> Block:
    kind, classes = str(facts.model.get("task", "")), facts.classes
    told = f"{kind} of {facts.target!r}"
    if classes:
        named = ", ".join(map(repr, classes[:12]))
        more = f" and {len(classes) - 12:,} more" if len(classes) > 12 else ""
        what = "labels" if facts.has_several else "classes"
        told += f" among {len(classes):,} {what}: {named}{more}"
    source = facts.problem.get("source")
    return Words(f"{told}, from {source}." if source else f"{told}.")
