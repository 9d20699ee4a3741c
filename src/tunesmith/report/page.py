"""Sections as one HTML page that fetches nothing, and as a fragment for a notebook.

Whatever a user wrote (names of columns, classes, cells) comes into the page through jinja2, which
escapes it, or through a drawing, whose texts ElementTree escapes. A policy in the page allows no
script but its own, by its hash, and no address at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from tunesmith.report.drawing import can_draw
from tunesmith.report.drawing import svg as drawn
from tunesmith.report.section import Block, Cell, Chart, Section, Table

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MOST_ROWS = 200
"""Of a table that are shown."""
MOST_NARROW, LONGEST_NARROW = 6, 26
"""Columns, and letters of a cell, of a table that has room beside another block."""
WIDTH_LETTERS, GAP_LETTERS = 58, 1.4
"""Of half the page on a desk; and between two columns."""
DARK = """
  --ground: #14171c; --raised: #1c2128; --ink: #e6e9ee; --soft: #a7b0bd; --line: #363e4a;
  --accent: #8ab8ff; --warn: #2f2713; --warn-line: #d9a441; --heat: 110 168 254;
  --raises: 110 168 254; --lowers: 255 158 87;
  --c1: #6ea8fe; --c2: #e59069; --c3: #5cc48d; --c4: #bb9af7; --c5: #e0b252; --c6: #f28b82;
  --c7: #58c7c7; --c8: #a7b0bd; --c9: #f08cc5; --c10: #b5d256; --c11: #63c5f0; --c12: #d3a18a;
  color-scheme: dark;"""
"""Where the reader's system asks for it, unless the reader chose; where the reader chose it."""


def page(sections: Sequence[Section], *, title: str, subtitle: str, folder: str) -> str:
    """The whole page."""
    from importlib.metadata import version

    from markupsafe import Markup

    made, script = _environment(), _read("page.js")
    mark = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return made.get_template("page.html.j2").render(
        sections=sections,
        title=title,
        subtitle=subtitle,
        folder=folder,
        version=version("tunesmith"),
        style=Markup(_style()),  # ours, without a word of a user's
        script=Markup(script),
        script_hash=f"sha256-{mark}",
        svg=_svg if can_draw() else lambda chart: "",
    )


def fragment(blocks: Sequence[Block], most_rows: int = MOST_ROWS) -> str:
    """Blocks alone, for a notebook, without drawings."""
    made = _environment()
    template = made.from_string(
        '{% import "blocks.html.j2" as draw with context %}'
        '<div class="tunesmith">{% for one in blocks %}{{ draw.block(one) }}{% endfor %}</div>'
    )
    return template.render(blocks=blocks, most_rows=most_rows, svg=lambda chart: "")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("tunesmith.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.globals |= {
        "kind_of": lambda one: type(one).__name__.lower(),
        "numbers": _numbers,
        "is_narrow": _is_narrow,
        "total": _total,
        "most_rows": MOST_ROWS,
    }
    return made


def _svg(chart: Chart) -> Markup:
    from markupsafe import Markup

    return Markup(drawn(chart))  # written by ElementTree, which escapes texts and attributes


def _numbers(table: Table) -> set[int]:
    """The places of the columns that hold numbers alone."""
    return {place for place in range(len(table.heads)) if _is_number(table, place)}


def _is_number(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(
        isinstance(c, int | float) and not isinstance(c, bool) for c in cells
    )


def _is_narrow(table: Table) -> bool:
    """Whether a table can stand beside another block and be seen whole: few columns of words that
    are short, and together no wider than half of the page."""
    said = [[head.name for head in table.heads]]
    said += [list(table.said(row)) for row in table.rows[:MOST_ROWS]]
    longest = [max(map(len, column)) for column in zip(*said, strict=True)]
    is_short = len(longest) <= MOST_NARROW and max(longest, default=0) <= LONGEST_NARROW
    return is_short and sum(longest) + GAP_LETTERS * len(longest) <= WIDTH_LETTERS


def _total(row: Sequence[Cell]) -> float:
    return float(sum(cell for cell in row if isinstance(cell, int | float)))


def _read(name: str) -> str:
    from importlib.resources import files

    return (files("tunesmith.report") / "templates" / name).read_text(encoding="utf-8")


def _style() -> str:
    asked = "@media screen and (prefers-color-scheme: dark)"
    asked += f" {{ :root:not([data-theme=light]) {{{DARK} }} }}"
    chosen = f"@media screen {{ :root[data-theme=dark] {{{DARK} }} }}"
    return _read("page.css").replace("DARK", f"{asked}\n{chosen}")
