"""The model card: what the model is, from what data and weights, for what use, with what limits.

Source: Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith import zoo
from tunesmith.core.errors import TunesmithError
from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Cell, Section, Words, counted, interval, said, table

FEW_ROWS = 200
FEW_OF_A_CLASS = 20
SAME = "unknown: the checkpoint says nothing of it"


def card(facts: Facts) -> Section:
    blocks: list[Block] = [
        table("The model", {"what": None, "is": None}, _model(facts)),
        table("The data", {"what": None, "is": None}, _data(facts)),
    ]
    if weights := list(licences(facts)):
        heads = {"weights": None, "licence": None, "from": None, "parameters": None}
        blocks.append(table("Pretrained weights inside", heads, weights))
    blocks += [Words(f"Intended use: {_use(facts)}"), _limits(facts)]
    blocks.append(
        Words(
            "To be added by who hands the model on: who may use it, what it must not decide alone, "
            "whom to ask, and the licence of the data.",
            "quiet",
        )
    )
    why = "What must go with the model wherever it goes."
    return Section("card", "Model card", why, tuple(blocks))


def _model(facts: Facts) -> Iterator[list[Cell]]:
    summary, members = facts.summary, facts.model.get("members") or []
    yield ["task", str(facts.model.get("task", ""))]
    yield ["answers with", _answers(facts)]
    yield ["made of", ", ".join(dict.fromkeys(one["learner"] for one in members))]
    yield ["is", str(summary.get("model_is", ""))]
    low, high = summary.get("interval") or (None, None)
    score = f"{facts.metric} {said(summary.get('score'))} {interval(low, high)}"
    yield ["score", f"{score}; {summary.get('score_is', '')}"]
    size = sum(float(one.get("size_mb") or 0.0) for one in _boards(facts))
    yield ["size of its members", f"{size:,.1f} MB"]
    yield ["made by", f"tunesmith {_version()}, artifact format {facts.model.get('format')}"]
    yield ["seed", facts.problem.get("seed")]


def _boards(facts: Facts) -> list[dict[str, Cell]]:
    numbers = {one["trial"] for one in facts.model.get("members") or []}
    return [one for one in facts.summary.get("leaderboard") or [] if one["trial"] in numbers]


def _answers(facts: Facts) -> str:
    if not facts.classes:
        return f"a number, {facts.target!r}"
    what = "labels, several a row" if facts.has_several else "classes"
    return f"{len(facts.classes):,} {what} and their probabilities"


def _version() -> str:
    from importlib.metadata import version

    return version("tunesmith")


def _data(facts: Facts) -> Iterator[list[Cell]]:
    problem, summary = facts.problem, facts.summary
    if problem.get("source"):
        yield ["source", str(problem["source"])]
    if problem.get("fingerprint"):
        yield ["fingerprint of what was read", str(problem["fingerprint"])]
    parts = summary.get("rows") or {}
    yield ["rows", ", ".join(f"{many:,} {name}" for name, many in parts.items())]
    columns = facts.model.get("columns") or []
    kinds = [one["kind"] for one in columns if one["name"] != facts.target]
    told = ", ".join(f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds))
    yield ["inputs", f"{counted(len(kinds), 'column')}: {told}"]
    yield ["target", facts.target]


def licences(facts: Facts) -> Iterator[list[Cell]]:
    """The pretrained weights that the model holds, each once: name, licence, source, parameters."""
    read = (str(one.get("backbone") or "") for one in facts.model.get("members") or [])
    for name in dict.fromkeys(part for one in read for part in one.split(", ") if part):
        try:
            card = zoo.card_for(name)
        except TunesmithError:
            yield [name, SAME, name, None]
        else:
            yield [name, card.license or SAME, card.source, card.parameters or None]


def _use(facts: Facts) -> str:
    columns = [c["name"] for c in facts.model.get("columns") or [] if c["name"] != facts.target]
    named = ", ".join(columns[:8]) + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
    return (
        f"to answer {facts.target!r} for rows that have the columns {named}, and that come from "
        "where the rows of the fit came from. On rows of another time, place or population the "
        "scores here say nothing."
    )


def _limits(facts: Facts) -> Block:
    return table("Limits", {"limit": None}, ([text] for text in limits(facts)))


def limits(facts: Facts) -> Iterator[str]:
    """What the facts themselves say against trusting the model."""
    summary = facts.summary
    rows = summary.get("score_rows") or 0
    if not facts.is_final:
        yield "It was not scored on rows that chose nothing."
    elif rows < FEW_ROWS:
        yield f"It was scored on {rows:,} rows only: look at the interval, not at the number."
    findings = summary.get("findings") or []
    for one in findings:
        yield f"The audit found {one['check']} ({one.get('count') or 1:,} rows)."
    yield from _rare(facts)
    coverage = (summary.get("after") or {}).get("coverage") or {}
    if coverage and coverage["held"] < coverage["asked"] - 0.05:
        yield (
            f"Sets and intervals held {coverage['held']:.3f} where {coverage['asked']:g} was asked "
            "for."
        )
    if not summary.get("fairness"):
        yield "Nobody has asked how it does for groups of people: model.fairness() tells."
    yield "It knows correlations of its data, not causes, and not what has changed since."


def _rare(facts: Facts) -> Iterator[str]:
    """Classes of which few rows were scored."""
    counts = (facts.metrics.get("test_confusion") or {}).get("counts") or []
    few = [
        name for name, row in zip(facts.classes, counts, strict=False) if sum(row) < FEW_OF_A_CLASS
    ]
    if few:
        named = ", ".join(map(repr, few[:6])) + (
            f" and {len(few) - 6} more" if len(few) > 6 else ""
        )
        yield f"Of these classes fewer than {FEW_OF_A_CLASS} rows were scored: {named}."
