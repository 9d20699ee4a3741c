"""Texts and pictures as frozen features, read through the activation store within the time there
is; and which checkpoint reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import zoo
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Card, Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import generator
from tunesmith.data.languages import detect, suits_language
from tunesmith.learners._insight import Cell
from tunesmith.modalities.inputs import Inputs, distinct
from tunesmith.nn.shards import active, as_floats, as_stored
from tunesmith.zoo import weights
from tunesmith.zoo.backbones import (
    Backbone,
    backbone,
    cuts,
    features,
    known_rows,
    why_no_pictures,
    why_not,
)
from tunesmith.zoo.reading import Reader, reader_of, restored
from tunesmith.zoo.weights import Source

if TYPE_CHECKING:
    from tunesmith.nn.activations import Trunk

LENGTH = 128
"""Tokens of a text that are read: as the probe does at first, so that either finds its rows."""
READOUT = "several"
LANGUAGE_ROWS = 400
TIMED_ROWS = 64
MOST_OF_TIME, NEARLY_ALL_TIME = 0.5, 0.8
"""Of the time left, what reading one column may take; and where what comes after is quick, and all
later trials find what was read."""
SMALLER = (160, 128, 96, 64)
"""Pixels of a side that pictures are read at where there is no time for more."""
FILE = "embedding.json"
BRING = "tunesmith zoo lists some, tunesmith weights fetch NAME brings them"


@dataclass(frozen=True)
class FrozenInput:
    """Texts read as one, or a column of pictures, and the frozen encoder that reads them. While a
    fit runs, what is stored under `trunk` is not computed again."""

    name: str
    inputs: Inputs
    encoder: Any
    reader: Reader
    length: int
    """Tokens of a text, or pixels of a picture's side, that are read."""
    trunk: Trunk
    source: Source | None
    precision: str
    """That of the features which were learned from, in which it answers on any machine."""

    @staticmethod
    def of(
        data: Dataset, columns: tuple[str, ...], name: str, *, length: int = LENGTH, size: int = 0
    ) -> FrozenInput:
        """Text columns, or one of pictures, read by a checkpoint: as many tokens, or pixels of a
        side (0 for as many as it was trained with)."""
        from tunesmith.nn.devices import precision

        base = backbone(name)
        return FrozenInput(
            base.card.name,
            Inputs.fit(data, columns),
            base.encoder,
            base.reader,
            base.length(_Reads(length, size)),
            base.trunk,
            base.source,
            precision(),
        )

    @property
    def is_text(self) -> bool:
        return self.reader.kind == "text"

    def contents(self, data: Dataset) -> list[str]:
        """What is read of each row; empty where it has nothing.

        Raises:
            DataError: A column is missing.
        """
        self.inputs.check(data)
        return self.inputs.contents(data)

    def read(
        self, contents: Sequence[str], watch: Watch, share: float = MOST_OF_TIME
    ) -> FrozenInput:
        """Bring the features of contents into the store, see `read_within`; pictures at the largest
        size up to this one at which that is done in time. Gives who reads so.

        Raises:
            BudgetError: There is no time for it.
        """
        base, sizes = backbone(self.name), [self.length]
        if not self.is_text and base.encoder.any_size:
            sizes += [base.encoder.readable(size) for size in SMALLER if size < self.length]
        for size in sizes:
            try:
                read_within(base, contents, size, watch, share)
            except BudgetError as error:
                if size == sizes[-1]:
                    raise
                watch.tell("pictures", f"read smaller than {size} pixels: {error}")
                continue
            break
        return replace(self, length=size)

    def features(self, contents: Sequence[str]) -> NDArray[np.float32]:
        """Pooled layers, shape (rows, width), from the store where one is in use. They are rounded
        as there, as trees ask on which side of a threshold a number lies; each distinct content is
        read once."""
        from tunesmith.nn import activations
        from tunesmith.nn.features import embed

        (each, places), store = distinct(contents), active()
        ids = self.reader.rows(each, self.length, remember=store is not None)
        if store is None:
            seen = embed(self.encoder, ids, READOUT, precision=self.precision)
            seen = np.stack([as_floats(as_stored(row)) for row in seen])
        else:
            seen = activations.features(self.trunk, ids, READOUT)
        return seen[places]

    def cell(self, data: Dataset) -> Cell:
        """What is read of the first row, for its credit to be put back."""
        pad_id = getattr(self.encoder, "pad_id", 0)
        return Cell.of(self.inputs, self.reader, self.length, data, pad_id)

    def save(self, folder: Path) -> None:
        """Write it into a folder, of which the file `FILE` and those of the checkpoint are its
        own."""
        write_json(
            folder / FILE,
            {
                "name": self.name,
                "inputs": self.inputs.state(),
                "reads": self.reader.kind,
                "length": self.length,
                "trunk": self.trunk.key,
                "precision": self.precision,
            },
        )
        self.reader.save(self.encoder, folder)
        weights.write(self.encoder, folder, self.source)

    @staticmethod
    def load(folder: Path) -> FrozenInput:
        """What `save` wrote.

        Raises:
            WeightsError: Weights are missing or do not fit.
        """
        from tunesmith.nn.activations import Trunk

        saved = read_json(folder / FILE)
        encoder = restored(folder, saved["reads"])
        return FrozenInput(
            saved["name"],
            Inputs.restore(saved["inputs"]),
            encoder,
            reader_of(folder, saved["reads"]),
            saved["length"],
            Trunk(encoder, str(saved["trunk"]), saved["name"]),
            Source.of(folder / weights.OWN_FILE),
            saved["precision"],
        )


@dataclass(frozen=True)
class _Reads:
    """How much of a text and of a picture is read, as a `Reader` asks a config."""

    max_length: int
    size: int


def read_within(
    base: Backbone, contents: Sequence[str], length: int, watch: Watch, share: float
) -> None:
    """Bring the features of contents into the store; under a deadline a few are timed first. What
    later trials will train from is kept on the way.

    Raises:
        BudgetError: All of them would take more than that share of the time left.
    """
    clock, keep = watch.clock, cuts(base, watch.depths)
    if active() is None:
        return
    each = [one for one in dict.fromkeys(contents) if one or base.reader.kind == "text"]
    known = set(known_rows(base, each, length).tolist())
    new = [one for row, one in enumerate(each) if row not in known]
    if clock.has_deadline() and len(new) > TIMED_ROWS:
        order = generator(0, "timed").permutation(len(new))
        new = [new[row] for row in order]
        began = clock.elapsed()
        features(base, new[:TIMED_ROWS], max_length=length, keep=keep)
        seconds = (clock.elapsed() - began) / TIMED_ROWS * (len(new) - TIMED_ROWS)
        if seconds > share * clock.left():
            what = "texts" if base.reader.kind == "text" else "pictures"
            raise BudgetError(
                f"{base.card.name} would take {seconds:.0f} s to read {len(new):,} {what}, and "
                f"{clock.left():.0f} s are left"
            )
    if new:
        features(base, new, max_length=length, keep=keep)


def readers_of_pictures(problem: Problem) -> tuple[list[Card], str]:
    """The checkpoints on this machine that read pictures, the smallest first; or none, and the
    reason. Opens no socket."""
    if reason := why_no_pictures(problem.data.with_columns(problem.inputs).of_kind("image")):
        return [], reason
    here = [card for card in zoo.cards("image") if zoo.is_here(card)]
    if not here:
        return [], f"no pretrained weights for pictures are on this machine; {BRING}"
    return sorted(here, key=lambda card: card.parameters), ""


def readers_of_texts(problem: Problem) -> tuple[list[Card], str]:
    """The checkpoints on this machine that read the language of the problem's texts, the quickest
    first; or none, and the reason. Opens no socket."""
    names = problem.data.with_columns(problem.inputs).of_kind("text")
    if reason := why_not(names):
        return [], reason
    here = [card for card in zoo.cards("text") if zoo.is_here(card)]
    if not here:
        return [], f"no pretrained weights are on this machine; {BRING}"
    sample = tuple(
        cell or "" for name in names for cell in problem.data.values(name)[:LANGUAGE_ROWS]
    )
    main = _language(sample, problem.seed)
    fit = [card for card in here if suits_language(card.languages, main)]
    if not fit:
        return [], f"no checkpoint on this machine reads the language of the texts ({main})"
    return sorted(fit, key=lambda card: card.blocks * card.width**2), ""


def lightest_of_pictures(problem: Problem) -> tuple[str, str]:
    """The smallest of those that read pictures, by name; or an empty name, and the reason why there
    is none."""
    cards, reason = readers_of_pictures(problem)
    return cards[0].name if cards else "", reason


def lightest(problem: Problem) -> tuple[str, str]:
    """The quickest of those that read the texts, by name; or an empty name, and the reason why
    there is none."""
    cards, reason = readers_of_texts(problem)
    return cards[0].name if cards else "", reason


@lru_cache(maxsize=8)
def _language(texts: tuple[str, ...], seed: int) -> str:
    return detect(texts, seed=seed).main
