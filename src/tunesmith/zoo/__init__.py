"""Pretrained checkpoints: which there are, where their bytes lie, and how to bring them."""

from __future__ import annotations

import re
from pathlib import Path

from tunesmith.core.errors import ConfigError, WeightsError, did_you_mean
from tunesmith.core.records import Card
from tunesmith.zoo import encoders, pictures, sources, text_cards

__all__ = ["card_for", "cards", "fetch", "folder", "is_here", "ready"]

FEWEST_LETTERS = 4
"""Of a part of a name that stands for the whole."""
HUB = re.compile(r"hub:[\w.-]+/[\w.-]+@[0-9a-f]{40}")


def cards(modality: str | None = None) -> tuple[Card, ...]:
    """The built-in cards, the most promising first."""
    every = (*text_cards.CARDS, *pictures.CARDS)
    found = [card for card in every if modality in (None, card.modality)]
    return tuple(sorted(found, key=lambda card: -card.quality))


def card_for(name: str) -> Card:
    """The card of a built-in name, or a part that only one has; of a folder ("folder:PATH" or a
    path); or of a hub id with a pinned revision ("hub:OWNER/NAME@40 hexadecimal digits").

    Raises:
        ConfigError: It is none of these.
        WeightsError: The folder does not hold an encoder known here.
    """
    for card in cards():
        if card.name.lower() == name.lower():
            return card
    path = Path(name.removeprefix("folder:")).expanduser()
    if name.startswith("folder:") or path.is_dir():
        if not path.is_dir():
            raise WeightsError(f"There is no folder {path} with a checkpoint in it.")
        describe = pictures.describe if pictures.is_one(path) else encoders.describe
        return describe(path, str(path.absolute()), f"folder:{path.absolute()}")
    like = [card for card in cards() if name.lower() in card.name.lower()]
    if len(name) >= FEWEST_LETTERS and len(like) == 1:
        return like[0]
    if HUB.fullmatch(name):
        return _on_the_hub(name)
    if name.startswith("hub:"):
        raise ConfigError(
            f"{name!r} does not pin a revision. Write hub:OWNER/NAME@REVISION with the 40 "
            "hexadecimal digits of a commit, so that the same bytes come every time."
        )
    raise ConfigError(
        f"There is no checkpoint {name!r}.{did_you_mean(name, (card.name for card in cards()))} "
        "A folder is given as its path, a hub id as hub:OWNER/NAME@REVISION."
    )


def _on_the_hub(name: str) -> Card:
    """What is known of a hub id: whether it reads pictures is told by its config.json, once that
    is here."""
    card = Card(name, "", "text", 0, 0, 0, 0, ("unknown",), "see the hub", name)
    if is_here(card) and pictures.is_one(path := sources.place(card)):
        return pictures.describe(path, name, name)
    return card


def is_here(card: Card) -> bool:
    """Whether its bytes are on this machine; opens no socket."""
    return sources.present(card)


def fetch(name: str, timeout_seconds: float = 1800.0) -> Path:
    """Bring the bytes of a checkpoint, check them, and give their folder."""
    return sources.ready(card_for(name), offline=False, timeout_seconds=timeout_seconds)


def folder(name: str) -> Path:
    """The folder that holds the bytes of a checkpoint; opens no socket.

    Raises:
        WeightsError: They are not on this machine.
    """
    return sources.place(card_for(name))


def ready(card: Card, *, offline: bool, timeout_seconds: float) -> Path:
    """The folder that holds the bytes, brought first where that is allowed."""
    return sources.ready(card, offline=offline, timeout_seconds=timeout_seconds)
