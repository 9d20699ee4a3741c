"""Texts, or a column of pictures, as a few numbers: frozen features of a pretrained encoder,
projected."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.records import Dataset, Problem
from tunesmith.learners._frozen import FrozenInput
from tunesmith.learners._projection import Projection

WIDTH = 16
"""Principal components. With the answers beside them 16 did as well as 32, and are read sooner."""
FEWEST_PICTURES = 10
"""In the training rows: of fewer nothing is learned."""
FILE = "projection.safetensors"


@dataclass(frozen=True)
class Embedding:
    """Frozen features → a few numbers."""

    reads: FrozenInput
    projection: Projection

    @staticmethod
    def fit(
        problem: Problem, columns: tuple[str, ...], name: str, watch: Watch, *, size: int = 0
    ) -> tuple[Embedding, NDArray[np.float32]]:
        """Read the train and valid rows of text columns, or of one of pictures (`size` pixels wide,
        0 for as many as the checkpoint was trained with), and learn from the train rows alone. Also
        the numbers of all rows of the problem's data, shape (rows, width): NaN where a row is in
        neither part or has no picture, and of train rows without knowledge of their own target. A
        text that is missing is an empty one. Of fewer than ten pictures there are no numbers.

        Raises:
            BudgetError: Reading would take too long.
        """
        reads = FrozenInput.of(problem.part("train"), columns, name, size=size)
        train, valid = (reads.contents(problem.part(part)) for part in ("train", "valid"))
        kept = _present(reads, train)
        if len(kept) < FEWEST_PICTURES and not reads.is_text:
            watch.tell("pictures", f"{columns[0]} has too few pictures in the training rows")
            return Embedding(reads, NOTHING), np.empty((len(problem.data), 0), dtype=np.float32)
        reads = reads.read([*valid, *train], watch)
        projection, own = _projected(reads, problem, train, kept)
        found = Embedding(reads, projection)
        numbers = np.full((len(problem.data), own.shape[1]), np.nan, dtype=np.float32)
        numbers[problem.parts["valid"]] = found._numbers(valid)
        numbers[problem.parts["train"][kept]] = own
        return found, numbers

    @property
    def column(self) -> str:
        """What its numbers are of: the column of pictures, or all texts."""
        return "texts" if self.reads.is_text else self.reads.inputs.image_names[0]

    def name_of(self, place: int) -> str:
        """What one of its numbers is called as a column."""
        return f"{self.column}: embedding {place}"

    def numbers(self, data: Dataset) -> NDArray[np.float32]:
        """Of any rows, shape (rows, width); NaN where there is no picture.

        Raises:
            DataError: A column is missing.
        """
        return self._numbers(self.reads.contents(data))

    def _numbers(self, contents: Sequence[str]) -> NDArray[np.float32]:
        kept = _present(self.reads, contents)
        found = np.full((len(contents), len(self.projection.bias)), np.nan, dtype=np.float32)
        if len(kept) and found.shape[1]:
            seen = self.reads.features([contents[row] for row in kept])
            found[kept] = self.projection.transform(seen)
        return found

    def save(self, folder: Path) -> None:
        """Write it into an empty folder."""
        from safetensors.numpy import save_file

        self.reads.save(folder)
        parts = {name: np.ascontiguousarray(value) for name, value in vars(self.projection).items()}
        save_file(parts, folder / FILE)

    @staticmethod
    def load(folder: Path) -> Embedding:
        """What `save` wrote.

        Raises:
            WeightsError: Weights are missing or do not fit.
        """
        from safetensors.numpy import load_file

        return Embedding(FrozenInput.load(folder), Projection(**load_file(folder / FILE)))


NOTHING = Projection(*(np.empty(0, dtype=np.float32) for _ in range(3)))
MOST_PROJECTED = 24
_PROJECTED: dict[bytes, tuple[Projection, NDArray[np.float32]]] = {}


def _present(reads: FrozenInput, contents: Sequence[str]) -> NDArray[np.int64]:
    """The rows that have something to be read: every text, and the pictures that are there."""
    if reads.is_text:
        return np.arange(len(contents))
    return np.flatnonzero([bool(content) for content in contents])


def _projected(
    reads: FrozenInput, problem: Problem, contents: Sequence[str], kept: NDArray[np.int64]
) -> tuple[Projection, NDArray[np.float32]]:
    """As `Projection.fit` of the `kept` among the train rows; those fitted last are remembered, as
    every trial on the same rows asks for the same."""
    truth, classes = problem.truth("train")[kept], len(problem.classes)
    some, weights = [contents[row] for row in kept], problem.weight("train")
    weights = None if weights is None else weights[kept]
    told = hashlib.blake2b(repr((reads.trunk.key, reads.length, classes, problem.seed)).encode())
    told.update("\0".join(some).encode("utf-8", "surrogatepass"))
    told.update(truth.tobytes() + (b"" if weights is None else weights.tobytes()))
    key = told.digest()
    if key not in _PROJECTED:
        while len(_PROJECTED) >= MOST_PROJECTED:
            del _PROJECTED[next(iter(_PROJECTED))]
        _PROJECTED[key] = Projection.fit(
            reads.features(some),
            truth,
            weights,
            classes=classes,
            width=WIDTH,
            seed=problem.seed,
        )
    return _PROJECTED[key]
