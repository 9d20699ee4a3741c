"""Charts drawn: as SVG that takes the colours of the page around it, or as a file."""

from __future__ import annotations

import importlib.util
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tunesmith.core.errors import ConfigError, need
from tunesmith.core.runfolder import write_bytes
from tunesmith.report.colors import STYLE, VARIABLES
from tunesmith.report.section import Chart

FORMATS = (".png", ".svg")
DOTS_PER_INCH = 130
FONT = re.compile(r"font: (?:(?P<weight>bold|[0-9]+) )?(?P<size>[\d.]+px) [^;]*")
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def can_draw() -> bool:
    """Whether the package that draws is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def label(text: object, most: int = 28) -> str:
    """A name as it is written into a drawing: on one line, shortened, without what XML refuses."""
    plain = NOT_IN_XML.sub("�", " ".join(str(text).split()))
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def figure(charts: Sequence[Chart]) -> Any:
    """A matplotlib figure with charts one below the other.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    need("matplotlib", extra="plot")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = max(c.inches[0] for c in charts), sum(c.inches[1] for c in charts)
    with rc_context(STYLE):
        drawn = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(drawn)
        ratios = [chart.inches[1] for chart in charts]
        grid = drawn.add_gridspec(len(charts), 1, height_ratios=ratios)
        for place, chart in enumerate(charts):
            axes = drawn.add_subplot(grid[place])
            axes.spines[["top", "right"]].set_visible(False)
            chart.draw(axes)
            axes.set_title(chart.title)
    return drawn


def content(drawn: Any, form: str, *, is_clear: bool = False) -> bytes:
    """A figure as the bytes of a file; `is_clear` leaves the ground behind it out."""
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context(STYLE), warnings.catch_warnings():
        # Letters that matplotlib's own font lacks are drawn by the font of the page.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        drawn.savefig(file, format=form, facecolor="none" if is_clear else "white")
    return file.getvalue()


def write(drawn: Any, file: Path) -> None:
    """Write a figure as PNG or SVG.

    Raises:
        ConfigError: The file ends otherwise.
        DataError: It cannot be written.
    """
    if file.suffix.lower() not in FORMATS:
        raise ConfigError(f"{file} must end in one of {', '.join(FORMATS)}.")
    written = content(drawn, file.suffix[1:].lower())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, written)


def svg(chart: Chart) -> str:
    """A chart as an SVG element for a page: without a title, which the page has, in the colours of
    the page by its variables, in its font, with names that no other chart of the page has."""
    drawn = figure([chart])
    drawn.axes[0].set_title("")
    root = ElementTree.fromstring(content(drawn, "svg", is_clear=True))
    _strip(root)
    used = set(REFERENCE.findall(ElementTree.tostring(root, "unicode")))
    used |= {one.get("href", "")[1:] for one in root.iter() if one.get("href", "")[:1] == "#"}
    for one in root.iter():
        _adapt(one, f"{chart.name}-", used)
    width, height = (round(72 * inches) for inches in chart.inches)
    root.attrib.clear()
    root.attrib |= {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": chart.says}
    return ElementTree.tostring(root, "unicode", short_empty_elements=False)


def _strip(root: ElementTree.Element) -> None:
    """Take away name spaces, which a page does without, who made it and when, and style sheets,
    which would reach beyond the drawing."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style", "title"):
                parent.remove(child)
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
        one.attrib = {name.rpartition("}")[2]: value for name, value in one.attrib.items()}


def _adapt(one: ElementTree.Element, prefix: str, used: set[str]) -> None:
    """Colours by variables, names with a prefix where anything refers to them, short numbers."""
    name = one.attrib.pop("id", "")
    if name in used:
        one.set("id", prefix + name)
    if one.get("href", "").startswith("#"):
        one.set("href", f"#{prefix}{one.attrib['href'][1:]}")
    for key, value in one.attrib.items():
        if key in ("id", "href"):
            continue
        value = REFERENCE.sub(rf"url(#{prefix}\1)", value)
        value = LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", value)
        if key == "style":
            value = FONT.sub(_font, value)
            for color, variable in VARIABLES.items():
                value = value.replace(color, variable)
        one.set(key, value)


def _font(found: re.Match[str]) -> str:
    weight = f"font-weight: {found['weight']}; " if found["weight"] else ""
    return f"{weight}font-size: {found['size']}"
