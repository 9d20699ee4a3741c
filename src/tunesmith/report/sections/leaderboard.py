"""Every trial, best first, and which are worth their time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tunesmith.report import plots
from tunesmith.report.board import board_of
from tunesmith.report.facts import Facts
from tunesmith.report.history import STUDENT
from tunesmith.report.section import Block, Chart, Section, Table, counted, table

MOST_DRAWN = 300


def leaderboard(facts: Facts) -> Section | None:
    rows = board_of(facts.summary)
    if not rows:
        return None
    blocks: list[Block] = []
    history = facts.history
    if history is not None and len(history.front()) > 1:
        few, front = history.thinned(MOST_DRAWN), history.front()
        own = [one for one in rows if (one["trial"] or STUDENT) in front]
        says = f"{len(front)} of {counted(len(rows), 'model')} are beaten by no other in score and "
        says += "time alike."
        says += " One of them was distilled from the others." if STUDENT in front else ""
        picture = partial(plots.pareto, few)
        behind = _table(own, facts.metric, "On the front of score and time")
        blocks.append(Chart("pareto", "Score against time to answer", says, behind, picture))
    blocks.append(board(rows, facts.metric))
    why = "Scores of validation rows, which chose among these: the first ones are partly lucky. "
    why += '"Tied" cannot be told from the best by these rows; "front" is beaten by no other in '
    why += "score, time to answer and size alike."
    return Section("leaderboard", "Leaderboard", why, tuple(blocks))


def board(rows: Sequence[Mapping[str, Any]], metric: str) -> Table:
    """The trials of a run as a table, and what was distilled from them."""
    return _table(rows, metric, "Trials, best first; 95 % intervals")


def _table(rows: Sequence[Mapping[str, Any]], metric: str, title: str) -> Table:
    heads = {"rank": None, "trial": None, "learner": None, "reads with": None, metric: 4}
    heads |= {"low": 4, "high": 4, "fit s": 1, "ms a row": 2, "MB": 1, "front": None, "tied": None}
    keys = ["rank", "trial", "learner", "backbone", "score", "low", "high"]
    keys += ["fit_seconds", "predict_ms_per_row", "size_mb"]
    told = (
        [None if row.get(key) == "" else row.get(key) for key in keys]
        + ["yes" if row.get(key) else "" for key in ("pareto", "tied")]
        + [_ending(row)]
        for row in rows
    )
    return table(title, {**heads, "ended": None}, told)


def _ending(row: Mapping[str, Any]) -> str:
    status, reason = str(row.get("status", "")), str(row.get("reason") or "")
    return f"{status}: {reason}" if reason and status != "done" else status
