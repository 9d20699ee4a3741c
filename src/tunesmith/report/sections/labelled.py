"""How the saved model does on rows that the reader brought."""

from __future__ import annotations

from tunesmith.report.facts import Facts
from tunesmith.report.section import Section, Words, table


def labelled(facts: Facts) -> Section | None:
    own = facts.labelled
    if own is None:
        return None
    before = facts.metrics.get("test") or {}
    heads = {"metric": None, "value": 4, "low": 4, "high": 4, "rows": None, "in the run": 4}
    rows = (
        [name, one.value, one.low, one.high, one.rows, (before.get(name) or {}).get("score")]
        for name, one in own.scores.items()
    )
    blocks = (
        Words(
            f"{own.answered.told} of {own.source}, answered by the saved model. Right and wrong "
            "answers, curves and calibration below are of these rows. Where the model has learned "
            "from them, they flatter it."
        ),
        table("Scores; 95 % intervals", heads, rows),
    )
    why = "A score that has fallen says that new rows are not like the old ones."
    return Section("labelled", "On your own labelled rows", why, blocks)
