"""The rules for a column's kind, in the order asked; the first that gives a reason wins."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import numpy as np

from tunesmith.core.records import Kind
from tunesmith.data.cells import Cells
from tunesmith.data.pictures import DATA_URI, is_base64, names_picture

MOST = 0.95
"""Share of cells that must be numbers or dates; the others are then taken as missing."""
IMAGES = 0.9
ALL_BUT_FEW = 0.98
FEWEST_ROWS = 20
"""With fewer rows, different values are no sign of an identifier."""
WORDS_OF_TEXT = 3.0
LENGTH_OF_TEXT = 20.0
SAMPLE = 2_000

_ID_NAME = re.compile(r"(?i:(.*[_\-. ])?(id|[ug]uid)|unnamed: 0)|.*[a-z](Id|ID)")
_CODE = re.compile(r"[A-Za-z0-9][\w.:/@+#-]{0,63}", re.ASCII)
_UUID = re.compile(r"(?i)\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts that put no space between words (Thai, Lao, Japanese, Chinese)."""


def constant(cells: Cells) -> str:
    if not cells.present:
        return f"all {len(cells.raw):,} cells are missing"
    same = cells.distinct == 1 and cells.present == len(cells.raw)
    return f"all {cells.present:,} cells are {_short(next(iter(cells.counts)))!r}" if same else ""


def truth(cells: Cells) -> str:
    return f"all {cells.present:,} cells are true or false" if cells.holds(bool) else ""


def date(cells: Cells) -> str:
    if cells.holds(datetime):
        return f"all {cells.present:,} cells are dates"
    if cells.number_share > 1 - MOST or not cells.format:
        return ""
    share = float((~np.isnat(cells.dates)).sum()) / cells.present
    if share < MOST:
        return ""
    return f"{_percent(share)} of {cells.present:,} cells are dates written as '{cells.format}'"


def image(cells: Cells) -> str:
    if cells.is_native or cells.plain is not None:
        return ""
    held = _counted(cells, lambda word: word.startswith(DATA_URI) or is_base64(word))
    if held >= IMAGES:
        return f"{_percent(held)} of {cells.present:,} cells hold a picture as base64 or bytes"
    share = _counted(cells, names_picture) + held
    if share < IMAGES:
        return ""
    return f"{_percent(share)} of {cells.present:,} cells end as picture files do"


def _counted(cells: Cells, holds: Callable[[str], bool]) -> float:
    return sum(count for word, count in cells.counts.items() if holds(word)) / cells.present


def identifier(cells: Cells) -> str:
    share = cells.distinct / cells.present
    if cells.present < FEWEST_ROWS or share < ALL_BUT_FEW:
        return ""
    found = f"{_percent(share)} of {cells.present:,} cells are distinct"
    named = _ID_NAME.fullmatch(cells.name) is not None
    if cells.number_share >= MOST:
        values = cells.numbers[np.isfinite(cells.numbers)]
        whole = bool(len(values)) and bool((values == np.round(values)).all())
        if whole and _rises_evenly(values):
            return f"{found} whole numbers that rise evenly from row to row"
        return f"{found} whole numbers under the name of an identifier" if whole and named else ""
    words = _sample(cells)
    if named and _share(words, lambda word: " " not in word) >= ALL_BUT_FEW:
        return f"{found} single words under the name of an identifier"
    return f"{found} single codes, such as {_short(words[0])!r}" if _are_codes(words) else ""


def number(cells: Cells) -> str:
    if cells.number_share < MOST:
        return ""
    others = cells.present - int((~np.isnan(cells.numbers)).sum())
    if not others:
        return f"all {cells.present:,} cells are numbers, {cells.distinct:,} distinct"
    return (
        f"{_percent(cells.number_share)} of {cells.present:,} cells are numbers; the other "
        f"{others:,} are taken as missing"
    )


def text(cells: Cells) -> str:
    words, distinct = _sample(cells), cells.distinct
    mean_words = float(np.mean([_word_count(word) for word in words]))
    mean_length = float(np.mean([len(word) for word in words]))
    said = f"mean of {mean_words:.1f} words and {mean_length:.0f} letters a cell, "
    said += f"{distinct:,} distinct in {cells.present:,}"
    if distinct <= 30 and cells.present >= 500 and mean_words < 2 * WORDS_OF_TEXT:
        return ""  # long names of a few categories, many times over
    is_long = mean_length >= LENGTH_OF_TEXT and distinct >= min(50, cells.present / 2)
    is_unique = cells.present >= FEWEST_ROWS and distinct >= ALL_BUT_FEW * cells.present
    return said if mean_words >= WORDS_OF_TEXT or is_long or is_unique else ""


def category(cells: Cells) -> str:
    return f"{cells.distinct:,} distinct short values in {cells.present:,} cells"


RULES: tuple[tuple[Kind, Callable[[Cells], str]], ...] = (
    ("constant", constant),
    ("category", truth),
    ("image", image),
    ("date", date),
    ("identifier", identifier),
    ("number", number),
    ("text", text),
    ("category", category),
)


def _rises_evenly(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether nearly all steps from a row to the next are the same, and not zero."""
    steps = np.diff(values)
    step = float(np.median(steps))
    return step != 0 and float((steps == step).mean()) >= MOST


def _are_codes(words: list[str]) -> bool:
    """Whether words are codes: one run of ASCII letters and digits, most with a digit or _."""
    if _share(words, lambda word: _UUID.fullmatch(word) is not None) >= MOST:
        return True
    coded = _share(words, lambda word: _CODE.fullmatch(word) is not None)
    marked = _share(words, lambda word: any(one.isdigit() or one == "_" for one in word))
    return coded >= ALL_BUT_FEW and marked >= 0.5


def _sample(cells: Cells) -> list[str]:
    """At most about two thousand present cells, evenly spread."""
    present = [word for word in cells.words if word is not None]
    return present[:: max(1, len(present) // SAMPLE)]


def _share(words: list[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, words)) / len(words)


def _word_count(word: str) -> float:
    return max(float(len(word.split())), len(_UNSPACED.findall(word)) / 2)


def _percent(share: float) -> str:
    return "all" if share == 1 else f"{100 * share:.3g} %"


def _short(word: str) -> str:
    return word if len(word) <= 40 else word[:40] + "…"
