"""A checkpoint in memory, with its token ids and frozen features: what the scout, the probe and
fine-tuning share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, need
from tunesmith.core.records import Card
from tunesmith.core.seeds import generator
from tunesmith.zoo import encoders
from tunesmith.zoo.encoders import Source, Tokenizer

if TYPE_CHECKING:
    from tunesmith.nn.activations import Trunk
    from tunesmith.nn.encoder import Encoder

CHUNK_ROWS = 2048
FIRST_CHUNK_ROWS = 64
CHUNK_SECONDS = 1.0
FEWEST_ROWS = 64
SHARE_OF_TIME = 0.85


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
    trunk: Trunk
    tokenizer: Tokenizer
    source: Source | None = None
    """The file of its weights, where it is one."""

    @property
    def encoder(self) -> Encoder:
        return self.trunk.encoder

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


MOST_OPEN = 8
_OPEN: dict[str, Backbone] = {}


def backbone(name: str) -> Backbone:
    """A checkpoint by name, from memory where it is open; opens no socket.

    Raises:
        WeightsError: Its bytes are not on this machine.
    """
    if name not in _OPEN:
        while len(_OPEN) >= MOST_OPEN:
            del _OPEN[next(iter(_OPEN))]
        _OPEN[name] = _opened(name)
    return _OPEN[name]


def release(keep: Collection[str] = ()) -> None:
    """Give back the memory of open checkpoints but for those named."""
    for name in set(_OPEN) - set(keep):
        del _OPEN[name]


def _opened(name: str) -> Backbone:
    need("torch", extra="text")
    from tunesmith.nn import devices
    from tunesmith.nn.activations import Trunk

    card = zoo.card_for(name)
    folder = zoo.folder(name)
    source = encoders.only_file(folder)
    encoder = encoders.load(folder).to(devices.device()).eval()
    encoder.requires_grad_(False)
    trunk = Trunk(encoder, encoders.fingerprint(folder), card.name)
    return Backbone(card, trunk, encoders.read_tokenizer(folder), source)


def features(
    base: Backbone,
    texts: Sequence[str],
    *,
    max_length: int,
    readout: str = "several",
    keep: Sequence[int] = (),
) -> NDArray[np.float32]:
    """A read-out of every text, those known taken from the store; shape (rows, width). The token
    vectors at the cuts `keep` are stored on the way."""
    from tunesmith.nn import activations

    return activations.features(base.trunk, base.ids(texts, max_length), readout, keep=keep)


def features_within(
    base: Backbone,
    texts: Sequence[str],
    *,
    max_length: int,
    clock: Clock,
    seed: int,
    readout: str = "several",
    keep: Sequence[int] = (),
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Frozen features of as many texts as most of the clock's time allows, drawn at random: which
    rows, shape (n,), and their features, shape (n, width).

    Raises:
        BudgetError: The time is not even enough for a few.
    """
    order = generator(seed, "embed").permutation(len(texts))
    if clock.has_deadline():  # what is stored costs nothing, whatever else there is no time for
        stored = np.isin(order, known_rows(base, texts, max_length))
        order = np.concatenate([order[stored], order[~stored]])
    limit = clock.left() * SHARE_OF_TIME
    until = Clock(limit, clock.now)
    parts: list[NDArray[np.float32]] = []
    start, size = 0, FIRST_CHUNK_ROWS if clock.has_deadline() else CHUNK_ROWS
    while start < len(order) and not (parts and until.is_over()):
        began = until.elapsed()
        chosen = order[start : start + size]
        some = [texts[i] for i in chosen]
        parts.append(features(base, some, max_length=max_length, readout=readout, keep=keep))
        start += size
        if clock.has_deadline():
            seconds = max(until.elapsed() - began, 1e-3)
            size = int(np.clip(len(chosen) * CHUNK_SECONDS / seconds, FIRST_CHUNK_ROWS, CHUNK_ROWS))
    found = np.concatenate(parts)
    if len(found) < min(FEWEST_ROWS, len(texts)) or clock.is_over():
        raise BudgetError(f"only {len(found)} of {len(texts)} rows were read by {base.card.name}")
    return order[: len(found)], found


def cuts(base: Backbone, depths: Sequence[float]) -> tuple[int, ...]:
    """Below which block each depth cuts; none where nothing is frozen, or all is."""
    count = len(base.encoder.blocks)
    found = {count - blocks_of(depth, count) for depth in depths}
    return tuple(sorted(found - {0, count}))


def blocks_of(depth: float, count: int) -> int:
    """How many blocks a depth trains: none at 0, else one at least."""
    return max(1, round(depth * count)) if depth else 0


def known_rows(base: Backbone, texts: Sequence[str], max_length: int) -> NDArray[np.int64]:
    """The texts whose pooled vectors are stored, by number."""
    from tunesmith.nn import activations

    return np.flatnonzero(activations.known(base.trunk, base.ids(texts, max_length)))
