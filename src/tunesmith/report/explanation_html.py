"""Explanations as a piece of a page. A user's text is escaped everywhere."""

from __future__ import annotations

import base64
import html as escaping
import io
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.explaining import Piece
from tunesmith.core.explanations import Faithfulness, RowExplanation
from tunesmith.report.explanation_text import where

SHOWN_PIECES = 40
"""Lines of a table; the rest is summed up."""
STRONGEST = 0.46
"""Opacity behind the word that counts most, which is read on a dark ground too."""
SIDE = 320
"""Pixels of the longer side of a picture."""
STYLE = """<style>
.credit{--up:33,102,204;--down:204,85,0;--ink:#1b1f24;--line:#d0d7de;--ground:#ffffff;
color:var(--ink);background:var(--ground);font:15px/1.6 system-ui,sans-serif;max-width:60rem}
@media (prefers-color-scheme:dark){.credit{--up:110,168,254;--down:255,158,87;--ink:#e6edf3;
--line:#3d444d;--ground:#14171c}}
:root[data-theme=dark] .credit{--up:110,168,254;--down:255,158,87;--ink:#e6edf3;--line:#3d444d;
--ground:#14171c}
:root[data-theme=light] .credit{--up:33,102,204;--down:204,85,0;--ink:#1b1f24;--line:#d0d7de;
--ground:#ffffff}
.credit h2{font-size:1.15rem}.credit h3{font-size:1rem}
.credit article{border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem;margin:.8rem 0}
.credit .text{overflow-wrap:anywhere;white-space:pre-wrap}
.credit .text span{border-radius:3px;padding:0 1px;unicode-bidi:isolate}
.credit table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.credit caption{text-align:left;font-weight:600}
.credit th,.credit td{text-align:left;padding:.1rem .8rem .1rem 0;vertical-align:top}
.credit th,.credit .number{white-space:nowrap}
.credit .words{overflow-wrap:anywhere;min-width:4.5rem}
.credit td.bar{width:8rem;min-width:3rem;vertical-align:middle}
.credit .bar div{height:.8em;border-radius:2px}
.credit .wide{overflow-x:auto}.credit svg{max-width:100%;height:auto}
</style>"""


def page(inner: str) -> str:
    """A whole page around it."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Explanations</title>'
        "<style>body{font-family:system-ui,sans-serif}"
        "@media (prefers-color-scheme:dark){body{background:#14171c;color:#e6edf3}}</style>"
        f"<body><main><h1>Why these answers</h1>{inner}</main></body></html>"
    )


def html(rows: Sequence[RowExplanation], proof: Faithfulness, check: str = "") -> str:
    """The rows one below the other."""
    told = f"<p>{escaping.escape(_sentence(proof))}</p>"
    told += f"<p>{escaping.escape(check.capitalize())}.</p>" if check else ""
    parts = "".join(_row(one) for one in rows)
    return f'{STYLE}<div class="credit">{told}{parts}</div>'


def _sentence(proof: Faithfulness) -> str:
    rows = "this row" if proof.rows == 1 else f"{proof.rows} rows"
    return (
        f"Tested on {rows} by taking pieces away and putting them back in the order of their "
        f"credit: {proof.told()}."
    )


def _row(one: RowExplanation) -> str:
    what = f"probability of {one.output!r}" if one.output else "number"
    base = "" if one.base is None else f", {one.base:.4g} with nothing there"
    head = (
        f"<h2>Row {one.row + 1}: {escaping.escape(one.answer)}</h2>"
        f"<p>The {escaping.escape(what)} is {one.value:.4g}{base}; credit by "
        f"{escaping.escape(one.method)}.</p>"
    )
    if told := one.completeness():
        head += f"<p>{escaping.escape(told.capitalize())}.</p>"
    return f"<article>{head}{_contents(one)}{_cells(one)}</article>"


def _contents(one: RowExplanation) -> str:
    """Texts with their words coloured, pictures with their parts."""
    pairs = list(zip(one.pieces, map(float, one.credits), strict=True))
    most = max((abs(credit) for _, credit in pairs), default=0.0) or 1.0
    parts = []
    for column, group in groupby(pairs, key=lambda pair: pair[0].column):
        found = [(piece, credit / most) for piece, credit in group if piece.place]
        if not found:
            continue
        cell = str(one.cells[column])
        drawn = _picture(cell, found) if found[0][0].kind == "image" else _text(cell, found)
        parts.append(f"<h3>{escaping.escape(column)}</h3>{drawn}")
    return "".join(parts)


def _colour(share: float) -> str:
    """Behind a piece of that share of the largest credit: one colour raises, the other lowers."""
    tone = "--up" if share > 0 else "--down"
    return f"rgba(var({tone}),{abs(share) * STRONGEST:.2f})"


def _text(text: str, found: Sequence[tuple[Piece, float]]) -> str:
    parts, last = [], 0
    for piece, share in found:
        start, end = int(piece.place[0]), int(piece.place[1])
        parts.append(escaping.escape(text[last:start]))
        parts.append(
            f'<span style="background:{_colour(share)}" title="{share:+.2f} of the largest">'
            f"{escaping.escape(text[start:end])}</span>"
        )
        last = end
    return f'<p class="text">{"".join(parts)}{escaping.escape(text[last:])}</p>'


def _picture(cell: str, found: Sequence[tuple[Piece, float]]) -> str:
    from tunesmith.data.pictures import read_bytes
    from tunesmith.modalities.pictures import open_picture

    try:
        image = open_picture(read_bytes(cell), near=SIDE, name=cell)
    except DataError as error:
        return f"<p>{escaping.escape(str(error))}</p>"
    image.thumbnail((SIDE, SIDE))
    held = io.BytesIO()
    image.save(held, "JPEG", quality=80)
    data = base64.b64encode(held.getvalue()).decode()
    width, height = max(image.width, SIDE // 2), max(image.height, SIDE // 2)
    shapes = "".join(
        f'<path d="{piece.path(width, height)}" style="fill:{_colour(share)}"/>'
        for piece, share in found
        if abs(share) > 0.02
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="The picture, coloured by what raised and what lowered the answer">'
        f'<image width="100%" height="100%" preserveAspectRatio="none" '
        f'href="data:image/jpeg;base64,{data}"/>{shapes}</svg>'
    )


def _cells(one: RowExplanation) -> str:
    """The table behind: columns by what they added, then single pieces of texts."""
    columns, values = one.by_column(), {p.column: p for p in one.pieces if not p.place}
    lines = [(name, values[name].text if name in values else "", c) for name, c in columns.items()]
    drawn = _table("What each column added", ("column", "value"), lines)
    words = [(p, float(c)) for p, c in zip(one.pieces, one.credits, strict=True) if p.place]
    if not words:
        return drawn
    order = np.argsort([-abs(credit) for _, credit in words], kind="stable")[:SHOWN_PIECES]
    told = [
        (words[n][0].text or where(words[n][0]), words[n][0].column, words[n][1]) for n in order
    ]
    inner = _table(f"The {len(told)} pieces that count most", ("piece", "column"), told)
    return f"{drawn}<details><summary>Pieces as a table</summary>{inner}</details>"


def _table(caption: str, heads: tuple[str, str], lines: Sequence[tuple[str, str, float]]) -> str:
    most = max((abs(credit) for _, _, credit in lines), default=0.0) or 1.0
    rows = "".join(
        f'<tr><td class="words">{escaping.escape(first)}</td>'
        f'<td class="words">{escaping.escape(second)}</td>'
        f'<td class="number">{credit:+.4f}</td><td class="bar" aria-hidden="true">'
        f'<div style="background:'
        f'rgb(var({"--up" if credit > 0 else "--down"}));width:{100 * abs(credit) / most:.0f}%">'
        "</div></td></tr>"
        for first, second, credit in lines
    )
    return (
        f'<div class="wide"><table><caption>{escaping.escape(caption)}</caption><thead><tr>'
        f'<th scope="col">{heads[0]}</th><th scope="col">{heads[1]}</th>'
        f'<th scope="col">credit</th><th aria-hidden="true"></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
