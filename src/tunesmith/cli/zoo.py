"""`tunesmith zoo`: the checkpoints that can be fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.cli.options import Json
from tunesmith.cli.tables import Table, show, show_json, size

if TYPE_CHECKING:
    from tunesmith.core.records import Card

MOST_SHOWN = 4


def zoo(as_json: Json = False) -> None:
    """List the checkpoints: size, languages, licence, and whether the bytes are here."""
    cards = known()
    if as_json:
        show_json({card.name: _facts(card, here) for card, here in cards})
        return
    heads = ("name", "family", "parameters", "blocks", "width", "download", "languages", "licence")
    rows = tuple((*_cells(card), "here" if here else "not here") for card, here in cards)
    right = frozenset({"parameters", "blocks", "width", "download"})
    show(Table("Checkpoints", (*heads, "bytes"), rows, right))


def known() -> list[tuple[Card, bool]]:
    """Every card with whether its bytes are on this machine; opens no socket."""
    from tunesmith.zoo import cards, is_here

    return [(card, is_here(card)) for card in cards()]


def _cells(card: Card) -> tuple[str, ...]:
    return (
        card.name,
        card.family,
        f"{card.parameters / 1e6:.1f} M",
        str(card.blocks),
        str(card.width),
        size(card.download_bytes / 1e6),
        languages(card.languages),
        card.license,
    )


def languages(codes: Sequence[str]) -> str:
    """The first few codes, and how many more."""
    shown, more = codes[:MOST_SHOWN], len(codes) - MOST_SHOWN
    return " ".join(shown) + (f" and {more} more" if more > 0 else "")


def _facts(card: Card, here: bool) -> dict[str, Any]:
    names = ("family", "modality", "parameters", "blocks", "width", "download_bytes", "languages")
    facts = {name: getattr(card, name) for name in names}
    return facts | {"license": card.license, "source": card.source, "here": here}
