"""What a reader wants first: how good, by which rows, at what cost, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunesmith.report.facts import Facts
from tunesmith.report.section import (
    Block,
    Section,
    Tile,
    Tiles,
    Words,
    counted,
    duration,
    interval,
    said,
    table,
)


def glance(facts: Facts) -> Section:
    summary = facts.summary
    blocks: list[Block] = [Tiles(tuple(_tiles(facts)))]
    blocks += [Words(text, "warning") for text in _warnings(facts)]
    if winner := facts.reasons.get("winner"):
        blocks.append(Words(f"Why this model: {winner}."))
    if facts.is_final and (is_what := summary.get("model_is")):
        blocks.append(Words(f"The saved model is {is_what}.", "quiet"))
    if scores := facts.metrics.get("test"):
        blocks.append(_scores(scores, summary))
    why = "The score that counts is taken on rows that chose nothing, with the interval that so "
    why += "few or many rows allow."
    return Section("glance", "At a glance", why, tuple(blocks))


def _tiles(facts: Facts) -> Iterator[Tile]:
    summary = facts.summary
    low, high = summary.get("interval") or (None, None)
    rows = summary.get("score_rows")
    about = f"{interval(low, high)} on {rows:,} rows; {summary.get('score_is', '')}" if rows else ""
    yield Tile(facts.metric, said(summary.get("score")), about or str(summary.get("score_is", "")))
    best = summary.get("best") or {}
    members = best.get("members", 1)
    what = f"a blend of {members} models, first of them" if members > 1 else "the best one alone"
    reader = f"; reads with {best['backbone']}" if best.get("backbone") else ""
    yield Tile("model", str(best.get("learner", "")), f"{what}, trial {best.get('trial')}{reader}")
    parts = summary.get("rows") or {}
    told = ", ".join(f"{many:,} {part}" for part, many in parts.items())
    folds = f"; {summary['folds']} folds over those that teach" if summary.get("folds") else ""
    yield Tile("rows", said(_distinct(parts, bool(folds))), told + folds)
    if seconds := summary.get("seconds"):
        trials = counted(int(summary.get("trials") or 0), "trial")
        yield Tile("time", duration(seconds), f"{trials}{_asked(facts.request)}")


def _distinct(parts: Mapping[str, int], has_folds: bool) -> int:
    """How many rows there are; with folds those that teach select too."""
    return sum(many for part, many in parts.items() if not (has_folds and part == "valid"))


def _asked(request: Mapping[str, Any]) -> str:
    budget = request.get("budget") or {}
    if budget.get("trials"):
        return f" of {budget['trials']:,} asked for"
    seconds = budget.get("seconds")
    return f", of {duration(seconds)} given" if seconds else ""


def _warnings(facts: Facts) -> Iterator[str]:
    history, summary = facts.history, facts.summary
    if history is not None and history.state == "running":
        yield "The run is under way: what stands here is how far it has come."
    if not facts.is_final:
        yield _unproven(str(summary.get("score_is", "")))
    elif history is not None and history.state == "cut short":
        yield "The run was cut short after its last score; tunesmith resume goes on with it."
    if clean := summary.get("score_without_leaks"):
        yield (
            f"Without rows whose inputs also stand in the training rows the score is "
            f"{said(clean['score'])} {interval(clean['low'], clean['high'])} on {clean['rows']:,} "
            "rows."
        )


def _unproven(score_is: str) -> str:
    if score_is != "validation":
        return f"The model was not scored: {score_is}."
    return (
        "The model was not scored on rows kept apart: its score is of validation rows, as the best "
        "of many, and flatters."
    )


def _scores(scores: Mapping[str, Any], summary: Mapping[str, Any]) -> Block:
    heads = {"metric": None, "value": 4, "low": 4, "high": 4, "rows": None}
    rows = (
        [name, *(one[key] for key in ("score", "low", "high", "rows"))]
        for name, one in scores.items()
    )
    return table(f"Scores, {summary.get('score_is', '')}; 95 % intervals", heads, rows)
