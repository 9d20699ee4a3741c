"""What the probe and fine-tuning share: a checkpoint in memory, token ids, frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, need
from tunesmith.core.records import Card
from tunesmith.core.seeds import generator
from tunesmith.zoo import encoders
from tunesmith.zoo.encoders import Tokenizer

if TYPE_CHECKING:
    from tunesmith.nn.encoder import Encoder

CHUNK_ROWS = 2048
FIRST_CHUNK_ROWS = 64
CHUNK_SECONDS = 1.0
FEWEST_ROWS = 64
SHARE_OF_TIME = 0.75


def why_not(problem_texts: Sequence[str]) -> str:
    """Empty where an encoder can be used; otherwise the reason it cannot."""
    import importlib.util

    if not problem_texts:
        return "no input column is text"
    gone = [n for n in ("torch", "transformers", "tokenizers") if not importlib.util.find_spec(n)]
    if gone:
        return f'{", ".join(gone)} not installed: pip install "tunesmith[text]"'
    return ""


@dataclass(frozen=True)
class Backbone:
    """A checkpoint as it came, in memory. The encoder is shared: copy it before training it."""

    card: Card
    encoder: Encoder
    tokenizer: Tokenizer

    def ids(self, texts: Sequence[str], max_length: int) -> list[NDArray[np.int32]]:
        """Token ids of each text, cut to a length."""
        most = min(max_length, self.encoder.max_tokens)
        return token_ids(self.tokenizer, texts, most, remember=True)


def token_ids(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int, *, remember: bool
) -> list[NDArray[np.int32]]:
    """Token ids of each text, cut to a length. A fit remembers them, for the next trial to use; a
    model that answers keeps nothing of what it is asked."""
    from tunesmith.nn.tokens import TOKENS, cut

    if remember:
        found = TOKENS.ids(tokenizer.key, tokenizer.encode, texts)
    else:
        found = [np.asarray(ids, dtype=np.int32) for ids in tokenizer.encode(list(texts))]
    return [cut(ids, max_length) for ids in found]


@lru_cache(maxsize=2)
def backbone(name: str) -> Backbone:
    """A checkpoint by name; opens no socket.

    Raises:
        WeightsError: Its bytes are not on this machine.
    """
    need("torch", extra="text")
    from tunesmith.nn import devices

    card = zoo.card_for(name)
    folder = zoo.folder(name)
    encoder = encoders.load(folder).to(devices.device()).eval()
    encoder.requires_grad_(False)
    return Backbone(card, encoder, encoders.read_tokenizer(folder))


def features(base: Backbone, texts: Sequence[str], *, max_length: int) -> NDArray[np.float32]:
    """Frozen features of every text, those known taken from memory; shape (rows, width). A text
    shorter than two lengths is read once for both."""
    from tunesmith.nn.features import FEATURES, embed

    keys = _keys(base, texts, max_length)

    def compute(new: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return embed(base.encoder, base.ids([text for _, text in new], max_length))

    return FEATURES.get(keys, compute)


def features_within(
    base: Backbone, texts: Sequence[str], *, max_length: int, clock: Clock, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Frozen features of as many texts as most of the clock's time allows, drawn at random: which
    rows, shape (n,), and their features, shape (n, width).

    Raises:
        BudgetError: The time is not even enough for a few.
    """
    order = generator(seed, "embed").permutation(len(texts))
    limit = clock.left() * SHARE_OF_TIME
    until = Clock(limit, clock.now)
    parts: list[NDArray[np.float32]] = []
    start, size = 0, FIRST_CHUNK_ROWS if clock.has_deadline() else CHUNK_ROWS
    while start < len(order) and not (parts and until.is_over()):
        began = until.elapsed()
        chosen = order[start : start + size]
        parts.append(features(base, [texts[i] for i in chosen], max_length=max_length))
        start += size
        if clock.has_deadline():
            seconds = max(until.elapsed() - began, 1e-3)
            size = int(np.clip(len(chosen) * CHUNK_SECONDS / seconds, FIRST_CHUNK_ROWS, CHUNK_ROWS))
    found = np.concatenate(parts)
    if len(found) < min(FEWEST_ROWS, len(texts)) or clock.is_over():
        raise BudgetError(f"only {len(found)} of {len(texts)} rows were read by {base.card.name}")
    return order[: len(found)], found


def known_rows(base: Backbone, texts: Sequence[str], max_length: int) -> NDArray[np.int64]:
    """The texts whose features are in memory, by number."""
    from tunesmith.nn.features import FEATURES

    keys = _keys(base, texts, max_length)
    new = set(FEATURES.missing(keys))
    return np.flatnonzero([key not in new for key in keys])


def _keys(base: Backbone, texts: Sequence[str], max_length: int) -> list[tuple[str, str]]:
    """Each text with what else decides its features: the checkpoint, the precision, the cut."""
    from tunesmith.nn.devices import precision

    name = f"{base.card.name}/{base.card.source}/{precision()}"
    ids = base.ids(texts, max_length + 1)
    return [
        (f"{name}/{max_length if len(one) > max_length else 'whole'}", text)
        for one, text in zip(ids, texts, strict=True)
    ]
