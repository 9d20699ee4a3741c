"""Credit by the inside of a model, brought to the pieces of a row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.explaining import Credits, Game, Heat, Heats, Piece

Floats = NDArray[np.float64]
NAMES: Mapping[str, str] = {
    "integrated-gradients": "a network, or linear model, with gradients",
    "grad-cam": "a network with maps over pictures",
    "attention-rollout": "a network with attention over all of a text or picture",
}

AT_ONCE = 2_048
"""Spans that are laid over all words of a text together: linear models have one for each word."""
FINE = 224
"""Places of a heat in a row and in a column at least, where shapes are laid over it."""


def why_not(game: Game, method: str) -> str:
    """Why nothing in the model can tell by a method; empty where something can."""
    if method in game.heat_methods():
        return ""
    return f"no member of the model holds {NAMES[method]} that can be looked into"


def credits_of(game: Game, heats: Heats | None) -> Credits:
    """What each piece gets; nothing of a column of which heats say nothing."""
    found = np.zeros(len(game.pieces))
    for name, heat in heats.items() if heats else ():
        at = [n for n, piece in enumerate(game.pieces) if piece.column == name]
        if at:
            found[at] = _shared([game.pieces[n] for n in at], heat)
    return Credits(found, change=heats.change if heats else None)


def _shared(pieces: list[Piece], heat: Heat) -> Floats:
    if len(pieces) == 1 and not pieces[0].place:
        return np.array([heat.credits.sum()])
    if heat.spans is not None:
        return _of_words(pieces, heat.credits, heat.spans)
    if any(piece.outline for piece in pieces):
        return _of_parts(pieces, heat.credits)
    return np.array([_of_rectangle(piece, heat.credits) for piece in pieces])


def _of_words(pieces: list[Piece], credits: Floats, spans: NDArray[np.int64]) -> Floats:
    """Each span is shared among the words that it overlaps, by how many letters of each; one that
    overlaps none, as a space does, goes to the nearest."""
    words = np.array([piece.place for piece in pieces])
    starts = range(0, len(spans), AT_ONCE)
    parts = [_among(words, credits[n : n + AT_ONCE], spans[n : n + AT_ONCE]) for n in starts]
    return np.asarray(np.sum([np.zeros(len(pieces)), *parts], axis=0))


def _among(words: Floats, credits: Floats, spans: NDArray[np.int64]) -> Floats:
    first = np.maximum(spans[:, None, 0], words[None, :, 0])
    last = np.minimum(spans[:, None, 1], words[None, :, 1])
    apart = first - last  # of those that overlap minus the letters that both have
    shares = np.maximum(-apart, 0.0)
    alone = np.flatnonzero(shares.sum(axis=1) == 0)
    shares[alone, apart[alone].argmin(axis=1)] = 1.0
    return np.asarray(credits @ (shares / shares.sum(axis=1, keepdims=True)))


def _of_rectangle(piece: Piece, heat: Floats) -> float:
    """The sum over a rectangle; of places on its edge by their share that lies inside."""
    left, top, right, bottom = piece.place
    down, across = _inside(top, bottom, heat.shape[0]), _inside(left, right, heat.shape[1])
    return float(down @ heat @ across)


def _of_parts(pieces: list[Piece], heat: Floats) -> Floats:
    """The sum over superpixels, each place of the heat taken as several that have the same."""
    down, across = (-(-FINE // count) for count in heat.shape)
    fine = np.repeat(np.repeat(heat / (down * across), down, axis=0), across, axis=1)
    return np.array([fine[piece.mask(*fine.shape)].sum() for piece in pieces])


def _inside(low: float, high: float, count: int) -> Floats:
    """How much of each of so many equal parts of [0, 1] lies between two points."""
    starts = np.arange(count)
    inside = np.minimum(high * count, starts + 1) - np.maximum(low * count, starts)
    return np.asarray(np.clip(inside, 0, 1))
