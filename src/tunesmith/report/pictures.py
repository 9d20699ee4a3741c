"""Drawings of how good a model is: confusion, curves, calibration, thresholds, errors, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.report.colors import COLORS, INK, LINE, SOFT
from tunesmith.report.drawing import label
from tunesmith.report.section import Draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]
Curve = tuple[Numbers, Numbers]
MOST_WRITTEN = 12
"""Classes of a confusion matrix in whose cells the counts are written."""
MOST_INSIDE = 5
"""Names of a legend that hide nothing inside the drawing."""
BEYOND = 0.02
"""Of an axis of shares, so that a line at its end is seen."""
LONGEST_BESIDE = 22
"""Letters of a name in a legend that leaves room for another beside it."""


def confusion(counts: NDArray[np.int64], names: Sequence[str]) -> Draw:
    """A square for each label (row) and answer (column), the darker the larger its share of the
    row."""

    def draw(axes: Axes) -> None:
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ends = np.arange(len(names) + 1) - 0.5
        for row, column in np.argwhere(counts > 0):
            square = [ends[column], ends[column + 1], ends[column + 1], ends[column]]
            height = [ends[row], ends[row], ends[row + 1], ends[row + 1]]
            color = COLORS[0] if row == column else COLORS[1]
            share = 0.12 + 0.5 * float(shares[row, column])
            axes.fill(square, height, color=color, alpha=share, lw=0)
        if len(names) <= MOST_WRITTEN:
            for row, column in np.ndindex(counts.shape):
                text = f"{counts[row, column]:,}"
                axes.text(column, row, text, ha="center", va="center", color=INK)
        shown, places = [label(name, 16) for name in names], range(len(names))
        is_long = len(names) > 4 or max(map(len, shown)) > 8
        axes.set_xticks(
            places, shown, rotation=35 if is_long else 0, ha="right" if is_long else "center"
        )
        axes.set_yticks(places, shown)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set(xlabel="answer", ylabel="label")

    return draw


def curves(
    found: Mapping[str, Curve], *, x: str, y: str, chance: Curve | None, is_stepped: bool = False
) -> Draw:
    """Named curves in the unit square, and that of guessing."""

    def draw(axes: Axes) -> None:
        if chance is not None:
            axes.plot(*chance, color=SOFT, ls="--", lw=1, label="guessing")
        for number, (name, (across, up)) in enumerate(found.items()):
            color, style = COLORS[number % len(COLORS)], "steps-post" if is_stepped else "default"
            axes.plot(across, up, color=color, lw=1.8, label=name, drawstyle=style)
        axes.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        axes.grid(color=LINE)
        if len(found) == 1:
            axes.legend(loc="best")
        else:
            beside = 2 if max(map(len, found)) <= LONGEST_BESIDE else 1
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=beside, columnspacing=1.0)

    return draw


def reliability(bins: Sequence[Mapping[str, Any]]) -> Draw:
    """How often what was said came true, with the spread that so few rows have by themselves."""

    def draw(axes: Axes) -> None:
        said = np.array([one["said"] for one in bins], dtype=float)
        came = np.array([one["came"] for one in bins], dtype=float)
        rows = np.array([one["rows"] for one in bins], dtype=float)
        low, high = wilson(came, rows)
        axes.plot([0, 1], [0, 1], color=SOFT, ls="--", lw=1, label="as said")
        axes.vlines(said, low, high, color=COLORS[0], alpha=0.45, lw=2)
        axes.plot(said, came, color=COLORS[0], marker="o", ms=5, lw=1.5, label="as it came")
        axes.set(xlabel="probability said", ylabel="share that came true")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.grid(color=LINE)
        axes.legend(loc="upper left")

    return draw


def lines(
    x: Numbers, found: Mapping[str, Numbers], *, across: str, up: str, mark: float | None, at: str
) -> Draw:
    """Several quantities over one, and a mark at a place that was chosen. Where all lie in [0, 1],
    as shares do, the axis shows nothing beyond, be they all the same."""

    def draw(axes: Axes) -> None:
        for number, (name, values) in enumerate(found.items()):
            axes.plot(x, values, color=COLORS[number % len(COLORS)], lw=1.8, label=name)
        if mark is not None:
            axes.axvline(mark, color=INK, ls=":", lw=1.5, label=at)
        axes.set(xlabel=across, ylabel=up)
        if not any(((values < 0) | (values > 1)).any() for values in found.values()):
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -BEYOND), min(high, 1 + BEYOND))
        axes.grid(color=LINE)
        if len(found) <= MOST_INSIDE:
            axes.legend(loc="best")
        else:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1.0)

    return draw


def against(truth: Numbers, answers: Numbers, target: str) -> Draw:
    """Answers against the truth, a dot a row."""

    def draw(axes: Axes) -> None:
        ends = [float(min(truth.min(), answers.min())), float(max(truth.max(), answers.max()))]
        axes.plot(ends, ends, color=SOFT, ls="--", lw=1, label="right")
        axes.plot(truth, answers, ls="", marker="o", ms=3.5, mew=0, color=COLORS[0], alpha=0.5)
        axes.set(xlabel=f"true {label(target)}", ylabel="answer")
        axes.grid(color=LINE)
        axes.legend(loc="upper left")

    return draw


def histogram(heights: NDArray[np.int64], edges: Numbers, across: str) -> Draw:
    """How many rows lie in each range."""

    def draw(axes: Axes) -> None:
        axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=COLORS[0], alpha=0.75)
        axes.axvline(0, color=INK, lw=1, ls=":")
        axes.set(xlabel=across, ylabel="rows")

    return draw


def held(names: Sequence[str], shares: Numbers, rows: Numbers, asked: float) -> Draw:
    """How often sets hold the truth of each group, with its interval, and how often was asked."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(names))
        low, high = wilson(shares, rows)
        axes.axvline(asked, color=INK, ls=":", lw=1.5, label=f"asked: {asked:g}")
        axes.hlines(places, low, high, color=COLORS[0], alpha=0.45, lw=3)
        axes.plot(shares, places, ls="", marker="o", ms=6, color=COLORS[0], label="held")
        axes.set_yticks(places, [label(name, 30) for name in names])
        axes.invert_yaxis()
        axes.set(
            xlabel="share of rows whose truth is held", xlim=(min(0.5, low.min()) - 0.02, 1.02)
        )
        axes.grid(color=LINE, axis="x")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    return draw


def wilson(shares: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
    """The 95 % interval of shares of so many rows.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA
    1927.
    """
    z = 1.959964
    many = np.maximum(rows, 1)
    middle = (shares + z**2 / (2 * many)) / (1 + z**2 / many)
    half = z / (1 + z**2 / many) * np.sqrt(shares * (1 - shares) / many + z**2 / (4 * many**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
