"""Sections as JSON, and as a model card in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.runfolder import sayable
from tunesmith.report.section import Block, Chart, Code, Marked, Section, Table, Tiles, Words

FORMAT = 1
MOST_ROWS = 40
"""Of a table in Markdown."""
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$^-])")
"""What Markdown takes for its own, in one dialect or another."""


def as_json(sections: Sequence[Section], **facts: Any) -> dict[str, Any]:
    """Every section with all its numbers, those behind drawings too."""
    told = [
        {
            "name": one.name,
            "title": one.title,
            "why": one.why,
            "blocks": [_plain(block) for block in one.blocks],
        }
        for one in sections
    ]
    found: dict[str, Any] = sayable({"format": FORMAT, **facts, "sections": told})
    return found


def _plain(block: Block) -> dict[str, Any]:
    if isinstance(block, Words):
        return {"kind": "words", "text": block.text, "tone": block.tone}
    if isinstance(block, Tiles):
        return {"kind": "tiles", "tiles": [vars(tile) for tile in block.tiles]}
    if isinstance(block, Code):
        return {"kind": "code", "language": block.language, "text": block.text}
    if isinstance(block, Chart):
        chart = {"kind": "chart", "name": block.name, "title": block.title, "says": block.says}
        return {**chart, "table": _table(block.table)}
    if isinstance(block, Marked):
        pieces = [{"text": text, "share": share} for text, share in block.pieces]
        return {"kind": "marked", "title": block.title, "says": block.says, "pieces": pieces}
    return {"kind": "table", **_table(block)}


def _table(table: Table) -> dict[str, Any]:
    heads = [head.name for head in table.heads]
    return {"title": table.title, "columns": heads, "rows": [list(row) for row in table.rows]}


def as_markdown(sections: Sequence[Section], title: str, front: Mapping[str, Any]) -> str:
    """A model card: facts for machines at the head, then the sections."""
    import yaml

    head = yaml.safe_dump(dict(front), allow_unicode=True, sort_keys=False)
    parts = [f"---\n{head}---", f"# {escaped(title)}"]
    for one in sections:
        parts += [f"## {escaped(one.title)}", escaped(one.why)]
        parts += [_written(block) for block in one.blocks]
    return "\n\n".join(parts) + "\n"


def _written(block: Block) -> str:
    if isinstance(block, Words):
        text = escaped(block.text)
        return f"> **Beware.** {text}" if block.tone == "warning" else text
    if isinstance(block, Tiles):
        lines = (
            f"- **{escaped(one.name)}**: {escaped(one.value)}"
            + f" ({escaped(one.about)})" * bool(one.about)
            for one in block.tiles
        )
        return "\n".join(lines)
    if isinstance(block, Code):
        return _fenced(block)
    if isinstance(block, Chart):
        return f"### {escaped(block.title)}\n\n{escaped(block.says)}\n\n{_lined(block.table)}"
    if isinstance(block, Marked):
        text = escaped("".join(text for text, _ in block.pieces))
        return f"### {escaped(block.title)}\n\n{escaped(block.says)}\n\n{text}"
    return _lined(block)


def _fenced(code: Code) -> str:
    """Lines between fences longer than any in them."""
    longest = max(map(len, re.findall("`+", code.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{code.language}\n{code.text}\n{fence}"


def _lined(table: Table) -> str:
    heads = [escaped(head.name) for head in table.heads]
    lines = [f"**{escaped(table.title)}**", ""]
    lines += [_row(heads), _row(["---"] * len(heads))]
    lines += [_row(list(map(escaped, table.said(row)))) for row in table.rows[:MOST_ROWS]]
    if len(table.rows) > MOST_ROWS:
        lines += ["", f"The first {MOST_ROWS} of {len(table.rows):,} rows."]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """A text that Markdown, and the HTML that it may hold, shows as it stands, on one line."""
    plain = " ".join(text.split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", plain)
