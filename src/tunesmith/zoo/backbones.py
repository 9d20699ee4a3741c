"""A checkpoint in memory, with its token ids and frozen features: what the scout, the probe and
fine-tuning share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, need
from tunesmith.core.records import Card, Dataset, Problem
from tunesmith.core.seeds import generator
from tunesmith.zoo import weights
from tunesmith.zoo.encoders import Tokenizer
from tunesmith.zoo.reading import Reader, TextReader, loaded, reader_of
from tunesmith.zoo.weights import Source

if TYPE_CHECKING:
    from tunesmith.nn.activations import Trunk

PICTURE_PACKAGES = ("torch", "timm", "PIL")
OF_PICTURES = ("size", "augment")
"""Of a learner's config, how a picture is read, as far as that is searched."""
CHUNK_ROWS = 2048
FIRST_CHUNK_ROWS = 64
CHUNK_SECONDS = 1.0
FEWEST_ROWS = 64
SHARE_OF_TIME = 0.85


def why_not_read(data: Dataset) -> str:
    """Empty where encoders can read the texts and pictures of the inputs; otherwise the reason they
    cannot."""
    texts, images = data.of_kind("text"), data.of_kind("image")
    told = why_no_pictures(images) if images else ""
    return told or (why_not(texts) if texts or not images else "")


def why_no_pictures(images: Sequence[str]) -> str:
    """Empty where an encoder of pictures can be used; otherwise the reason it cannot."""
    if not images:
        return "no input column is of pictures"
    gone = [name for name in PICTURE_PACKAGES if not find_spec(name)]
    return f'{", ".join(gone)} not installed: pip install "tunesmith[image]"' if gone else ""


def idle_of_reading(problem: Problem) -> tuple[str, ...]:
    """Of a learner's config, what says how the other kind of content is read."""
    has_images = bool(problem.data.with_columns(problem.inputs).of_kind("image"))
    return ("max_length",) if has_images else OF_PICTURES


def why_not(problem_texts: Sequence[str]) -> str:
    """Empty where an encoder of texts can be used; otherwise the reason it cannot."""
    if not problem_texts:
        return "no input column is text"
    gone = [n for n in ("torch", "transformers", "tokenizers") if not find_spec(n)]
    if gone:
        return f'{", ".join(gone)} not installed: pip install "tunesmith[text]"'
    return ""


MOST_SIDE = 4096
"""Pixels of a side of pictures that a network may be asked to read: more would fill the memory."""


@dataclass(frozen=True)
class Backbone:
    """A checkpoint as it came, in memory. The encoder is shared: copy it before training it."""

    card: Card
    trunk: Trunk
    reader: Reader
    source: Source | None = None
    """The file of its weights, where it is one."""
    whole: Backbone | None = None
    """The same before blocks were left out."""

    @property
    def encoder(self) -> Any:
        return self.trunk.encoder

    @property
    def tokenizer(self) -> Tokenizer:
        """That of an encoder of texts."""
        assert isinstance(self.reader, TextReader)
        return self.reader.tokenizer

    def with_blocks(self, kept: Sequence[int]) -> Backbone:
        """The same with these of its blocks alone, by number; itself where that is all of them.

        Raises:
            ConfigError: What is left does not fit together.
        """
        from tunesmith.nn.shapes import with_blocks

        numbers = tuple(kept)
        if len(numbers) == len(self.encoder.blocks):
            return self
        trunk = replace(self.trunk, encoder=with_blocks(self.encoder, numbers), kept=numbers)
        is_low = numbers == tuple(range(len(numbers))) and self.reader.kind == "text"
        return replace(self, trunk=trunk, source=self.source if is_low else None, whole=self)

    def mean_of_last(self) -> tuple[Backbone, str]:
        """Who reads the mean over tokens of its last layer by which read-out: where upper blocks
        alone are left out and no norm follows the last, the whole checkpoint, whose pooled vectors
        of every layer are stored."""
        from tunesmith.nn.features import layers

        count = len(self.encoder.blocks)
        if self.whole is None or self.trunk.kept != tuple(range(count)) or self.encoder.ends:
            return self, "last"
        return (
            (self.whole, f"mean:{count}") if count in layers(self.whole.encoder) else (self, "last")
        )

    def length(self, config: Any) -> int:
        """Of a learner's config: tokens of a text, or pixels of a picture's side, that are read."""
        return self.reader.length(self.encoder, config)

    def ids(self, contents: Sequence[str], length: int) -> list[NDArray[Any]]:
        """Each row as the network wants it: token ids cut to a length, or pixels of that side."""
        most = min(length, self.encoder.max_tokens) if self.reader.kind == "text" else length
        return self.reader.rows(contents, most, remember=True)


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
    source = weights.only_file(folder)
    encoder = loaded(folder, card.modality).to(devices.device()).eval()
    encoder.requires_grad_(False)
    trunk = Trunk(encoder, weights.fingerprint(folder), card.name)
    return Backbone(card, trunk, reader_of(folder, card.modality), source)


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
    order, known = generator(seed, "embed").permutation(len(texts)), 0
    if clock.has_deadline():  # what is stored costs nothing, whatever else there is no time for
        stored = np.isin(order, known_rows(base, texts, max_length))
        order = np.concatenate([order[stored], order[~stored]])
        known = int(stored.sum())
    limit = clock.left() * SHARE_OF_TIME
    until = Clock(limit, clock.now)
    parts: list[NDArray[np.float32]] = []
    start, size = 0, (known or FIRST_CHUNK_ROWS) if clock.has_deadline() else CHUNK_ROWS
    while start < len(order) and not (parts and until.is_over()):
        began = until.elapsed()
        chosen = order[start : start + size]
        some = [texts[i] for i in chosen]
        parts.append(features(base, some, max_length=max_length, readout=readout, keep=keep))
        if clock.has_deadline():  # the pace of those that are stored tells nothing of the others
            seconds = max(until.elapsed() - began, 1e-3)
            pace = 0.0 if start < known else len(chosen) / seconds
            size = int(np.clip(pace * CHUNK_SECONDS, FIRST_CHUNK_ROWS, CHUNK_ROWS))
        start += len(chosen)
    found = np.concatenate(parts)
    if len(found) < min(FEWEST_ROWS, len(texts)) or clock.is_over():
        raise BudgetError(f"only {len(found)} of {len(texts)} rows were read by {base.card.name}")
    return order[: len(found)], found


def cuts(base: Backbone, depths: Sequence[float]) -> tuple[int, ...]:
    """Below which block each depth cuts; none where nothing is frozen, or all is."""
    count = len(base.encoder.blocks)
    found = {count - blocks_of(depth, count) for depth in depths}
    return tuple(sorted(found - {0, count}))


def kept_of(blocks: float, count: int) -> int:
    """How many blocks of so many are a share: one at least."""
    return max(1, round(blocks * count))


def blocks_of(depth: float, count: int) -> int:
    """How many blocks a depth trains: none at 0, else one at least."""
    return max(1, round(depth * count)) if depth else 0


def known_rows(base: Backbone, texts: Sequence[str], max_length: int) -> NDArray[np.int64]:
    """The texts whose pooled vectors are stored, by number."""
    from tunesmith.nn import activations

    return np.flatnonzero(activations.known(base.trunk, base.ids(texts, max_length)))
