"""Score against cost as one picture that fetches nothing: an SVG file, alone or within a page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.errors import ConfigError

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 76, 30, 72, 70
LINE = 17
LETTER = 7.2
"""Pixels of a letter at 13 pixels, at most in the mean: to keep labels within the picture."""
LONGEST_NAME = 44
TICK_SECONDS = (
    *(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800),
    *(3600, 3 * 3600, 10 * 3600, 86400, 3 * 86400, 10 * 86400),
)

STYLE = """
.scout { --ground: #ffffff; --ink: #1c2330; --soft: #5d6675; --line: #dfe3ea; --fits: #1f6feb;
  --not: #b4552d; font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .scout { --ground: #12161d; --ink: #e7ebf2; --soft: #9aa5b5;
  --line: #2a313c; --fits: #6cb0ff; --not: #f0935f; } }
.scout .ground { fill: var(--ground); } .scout text { fill: var(--ink); }
.scout .soft { fill: var(--soft); } .scout .title { font-size: 17px; font-weight: 600; }
.scout .grid { stroke: var(--line); } .scout .axis { stroke: var(--soft); }
.scout .lead { stroke: var(--soft); stroke-width: 0.8; }
.scout .fits { stroke: var(--fits); stroke-width: 2; } .scout circle.fits { fill: var(--fits); }
.scout .not { stroke: var(--not); stroke-width: 2; } .scout circle.not { fill: var(--ground); }
"""


@dataclass(frozen=True)
class Point:
    """A backbone in the picture: its score with interval, what its fine-tuning costs in seconds
    (more than zero), and whether that fits the budget."""

    name: str
    score: float
    low: float
    high: float
    seconds: float
    fits: bool


@dataclass(frozen=True)
class _Frame:
    """Where values lie in pixels: seconds on a logarithmic axis, scores on a linear one."""

    fewest: float
    most: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        share = math.log(seconds / self.fewest) / math.log(self.most / self.fewest)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, score: float) -> float:
        return (
            HEIGHT - BOTTOM - (score - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
        )


def plot(
    points: Sequence[Point],
    file: Path | str,
    *,
    title: str = "Backbones: score against cost",
    metric: str = "score",
) -> Path:
    """Write the picture to a file that ends in .svg or .html.

    Points without a finite score and cost are left out; names are escaped.

    Raises:
        ConfigError: The file ends otherwise.
    """
    path = Path(file)
    if path.suffix not in (".svg", ".html"):
        raise ConfigError(f"A chart is written as .svg or .html, not as {path.name!r}.")
    picture = draw(points, title=title, metric=metric)
    if path.suffix == ".html":
        picture = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{html.escape(title)}</title>"
            "<style>body{margin:0;display:grid;place-items:center;min-height:100vh;"
            "background:Canvas}svg{max-width:100%;height:auto}</style></head>\n"
            f"<body>{picture}</body></html>\n"
        )
    path.write_text(picture, encoding="utf-8")
    return path


def draw(points: Sequence[Point], *, title: str, metric: str) -> str:
    """The picture as SVG text, with its description for those who hear it."""
    known = [p for p in points if _is_drawable(p)]
    frame = _frame(known)
    said = "; ".join(f"{p.name}: {p.score:.3f}, {seconds_said(p.seconds)}" for p in known)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="scout" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{html.escape(title)}</title><desc>{html.escape(said)}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="30">{html.escape(title)}</text>',
        *_legend(),
        *_axes(frame, metric),
        *(mark for point in known for mark in _mark(point, frame)),
        *_labels(known, frame),
    ]
    if not known:
        parts.append(f'<text class="soft" x="{WIDTH / 2}" y="{HEIGHT / 2}">Nothing to show</text>')
    return "\n".join([*parts, "</svg>\n"])


def seconds_said(seconds: float) -> str:
    """A length of time as one reads it: "0.3 s", "45 s", "12 min", "3 h", "2 d"."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s"


def _is_drawable(point: Point) -> bool:
    numbers = (point.score, point.low, point.high, point.seconds)
    return all(map(math.isfinite, numbers)) and point.seconds > 0


def _frame(points: Sequence[Point]) -> _Frame:
    """Room around all points and their intervals; at least a threefold of time and 0.02."""
    if not points:
        return _Frame(1.0, 100.0, 0.0, 1.0)
    fewest, most = min(p.seconds for p in points) / 1.4, max(p.seconds for p in points) * 1.4
    wide = max(1.0, math.sqrt(3 * fewest / most))
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = max(0.08 * (high - low), 0.01)
    return _Frame(fewest / wide, most * wide, low - room, high + room)


def _legend() -> list[str]:
    y = 52
    return [
        f'<circle class="fits" cx="{LEFT + 6}" cy="{y - 4}" r="5"/>',
        f'<text class="soft" x="{LEFT + 18}" y="{y}">fits the budget</text>',
        f'<circle class="not" cx="{LEFT + 146}" cy="{y - 4}" r="5"/>',
        f'<text class="soft" x="{LEFT + 158}" y="{y}">does not fit</text>',
    ]


def _axes(frame: _Frame, metric: str) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in _score_ticks(frame.low, frame.high):
        y = frame.y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(
            f'<text class="soft" x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for seconds in _second_ticks(frame.fewest, frame.most):
        x = frame.x(seconds)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>')
        parts.append(
            f'<text class="soft" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{seconds_said(seconds)}</text>"
        )
    middle = (TOP + bottom) / 2
    return [
        *parts,
        f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{right}"/>',
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 22}" text-anchor="middle">'
        "time to fine-tune on this machine (logarithmic)</text>",
        f'<text transform="translate(22 {middle}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(metric)}</text>",
    ]


def _score_ticks(low: float, high: float) -> list[float]:
    """Round numbers, four to nine of them."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _second_ticks(fewest: float, most: float) -> list[float]:
    """Times one says; where none or one lies between the ends, the ends' own middle too."""
    ticks = [float(tick) for tick in TICK_SECONDS if fewest <= tick <= most]
    if len(ticks) > 1:
        return ticks
    share = (most / fewest) ** 0.25
    return [float(f"{fewest * share:.1g}"), float(f"{most / share:.1g}")]


def _mark(point: Point, frame: _Frame) -> list[str]:
    """The interval as a bar with ends, the score as a dot on it."""
    kind = "fits" if point.fits else "not"
    x, y = frame.x(point.seconds), frame.y(point.score)
    low, high = frame.y(point.low), frame.y(point.high)
    bar = f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 5:.1f} {low:.1f}h10M{x - 5:.1f} {high:.1f}h10"
    told = (
        f"{point.name}: {point.score:.3f} ({point.low:.3f} to {point.high:.3f}), "
        f"{seconds_said(point.seconds)}"
    )
    return [
        f'<path class="{kind}" d="{bar}"/>',
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5.5">'
        f"<title>{html.escape(told)}</title></circle>",
    ]


def _labels(points: Sequence[Point], frame: _Frame) -> list[str]:
    """Each name beside its dot, at the first height where it covers no other name or bar."""
    taken: list[tuple[float, float, float]] = []
    bars = [(frame.x(p.seconds), frame.y(p.high), frame.y(p.low)) for p in points]
    parts = []
    for point in sorted(points, key=lambda p: -p.score):
        name = point.name if len(point.name) <= LONGEST_NAME else point.name[:LONGEST_NAME] + "…"
        x, y, long = frame.x(point.seconds), frame.y(point.score), LETTER * len(name)
        flip = x + 12 + long > WIDTH - RIGHT
        start = max(4.0, x - 12 - long if flip else x + 12)
        spot = _free_height(start, start + long, y, [*taken, *_blocks(bars)])
        taken.append((start, start + long, spot))
        if abs(spot - y) > LINE:
            end = start + long if flip else start
            parts.append(f'<path class="lead" d="M{x:.1f} {y:.1f}L{end:.1f} {spot:.1f}"/>')
        anchor, edge = ("end", start + long) if flip else ("start", start)
        parts.append(
            f'<text x="{edge:.1f}" y="{spot + 4:.1f}" text-anchor="{anchor}">'
            f"{html.escape(name)}</text>"
        )
    return parts


def _blocks(bars: Sequence[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Bars as a pile of boxes of a line's height: (left, right, middle)."""
    return [
        (x - 6, x + 6, y)
        for x, top, bottom in bars
        for y in [top + LINE / 2 * n for n in range(int((bottom - top) / (LINE / 2)) + 2)]
    ]


def _free_height(
    start: float, end: float, y: float, taken: Sequence[tuple[float, float, float]]
) -> float:
    """The height nearest to y at which the line meets none of the boxes; y where all is taken."""
    for step in range(2 * HEIGHT // 4):
        spot = y + (step + 1) // 2 * 4 * (1 - 2 * (step % 2))
        inside = TOP < spot < HEIGHT - BOTTOM - 6
        if inside and not any(
            start < right and left < end and abs(spot - middle) < LINE
            for left, right, middle in taken
        ):
            return spot
    return y
