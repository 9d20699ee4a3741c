"""What a model as a whole makes of its columns, as charts: what each counts for, and how the answer
goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.report.colors import COLORS, INK, LINE, SOFT
from tunesmith.report.drawing import label
from tunesmith.report.section import Chart, Draw, Section, said, table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_BARS = 20
MOST_ROWS = 40
"""Single rows whose lines are drawn."""
LETTERS = 24
TITLE = "What the model makes of its columns"
WHY = (
    "What each column counts for on these rows, and how the answer goes with it. Where an interval "
    "holds 0, the column may count for nothing."
)


def section(found: Mapping[str, Chart], rows: int) -> Section:
    """All of it."""
    return Section("whole", f"On {rows:,} rows", WHY, tuple(found.values()))


def charts(
    importance: pd.DataFrame,
    effects: Mapping[str, pd.DataFrame],
    credits: pd.DataFrame | None,
    facts: Mapping[str, Any],
) -> dict[str, Chart]:
    """A chart for the importance, one for the credits where there are any, and one for each column
    whose effect is known, by name. A column of one of the first two names gives way to it."""
    found = {"importance": _importance(importance, str(facts["measure"]))}
    if credits is not None:
        found["credits"] = _credits(credits, str(facts["output"]))
    for place, (name, frame) in enumerate(effects.items()):
        found.setdefault(name, _effect(place, name, frame, str(facts["output"])))
    return found


def _importance(frame: pd.DataFrame, measure: str) -> Chart:
    shown = frame[["column", "kind", "importance", "low", "high"]]
    return Chart(
        "whole-importance",
        "What each column counts for",
        f"{label(frame['column'][0], 40)} counts most. Shown is {measure}, with 95 % intervals.",
        table(
            "Columns by what they count for",
            {"column": None, "kind": None, "lost": 4, "from": 4, "to": 4},
            shown.itertuples(index=False, name=None),
        ),
        _bars(frame, "importance", "lost"),
        _inches(len(frame)),
    )


def _credits(frame: pd.DataFrame, output: str) -> Chart:
    return Chart(
        "whole-credits",
        "What each column adds",
        f"{label(frame['column'][0], 40)} adds most. Shown is the mean size of credit for the "
        f"{label(output, 60)}, with 95 % intervals.",
        table(
            "Columns by what they add",
            {"column": None, "mean size": 4, "from": 4, "to": 4, "mean": 4},
            frame.itertuples(index=False, name=None),
        ),
        _bars(frame, "credit", "mean size of credit"),
        _inches(len(frame)),
    )


def _inches(lines: int) -> tuple[float, float]:
    return 6.0, 1.2 + 0.3 * min(MOST_BARS, lines)


def _bars(frame: pd.DataFrame, value: str, across: str) -> Draw:
    """The first columns as bars with their intervals."""

    def draw(axes: Axes) -> None:
        some = frame[:MOST_BARS]
        heights = np.arange(len(some))[::-1]
        axes.barh(heights, some[value], color=COLORS[0], alpha=0.75)
        axes.hlines(heights, some["low"], some["high"], color=INK, lw=1.5)
        axes.set_yticks(heights, [label(name, LETTERS) for name in some["column"]])
        axes.axvline(0, color=SOFT, lw=1)
        axes.set(xlabel=across)

    return draw


def _effect(place: int, name: str, frame: pd.DataFrame, output: str) -> Chart:
    ends = frame["mean"].argmin(), frame["mean"].argmax()
    low, high = (
        f"{said(float(frame['mean'][end]))} at {label(frame['shown'][end], 40)}" for end in ends
    )
    told = frame[["shown", "mean", "low", "high", "local", "share"]]
    heads = {"mean answer": 4, "10 % of rows below": 4, "90 % below": 4, "local": 4, "share": 3}
    short = label(name, 40)
    return Chart(
        f"whole-effect-{place}",
        f"How the answer goes with {short}",
        f"In the mean over rows the {label(output, 60)} goes from {low} to {high}.",
        table(
            f"Effect of {short}",
            {short if short not in heads else f"{short} (column)": None, **heads},
            told.itertuples(index=False, name=None),
        ),
        _levels(frame, output) if _is_of_levels(frame) else _course(frame, short, output),
        _inches(len(frame)) if _is_of_levels(frame) else (6.0, 4.0),
    )


def _is_of_levels(frame: pd.DataFrame) -> bool:
    return frame["point"].to_numpy().dtype.kind not in "fiuM"


def _course(frame: pd.DataFrame, name: str, output: str) -> Draw:
    """Single rows, their mean, and the local effect around that mean."""

    def draw(axes: Axes) -> None:
        x = frame["point"].to_numpy()
        each = np.asarray(frame.attrs.get("rows", np.empty((0, len(x)))))
        some = np.unique(np.linspace(0, max(0, len(each) - 1), MOST_ROWS).astype(np.int64))
        for row in each[some[: len(each)]]:
            axes.plot(x, row, color=SOFT, lw=0.7, alpha=0.25)
        middle = float(np.average(frame["mean"], weights=frame["share"]))
        axes.plot(x, frame["mean"], color=COLORS[0], lw=2.4, label="mean over rows")
        axes.plot(x, frame["local"] + middle, color=COLORS[1], lw=1.8, ls="--", label="local")
        axes.set(xlabel=name, ylabel=label(output, 40))
        axes.grid(color=LINE)
        axes.legend(loc="best")
        axes.tick_params(axis="x", rotation=25 if x.dtype.kind == "M" else 0)

    return draw


def _levels(frame: pd.DataFrame, output: str) -> Draw:
    """A bar for each level, with what lies between 10 and 90 % of the rows."""

    def draw(axes: Axes) -> None:
        heights = np.arange(len(frame))[::-1]
        axes.barh(heights, frame["mean"], color=COLORS[0], alpha=0.75)
        axes.hlines(heights, frame["low"], frame["high"], color=INK, lw=1.5)
        axes.set_yticks(heights, [label(level, LETTERS) for level in frame["shown"]])
        axes.set(xlabel=label(output, 40))

    return draw
