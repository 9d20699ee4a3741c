"""How the search went: who was tried when, what mattered, where the time went."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tunesmith.report import plots
from tunesmith.report.facts import Facts
from tunesmith.report.history import History
from tunesmith.report.section import Cell, Chart, Section, Table, counted, duration, table

MOST_DRAWN = 300


def search(facts: Facts) -> Section | None:
    history = facts.history
    if history is None or not history.scored:
        return None
    few = history.thinned(MOST_DRAWN)
    charts = tuple(_charts(history, few))
    why = "A search that still rises wants more time; one that is level has found what there is."
    if len(few.courses) < len(history.courses):
        why += f" Of {len(history.courses):,} trials {len(few.courses):,} are drawn."
    return Section("search", "The search", why, charts)


def _charts(history: History, few: History) -> Iterator[Chart]:
    bests = history.bests()
    yield Chart(
        "best",
        "Best score over time",
        f"The best {history.metric} on validation rows went from {bests[0][1]:.4f} to "
        f"{bests[-1][1]:.4f} in {counted(len(bests), 'step')} and {duration(history.seconds)}.",
        table("When the best changed", {"seconds": 1, history.metric: 4}, bests),
        partial(plots.best_over_time, few),
    )
    yield Chart(
        "timeline",
        "Who ran when",
        f"{counted(len(history.courses), 'trial')} on a line of time, each as long as it took.",
        _timeline(history),
        partial(plots.timeline, few),
    )
    learner, rows, names = plots.varied(few)
    if names and len(rows) > 1:
        yield Chart(
            "parallel",
            f"What was tried: {learner}",
            f"{len(rows)} trials of {learner}, a line each through "
            f"{counted(len(names), 'setting')} and the score.",
            _settings(history, rows, names),
            partial(plots.parallel, few),
            (9.0, 4.6),
        )
    if found := plots.importances(few):
        yield Chart(
            "importance",
            f"What mattered: {learner}",
            f"The setting that mattered most is {next(iter(found))}.",
            table("Share of each setting", {"setting": None, "share": 3}, found.items()),
            partial(plots.importance, few),
        )
    if history.stages:
        yield Chart(
            "spent",
            "Planned and spent",
            f"Where {duration(history.seconds)} went, stage by stage.",
            _stages(history),
            partial(plots.spent, history),
        )


def _timeline(history: History) -> Table:
    heads = {"trial": None, "learner": None, "from s": 1, "to s": 1, "ended as": None}
    heads |= {history.metric: 4}
    rows = (
        [one.trial, one.learner, one.start_seconds, one.end_seconds, one.status, one.score]
        for one in history.courses
    )
    return table("Trials in their order", heads, rows)


def _settings(history: History, rows: list[dict[str, Cell]], names: list[str]) -> Table:
    sign = -1.0 if history.higher_is_better else 1.0
    best_first = sorted(rows, key=lambda row: sign * float(row["score"] or 0.0))
    told = ([*(_short(row[name]) for name in names), row["score"]] for row in best_first)
    return table("Settings, best first", {**dict.fromkeys(names), history.metric: 4}, told)


def _short(value: object) -> Cell:
    return f"{value:.4g}" if isinstance(value, float) else None if value is None else str(value)


def _stages(history: History) -> Table:
    heads = {"stage": None, "planned s": 1, "spent s": 1}
    keys = ("stage", "planned_seconds", "seconds")
    return table("Stages", heads, ([one[key] for key in keys] for one in history.stages))
