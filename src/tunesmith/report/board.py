"""The leaderboard of a run with the model that was distilled from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DISTILLED = "distilled"
"""How such a line of a leaderboard says that it is no trial."""


def board_of(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every trial, best first, and where it stands among them the model that learned from them. It
    has no rank, as it chose nothing; trials that it beats in score, time to answer and size alike
    are not on the front any more."""
    rows = [dict(row) for row in summary.get("leaderboard") or []]
    own = student_row(summary)
    if own is None:
        return rows
    among = summary["distilled"]["among"]
    for row in rows:
        row["pareto"] = bool(row["pareto"]) and row["trial"] not in among["beats"]
    below = (n for n, row in enumerate(rows) if not row["rank"] or row["trial"] in among["above"])
    place = next(below, len(rows))
    return [*rows[:place], own, *rows[place:]]


def student_row(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """The line of a leaderboard for the model that was distilled and kept; None where there is
    none, or it is of a version that did not compare it with the trials."""
    told = summary.get("distilled") or {}
    among = told.get("among")
    if not among or not told.get("folder"):
        return None
    models, rows = told["models"], among["rows"]
    reason = f"learned from {models} models" if models > 1 else "learned from the model"
    if not among["all_rows"]:
        reason += f"; its score is of {rows:,} of the validation rows"
    low, high = among["interval"]
    return {
        "rank": None,
        "trial": None,
        "learner": told["learner"],
        "backbone": told["config"].get("backbone", ""),
        "status": DISTILLED,
        "share": 1.0,
        "reason": reason,
        "score": among["score"],
        "low": low,
        "high": high,
        "fit_seconds": told["fit_seconds"],
        "stored_seconds": 0.0,
        "predict_ms_per_row": among["ms_per_row"],
        "size_mb": told["size_mb"],
        "memory_mb": None,
        "parameters": None,
        "notes": {},
        "pareto": not among["beaten_by"],
        "tied": None,
        "config": told["config"],
    }
