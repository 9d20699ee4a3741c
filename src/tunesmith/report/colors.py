"""The colours of drawings, as files have them; a page puts its own in their place (`drawing`)."""

from __future__ import annotations

COLORS = (
    *("#1f6feb", "#b4552d", "#2f855a", "#805ad5", "#b7791f", "#c53030", "#2c7a7b", "#4a5568"),
    *("#a83279", "#5a7d0a", "#0b6e99", "#8a5a44"),
)
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
"""A shape beside each colour, for who cannot tell these apart."""
INK, SOFT, LINE = "#1c2330", "#566070", "#dfe3ea"
VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    **{color: f"var(--c{number})" for number, color in enumerate(COLORS, start=1)},
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tunesmith",
    "text.parse_math": False,
    "font.size": 12,
    "axes.titlesize": 13,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "legend.frameon": False,
    "legend.fontsize": 10,
}
"""Texts stay texts, a name with a dollar is no formula, and the same is drawn twice alike."""
