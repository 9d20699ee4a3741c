"""Text columns as frozen features of a pretrained encoder, read through the activation store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith import zoo
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_bytes, write_json
from tunesmith.core.seeds import generator
from tunesmith.data.languages import detect, suits_language
from tunesmith.learners._projection import Projection
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.shards import active, as_floats, as_stored
from tunesmith.zoo import encoders, weights
from tunesmith.zoo.backbones import (
    Backbone,
    backbone,
    cuts,
    features,
    known_rows,
    token_ids,
    why_not,
)
from tunesmith.zoo.encoders import Tokenizer
from tunesmith.zoo.weights import Source

if TYPE_CHECKING:
    from tunesmith.nn.activations import Trunk
    from tunesmith.nn.encoder import Encoder

LENGTH = 128
"""Tokens of a text that are read: as the probe does at first, so that either finds its rows."""
READOUT = "several"
WIDTH = 16
"""Principal components. With the answers beside them 16 did as well as 32, and are read sooner."""
LANGUAGE_ROWS = 400
TIMED_ROWS = 64
MOST_OF_TIME = 0.5
"""Of the time left, what reading the texts may take."""
FILE, PROJECTION = "embedding.json", "projection.safetensors"


@dataclass(frozen=True)
class TextEmbedding:
    """The text columns as one text → pooled layers of a frozen encoder → a few numbers. While a fit
    runs, what is stored under `trunk` is not computed again."""

    name: str
    inputs: Inputs
    encoder: Encoder
    tokenizer: Tokenizer
    max_length: int
    trunk: Trunk
    source: Source | None
    precision: str
    """That of the features which were learned from, in which it answers on any machine."""
    projection: Projection

    @staticmethod
    def fit(problem: Problem, name: str, watch: Watch) -> tuple[TextEmbedding, NDArray[np.float32]]:
        """Read the train and valid rows and learn from the train rows alone. Also the numbers of
        all rows of the problem's data, shape (rows, width): NaN where a row is in neither part, and
        of train rows without knowledge of their own target.

        Raises:
            BudgetError: Reading would take too long.
        """
        from tunesmith.nn.devices import precision

        base = backbone(name)
        length = min(LENGTH, base.encoder.max_tokens)
        columns = problem.data.with_columns(problem.inputs).of_kind("text")
        inputs = Inputs.fit(problem.part("train"), columns)
        blank = TextEmbedding(
            base.card.name,
            inputs,
            base.encoder,
            base.tokenizer,
            length,
            base.trunk,
            base.source,
            precision(),
            NOTHING,
        )
        train, valid = (inputs.texts(problem.part(part)) for part in ("train", "valid"))
        _read(base, [*valid, *train], length, watch)
        projection, own = blank._projected(problem, train)
        found = replace(blank, projection=projection)
        numbers = np.full((len(problem.data), own.shape[1]), np.nan, dtype=np.float32)
        numbers[problem.parts["valid"]] = projection.transform(blank._features(valid))
        numbers[problem.parts["train"]] = own
        return found, numbers

    def _projected(
        self, problem: Problem, texts: Sequence[str]
    ) -> tuple[Projection, NDArray[np.float32]]:
        """As `Projection.fit` of the texts of the train rows; those fitted last are remembered, as
        every trial on the same rows asks for the same."""
        truth, classes = problem.truth("train"), len(problem.classes)
        told = hashlib.blake2b(repr((self.trunk.key, classes, problem.seed)).encode())
        told.update("\0".join(texts).encode("utf-8", "surrogatepass"))
        weights = problem.weight("train")
        told.update(truth.tobytes() + (b"" if weights is None else weights.tobytes()))
        key = told.digest()
        if key not in _PROJECTED:
            while len(_PROJECTED) >= MOST_PROJECTED:
                del _PROJECTED[next(iter(_PROJECTED))]
            seen = self._features(texts)
            _PROJECTED[key] = Projection.fit(
                seen, truth, weights, classes=classes, width=WIDTH, seed=problem.seed
            )
        return _PROJECTED[key]

    def numbers(self, data: Dataset) -> NDArray[np.float32]:
        """Of any rows, shape (rows, width).

        Raises:
            DataError: A text column is missing.
        """
        self.inputs.check(data)
        return self.projection.transform(self._features(self.inputs.texts(data)))

    def _features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Pooled layers, shape (rows, features); each distinct text is read once. They are rounded
        as in the store, as trees ask on which side of a threshold a number lies."""
        from tunesmith.nn import activations
        from tunesmith.nn.features import embed

        each = list(dict.fromkeys(texts))
        store = active()
        ids = token_ids(self.tokenizer, each, self.max_length, remember=store is not None)
        if store is None:
            seen = embed(self.encoder, ids, READOUT, precision=self.precision)
            seen = np.stack([as_floats(as_stored(row)) for row in seen])
        else:
            seen = activations.features(self.trunk, ids, READOUT)
        places = {text: place for place, text in enumerate(each)}
        return seen[[places[text] for text in texts]]

    def save(self, folder: Path) -> None:
        """Write it into an empty folder."""
        from safetensors.numpy import save_file

        write_json(
            folder / FILE,
            {
                "name": self.name,
                "inputs": self.inputs.state(),
                "max_length": self.max_length,
                "trunk": self.trunk.key,
                "precision": self.precision,
            },
        )
        write_json(folder / "config.json", self.encoder.model.config.to_dict())
        write_bytes(folder / "tokenizer.json", self.tokenizer.spec.encode())
        weights.write(self.encoder, folder, self.source)
        parts = {name: np.ascontiguousarray(value) for name, value in vars(self.projection).items()}
        save_file(parts, folder / PROJECTION)

    @staticmethod
    def load(folder: Path) -> TextEmbedding:
        """What `save` wrote.

        Raises:
            WeightsError: Weights are missing or do not fit.
        """
        from safetensors.numpy import load_file

        from tunesmith.nn.activations import Trunk

        saved, tensors = read_json(folder / FILE), load_file(folder / PROJECTION)
        encoder = encoders.restore(folder)
        return TextEmbedding(
            saved["name"],
            Inputs.restore(saved["inputs"]),
            encoder,
            encoders.read_tokenizer(folder),
            saved["max_length"],
            Trunk(encoder, str(saved["trunk"]), saved["name"]),
            Source.of(folder / weights.OWN_FILE),
            saved["precision"],
            Projection(**tensors),
        )


NOTHING = Projection(*(np.empty(0, dtype=np.float32) for _ in range(3)))
MOST_PROJECTED = 24
_PROJECTED: dict[bytes, tuple[Projection, NDArray[np.float32]]] = {}


def _read(base: Backbone, texts: Sequence[str], length: int, watch: Watch) -> None:
    """Bring the features of texts into the store; under a deadline a few are timed first. What
    later trials will train from is kept on the way.

    Raises:
        BudgetError: All of them would take more than half of the time left.
    """
    clock, keep = watch.clock, cuts(base, watch.depths)
    if active() is None:
        return
    each = list(dict.fromkeys(texts))
    known = set(known_rows(base, each, length).tolist())
    new = [text for row, text in enumerate(each) if row not in known]
    if clock.has_deadline() and len(new) > TIMED_ROWS:
        order = generator(0, "timed").permutation(len(new))
        new = [new[row] for row in order]
        began = clock.elapsed()
        features(base, new[:TIMED_ROWS], max_length=length, keep=keep)
        seconds = (clock.elapsed() - began) / TIMED_ROWS * (len(new) - TIMED_ROWS)
        if seconds > MOST_OF_TIME * clock.left():
            raise BudgetError(
                f"{base.card.name} would take {seconds:.0f} s to read {len(new):,} texts, and "
                f"{clock.left():.0f} s are left"
            )
    if new:
        features(base, new, max_length=length, keep=keep)


def lightest(problem: Problem) -> tuple[str, str]:
    """The smallest checkpoint on this machine that reads the language of the problem's texts, by
    name; or an empty name, and the reason why there is none. Opens no socket."""
    names = problem.data.with_columns(problem.inputs).of_kind("text")
    if reason := why_not(names):
        return "", reason
    here = [card for card in zoo.cards("text") if zoo.is_here(card)]
    if not here:
        return "", "no pretrained weights are on this machine"
    sample = tuple(
        cell or "" for name in names for cell in problem.data.values(name)[:LANGUAGE_ROWS]
    )
    main = _language(sample, problem.seed)
    fit = [card for card in here if suits_language(card.languages, main)]
    if not fit:
        return "", f"no checkpoint on this machine reads the language of the texts ({main})"
    return min(fit, key=lambda card: card.blocks * card.width**2).name, ""


@lru_cache(maxsize=8)
def _language(texts: tuple[str, ...], seed: int) -> str:
    return detect(texts, seed=seed).main
