"""An architecture as a picture: the blocks from the input at the bottom up, lines from what is
read, the cell and the answer on top. Laid out once as shapes; drawn as an SVG file of its own, and
onto the axes of a report."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tunesmith.core.architecture import (
    Architecture,
    Block,
    Layer,
    Read,
    runs,
    told_block,
    told_layer,
    told_measured,
    told_read,
)
from tunesmith.report.colors import COLORS, INK, LINE, SOFT
from tunesmith.report.drawing import label
from tunesmith.report.section import Chart, Table, counted, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, ROW, MORE, GAP, EDGE = 380.0, 30.0, 14.0, 6.0, 8.0
"""`MORE` is the height of a line that says more of a row."""
BOX = 236.0
"""How wide a block is drawn; right of it stand the lines of what is read."""
WIRE = BOX + EDGE + 16.0
FIXED = "\u00a0"
"""A space that no line is broken at."""
MOST_BLOCKS = 12
"""Of more blocks those that are alike, next to each other and not read, are drawn as one."""
LETTERS, SMALL = 13.0, 11.0
"""Pixels; of a phone that is 390 wide the drawing has 350, so that the small ones have 10."""
ROW_LETTERS, BLOCK_LETTERS = 36, 30
"""Small ones, that a row and a block have room for."""
TRAINS, ADAPTED, READS, CELL = COLORS[0], COLORS[1], COLORS[2], COLORS[3]
THEMES = {
    "light": {TRAINS: "#1f6feb", ADAPTED: "#b4552d", READS: "#2f855a", CELL: "#805ad5"}
    | {INK: INK, SOFT: SOFT, LINE: LINE},
    "dark": {TRAINS: "#6ea8fe", ADAPTED: "#e59069", READS: "#5cc48d", CELL: "#bb9af7"}
    | {INK: "#e6e9ee", SOFT: "#a7b0bd", LINE: "#363e4a"},
}
"""What stands for a colour on a light ground and on a dark one, as on the page of a report."""


@dataclass(frozen=True)
class Box:
    """A rectangle from its upper left corner, in pixels; `fill` is drawn at a sixth of its
    strength."""

    x: float
    y: float
    width: float
    height: float
    stroke: str
    fill: str = ""
    is_dashed: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    color: str
    width: float = 1.5


@dataclass(frozen=True)
class Words:
    """A text by the place of its start, or of its `anchor`."""

    x: float
    y: float
    text: str
    color: str = INK
    size: float = LETTERS
    anchor: str = "start"


Shape = Box | Line | Words


@dataclass(frozen=True)
class Layout:
    """Shapes on a ground of so many pixels."""

    shapes: tuple[Shape, ...]
    height: float


def laid_out(architecture: Architecture) -> Layout:
    """Where everything stands."""
    shapes: list[Shape] = []
    y = EDGE
    for text, more, stroke in _above(architecture):
        lines = _lines(more, ROW_LETTERS)
        shapes += _row(y, text, stroke, lines)
        high = ROW + MORE * len(lines)
        shapes.append(_up(y + high))
        y += high + GAP
    shapes += _row(y, _mixed(architecture), READS)
    mixed, high = y, ROW
    for text, more, stroke in _layers(architecture.neck):
        shapes.append(_up(y + high))
        y += high + GAP
        lines = _lines(more, ROW_LETTERS)
        shapes += _row(y, text, stroke, lines)
        mixed, high = y, ROW + MORE * len(lines)
    y += high + 2 * GAP
    heights: dict[int, float] = {}
    for first, last, block in _drawn(architecture):
        shapes += _block(y, first, last, block)
        high = ROW + MORE * len(_lines(_changed(block), BLOCK_LETTERS))
        heights[last] = y + high / 2
        y += high + GAP
    shapes += _row(y, label(architecture.backbone or "input", 34), LINE)
    heights[0] = y + ROW / 2
    shapes += _wires(architecture, heights, mixed)
    return Layout(tuple(shapes), y + ROW + EDGE)


def _above(architecture: Architecture) -> Iterator[tuple[str, str, str]]:
    """The rows over what is read, from the top: what it is, more of it, and its colour."""
    yield counted(architecture.outputs, "output"), "", INK
    yield from _layers(architecture.cell)
    if architecture.dense:
        yield f"with {counted(architecture.dense, 'number')} beside", "", LINE


def _layers(layers: tuple[Layer, ...]) -> Iterator[tuple[str, str, str]]:
    """Layers as rows, from the top."""
    for layer in reversed(layers):
        first, _, rest = told_layer(layer).partition(", ")
        yield first, rest, CELL


def _mixed(architecture: Architecture) -> str:
    """What becomes of all that is read; where layers come together in a neck, how what that leaves
    is pooled."""
    reads = architecture.reads
    is_pooled_alike = len({read.pooling for read in reads}) == 1
    if len(reads) == 1 or (architecture.neck and is_pooled_alike):
        return _pooled(reads[0])
    is_mixed = reads[0].weight is not None
    return f"{len(reads)} vectors {'in a weighted mean' if is_mixed else 'side by side'}"


def _drawn(architecture: Architecture) -> list[tuple[int, int, Block]]:
    """The blocks from the top, those that are drawn as one by the lowest and highest number."""
    blocks = architecture.blocks
    if len(blocks) <= MOST_BLOCKS:
        return [(block.number, block.number, block) for block in reversed(blocks)]
    read = {read.layer for read in architecture.reads}
    found: list[tuple[int, int, Block]] = []
    for first, last, block in runs(blocks):
        ends = [last, *(n for n in range(last - 1, first - 1, -1) if n in read), first - 1]
        found += [(low + 1, high, block) for high, low in itertools.pairwise(ends)]
    return [one for one in found if one[0] <= one[1]]


def _row(y: float, text: str, stroke: str, more: Sequence[str] = ()) -> list[Shape]:
    fill = "" if stroke in (INK, LINE) else stroke
    high, middle = ROW + MORE * len(more), EDGE + BOX / 2
    box = Box(EDGE, y, BOX, high, SOFT if stroke == LINE else stroke, fill)
    size = LETTERS if len(text) <= 28 else SMALL
    found: list[Shape] = [box, Words(middle, y + ROW / 2, label(text, 36), INK, size, "middle")]
    for place, line in enumerate(more):
        found.append(Words(middle, y + _below(place), line, SOFT, SMALL, "middle"))
    return found


def _below(place: int) -> float:
    """Where the middle of a line that says more stands, from the top of its row."""
    return ROW + MORE * place + 2


def _lines(text: str, letters: int) -> list[str]:
    """A list in lines of at most so many letters, broken behind its commas."""
    whole = text.replace(" ", FIXED).replace(f",{FIXED}", ", ")
    return [line.replace(FIXED, " ") for line in textwrap.wrap(whole, letters)]


def _up(y: float) -> Line:
    return Line(((EDGE + BOX / 2, y), (EDGE + BOX / 2, y + GAP)), SOFT)


def _block(y: float, first: int, last: int, block: Block) -> list[Shape]:
    trains, more = block.trains and block.kept, _lines(_changed(block), BLOCK_LETTERS)
    stroke, fill = (TRAINS, TRAINS) if trains else (SOFT, "")
    number = f"{last}" if first == last else f"{first}–{last}"
    told = ("trains" if trains else "frozen") if block.kept else "removed"
    color, high, left = (INK if block.kept else SOFT), ROW + MORE * len(more), EDGE + 52
    found: list[Shape] = [
        Box(EDGE, y, BOX, high, stroke, fill, not block.kept),
        Words(EDGE + 8, y + ROW / 2, number, SOFT, SMALL),
        Words(left, y + ROW / 2, told, color),
    ]
    for place, line in enumerate(more):
        found.append(Words(left, y + _below(place), line, SOFT, SMALL))
    if block.kept and block.adapter:
        text = f"{block.adapter} {block.rank}" if block.rank else block.adapter
        wide = 7.0 * len(text) + 10
        right = EDGE + BOX - 6
        found.append(Box(right - wide, y + 6, wide, ROW - 12, ADAPTED, ADAPTED))
        found.append(Words(right - wide / 2, y + ROW / 2, text, INK, SMALL, "middle"))
    return found


def _changed(block: Block) -> str:
    """What of a block is not as the checkpoint has it, short."""
    more = (
        f"heads {block.heads:.0%}" if block.heads < 1 else "",
        f"width {block.hidden:.0%}" if block.hidden < 1 else "",
        block.activation,
        block.norm and f"{block.norm} norm",
    )
    return ", ".join(filter(None, more)) if block.kept else ""


def _wires(architecture: Architecture, heights: dict[int, float], mixed: float) -> list[Shape]:
    """From every layer that is read up to the row where they meet, the thicker the more it
    counts."""
    found: list[Shape] = []
    top = mixed + ROW / 2
    whole = sum(read.weight or 0.0 for read in architecture.reads)
    for layer, some in _by_layer(architecture).items():
        y = heights[layer]
        shares = [read.weight or 0.0 for read in some]
        wide = 1.5 + 5 * sum(shares) / whole if whole else 1.5
        way = ((EDGE + BOX, y), (WIRE, y), (WIRE, top), (EDGE + BOX, top))
        found.append(Line(way, READS, wide))
        told = [label(_pooled(read), 18) for read in some]
        if whole:
            text = f"{told[0]} {sum(shares) / whole:.2f}" if len(some) == 1 else ", ".join(told)
        else:
            text = ", ".join(told)
        found.append(Words(WIRE + 8, y, label(text, 18), INK, SMALL))
    return found


def _pooled(read: Read) -> str:
    return "gen. mean" if read.pooling == "generalised" else read.pooling


def _by_layer(architecture: Architecture) -> dict[int, list[Read]]:
    found: dict[int, list[Read]] = {}
    for read in architecture.reads:
        found.setdefault(read.layer, []).append(read)
    return found


def svg(architecture: Architecture) -> str:
    """An SVG file that takes the colours of the reader's system, light or dark, and fetches
    nothing."""
    layout = laid_out(architecture)
    root = ElementTree.Element("svg")
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {WIDTH:g} {layout.height:g}",
        "width": f"{WIDTH:g}",
        "height": f"{layout.height:g}",
        "role": "img",
        "font-family": "system-ui, sans-serif",
    }
    ElementTree.SubElement(root, "title").text = label(says(architecture), 400)
    ElementTree.SubElement(root, "style").text = _themes()
    for shape in layout.shapes:
        _add(root, shape)
    return ElementTree.tostring(root, "unicode")


def _themes() -> str:
    light, dark = (
        ";".join(f"--{_name(color)}:{shown}" for color, shown in THEMES[theme].items())
        for theme in ("light", "dark")
    )
    ground = "svg{background:#fff;%s}@media(prefers-color-scheme:dark){svg{background:#14171c;%s}}"
    return ground % (light, dark)


def _name(color: str) -> str:
    names = {TRAINS: "trains", ADAPTED: "adapted", READS: "reads", CELL: "cell"}
    return (names | {INK: "ink", SOFT: "soft", LINE: "line"})[color]


def _add(root: ElementTree.Element, shape: Shape) -> None:
    if isinstance(shape, Box):
        one = ElementTree.SubElement(root, "rect")
        places = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height, "rx": 4}
        one.attrib |= {name: f"{value:g}" for name, value in places.items()}
        fill = f"var(--{_name(shape.fill)})" if shape.fill else "none"
        dashes = ";stroke-dasharray:5 4" if shape.is_dashed else ""
        one.set(
            "style", f"stroke:var(--{_name(shape.stroke)});fill:{fill};fill-opacity:.17{dashes}"
        )
    elif isinstance(shape, Line):
        one = ElementTree.SubElement(root, "polyline")
        one.set("points", " ".join(f"{x:g},{y:g}" for x, y in shape.points))
        one.set(
            "style", f"stroke:var(--{_name(shape.color)});fill:none;stroke-width:{shape.width:.2g}"
        )
    else:
        one = ElementTree.SubElement(root, "text")
        one.attrib |= {"x": f"{shape.x:g}", "y": f"{shape.y:g}", "dominant-baseline": "central"}
        one.attrib |= {"font-size": f"{shape.size:g}", "text-anchor": shape.anchor}
        one.set("style", f"fill:var(--{_name(shape.color)})")
        one.text = shape.text


def chart(architecture: Architecture) -> Chart:
    """The same for a report, with a table behind it."""
    height = laid_out(architecture).height
    inches = (WIDTH / 72, height / 72)
    return Chart(
        "architecture",
        "The network",
        says(architecture),
        _table(architecture),
        partial(_onto, architecture),
        inches,
    )


def says(architecture: Architecture) -> str:
    """What the picture shows, in a sentence."""
    blocks, kept = architecture.blocks, architecture.kept
    gone = f", {len(blocks) - len(kept)} of them removed" if len(kept) < len(blocks) else ""
    trained = sum(block.trains for block in kept)
    read = counted(len(architecture.reads), "vector")
    cell = counted(len(architecture.cell), "layer")
    neck = f"a neck of {counted(len(architecture.neck), 'layer')}, " if architecture.neck else ""
    return (
        f"{label(architecture.backbone or 'A backbone', 80)}: {counted(len(blocks), 'block')}{gone}"
        f", {trained} trained; {neck}{read} read, a cell of {cell}, "
        f"{counted(architecture.outputs, 'output')}."
    )


def _table(architecture: Architecture) -> Table:
    rows = [["outputs", counted(architecture.outputs, "output")]]
    rows += [["cell", told_layer(layer)] for layer in reversed(architecture.cell)]
    if architecture.dense:
        rows.append(["beside", counted(architecture.dense, "number")])
    rows += [["reads", told_read(read)] for read in architecture.reads]
    rows += [["neck", told_layer(layer)] for layer in reversed(architecture.neck)]
    rows += [[f"block {one.number}", told_block(one)] for one in reversed(architecture.blocks)]
    rows.append(["backbone", architecture.backbone or "unnamed"])
    if told := told_measured(architecture.measured):
        rows.append(["measured", told])
    return table("From the answer down to the input", {"part": None, "what it is": None}, rows)


def _onto(architecture: Architecture, axes: Axes) -> None:
    """Draw the shapes onto axes, a pixel a point."""
    from matplotlib.patches import Rectangle

    layout = laid_out(architecture)
    for shape in layout.shapes:
        if isinstance(shape, Box):
            place = (shape.x, shape.y)
            style = (0, (4, 3)) if shape.is_dashed else "solid"
            if shape.fill:
                inner = Rectangle(place, shape.width, shape.height, color=shape.fill, lw=0)
                inner.set_alpha(0.17)
                axes.add_patch(inner)
            edge = Rectangle(place, shape.width, shape.height, fill=False, lw=1.2)
            edge.set_edgecolor(shape.stroke)
            edge.set_linestyle(style)
            axes.add_patch(edge)
        elif isinstance(shape, Line):
            x, y = zip(*shape.points, strict=True)
            axes.plot(x, y, color=shape.color, lw=shape.width, solid_joinstyle="round")
        else:
            across = "center" if shape.anchor == "middle" else "left"
            axes.text(
                shape.x,
                shape.y,
                shape.text,
                ha=across,
                va="center",
                fontsize=shape.size,
                color=shape.color,
            )
    axes.set(xlim=(0, WIDTH), ylim=(layout.height, 0), aspect="equal")
    axes.set_axis_off()
