"""Why answers are as they are: what each input is worth, and single rows explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.explaining import Piece
from tunesmith.core.explanations import RowExplanation
from tunesmith.report import explanation_plot
from tunesmith.report.colors import COLORS, LINE
from tunesmith.report.drawing import label
from tunesmith.report.explanation import Explanation
from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Cell, Chart, Draw, Marked, Section, Words, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 30
MOST_BARS = 15
MOST_WORDS = 20
MOST_ROWS = 4
"""Explained one by one."""
MOST_CELLS = 12
TINY = 0.02
TITLE = "Why these answers"
WHY = "A right answer for a wrong reason fails on the next data: here is what the answers rest on."


def reasons(facts: Facts) -> Section | None:
    found = facts.explained
    if found is None:
        quiet = Words(facts.unexplained, "quiet")
        return Section("reasons", TITLE, WHY, (quiet,)) if facts.unexplained else None
    blocks: list[Block] = [Words(_tested(found))]
    if len(found[0].by_column()) > 1:
        blocks.append(_columns(found))
    blocks += _words(found)
    blocks += [_rectangles(found, name) for name in _pictures(found)]
    for row in _shown(found):
        blocks += _row(row)
    return Section("reasons", TITLE, WHY, tuple(blocks))


def _shown(found: Explanation) -> list[RowExplanation]:
    """Some of the rows, of as many answers as there are: in the order of the data one label often
    comes first."""
    ranks: list[tuple[int, int]] = []
    seen: dict[str, int] = {}
    for place, row in enumerate(found.rows):
        seen[row.answer] = seen.get(row.answer, 0) + 1
        ranks.append((seen[row.answer], place))
    return [found.rows[place] for _, place in sorted(sorted(ranks)[:MOST_ROWS], key=_place)]


def _place(rank: tuple[int, int]) -> int:
    return rank[1]


def _tested(found: Explanation) -> str:
    told = (
        f"{len(found)} rows that the model has not learned from were explained by "
        f"{found[0].method}: what each piece of a row adds to the probability of the answer, or to "
        "the number. "
    )
    check = f" {found.checked().capitalize()}." if found.checked() else ""
    return (
        f"{told}Taken away in the order of their credit, pieces change the answer "
        f"{found.faithfulness.told()}.{_missed(found)}{check}"
    )


def _missed(found: Explanation) -> str:
    """What credits that should sum to a change of the answer miss of it."""
    told = [row for row in found.rows if row.change is not None]
    if not told:
        return ""
    missed = np.mean([abs(row.missed or 0.0) for row in told])
    change = np.mean([abs(row.change or 0.0) for row in told])
    return f" Of {change:.3g} that credits should sum to in the mean, they miss {missed:.2g}."


def _columns(found: Explanation) -> Chart:
    """The mean size of what each column adds, over the explained rows, in one scale."""
    values = found.columns()
    sizes = values.abs().mean().sort_values(ascending=False)[:MOST_COLUMNS]
    lines = [[str(name), float(size), float(values[name].mean())] for name, size in sizes.items()]
    heads = {"column": None, "mean size of its credit": 4, "mean credit": 4}
    first = lines[0]
    return Chart(
        "worth",
        "What each input is worth",
        f"{first[0]} changes answers most, by {first[1]:.3g} on average.",
        table("Columns by what they add", heads, lines),
        _bars([(str(line[0]), float(line[1])) for line in lines[:MOST_BARS]]),  # type: ignore[arg-type]
        (6.0, 1.2 + 0.3 * min(MOST_BARS, len(lines))),
    )


def _bars(pairs: list[tuple[str, float]]) -> Draw:
    def draw(axes: Axes) -> None:
        heights = np.arange(len(pairs))[::-1]
        colors = [COLORS[0] if value >= 0 else COLORS[1] for _, value in pairs]
        axes.barh(heights, [value for _, value in pairs], color=colors)
        axes.set_yticks(heights, [label(name, 24) for name, _ in pairs])
        axes.axvline(0, color=LINE, linewidth=1)
        axes.set(xlabel="credit")

    return draw


def _words(found: Explanation) -> list[Block]:
    words = found.words()[:MOST_WORDS]
    if not len(words):
        return []
    shown = words[["word", "column", "output", "rows", "credit"]]
    lines: list[list[Cell]] = [list(one) for one in shown.itertuples(index=False, name=None)]
    heads = {"word": None, "column": None, "for the answer": None, "rows": None, "mean credit": 4}
    return [table("The words that count most, over these rows", heads, lines)]


def _pictures(found: Explanation) -> list[str]:
    pieces = (piece for one in found.rows for piece in one.pieces)
    return sorted({piece.column for piece in pieces if piece.kind == "image" and piece.place})


def _rectangles(found: Explanation, column: str) -> Chart:
    means = found.rectangles(column)
    down, across = np.unravel_index(int(np.abs(means).argmax()), means.shape)
    heads = {"from the top": None, **{f"column {n + 1}": 4 for n in range(means.shape[1])}}
    lines = [[n + 1, *map(float, row)] for n, row in enumerate(means)]
    return Chart(
        f"where-{column}",
        f"Where in {column} the reasons lie",
        f"On average the rectangle {down + 1} from the top and {across + 1} from the left of "
        f"{means.shape[0]} by {means.shape[1]} counts most, with {means[down, across]:+.3g}.",
        table("Mean credit of each rectangle", heads, lines),
        _squares(means),
        (4.4, 4.2),
    )


def _squares(means: NDArray[np.float64]) -> Draw:
    def draw(axes: Axes) -> None:
        most = float(np.abs(means).max()) or 1.0
        for (row, column), value in np.ndenumerate(means):
            x, y = [column, column + 1, column + 1, column], [row, row, row + 1, row + 1]
            color = COLORS[0] if value > 0 else COLORS[1]
            axes.fill(x, y, color=color, alpha=0.85 * abs(float(value)) / most, lw=0)
        axes.set_xlim(0, means.shape[1])
        axes.set_ylim(means.shape[0], 0)
        axes.set_xticks([])
        axes.set_yticks([])

    return draw


def _row(row: RowExplanation) -> list[Block]:
    what = f"the probability of {row.output!r} is" if row.output else "the answer is"
    title = f"Row {row.row + 1}: {row.answer}"
    says = f"{what.capitalize()} {row.value:.4g}. Blue raises it, orange lowers it."
    if told := row.completeness():
        says += f" {told.capitalize()}."
    most = float(np.abs(row.credits).max(initial=0.0)) or 1.0
    blocks: list[Block] = []
    columns = dict.fromkeys(piece.column for piece in row.pieces if piece.place)
    for column in columns:
        pairs = [
            (piece, float(credit) / most)
            for piece, credit in zip(row.pieces, row.credits, strict=True)
            if piece.column == column
        ]
        if pairs[0][0].kind == "text":
            blocks.append(Marked(f"{title} ({column})", says, _marked(row, column, pairs)))
        else:
            blocks.append(_drawn(row, column, f"{title} ({column})", says))
    if cells := [(name, credit) for name, credit in row.by_column().items() if name not in columns]:
        blocks.append(_cells(row, title, says, cells))
    return blocks


def _marked(
    row: RowExplanation, column: str, pairs: list[tuple[Piece, float]]
) -> tuple[tuple[str, float], ...]:
    """A text from its beginning to its end, in pieces with their shares."""
    text, last, found = str(row.cells[column]), 0, []
    for piece, share in pairs:
        start, end = int(piece.place[0]), int(piece.place[1])
        found.append((text[last:start], 0.0))
        found.append((text[start:end], share if abs(share) > TINY else 0.0))
        last = end
    found.append((text[last:], 0.0))
    return tuple(pair for pair in found if pair[0])


def _drawn(row: RowExplanation, column: str, title: str, says: str) -> Chart:
    order = np.argsort(-np.abs(row.credits), kind="stable")
    lines: list[list[Cell]] = []
    for place in order[:MOST_CELLS]:
        piece = row.pieces[place]
        if piece.column == column:
            left, top, right, bottom = piece.place
            spans = (f"{left:.0%} to {right:.0%}", f"{top:.0%} to {bottom:.0%}")
            lines.append([*spans, float(row.credits[place])])
    shapes = any(piece.outline for piece in row.pieces if piece.column == column)
    what = "Superpixels" if shapes else "Rectangles"
    return Chart(
        f"row-{row.row}-{column}",
        title,
        says,
        table(f"{what} that count most", {"across": None, "down": None, "credit": 4}, lines),
        lambda axes: explanation_plot.draw_picture(axes, row, column),
        (3.6, 3.6),
    )


def _cells(row: RowExplanation, title: str, says: str, cells: list[tuple[str, float]]) -> Chart:
    shown = {piece.column: piece.text for piece in row.pieces if not piece.place}
    lines: list[list[Cell]] = [[name, shown[name], credit] for name, credit in cells]
    pairs = [(f"{name} = {shown[name]}", credit) for name, credit in cells[:MOST_CELLS]]
    return Chart(
        f"row-{row.row}-cells",
        title,
        says,
        table("Cells by what they add", {"column": None, "cell": None, "credit": 4}, lines),
        _bars(pairs),
        (6.0, 1.2 + 0.3 * len(pairs)),
    )
