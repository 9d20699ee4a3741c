"""Every input column as a block of numbers: frozen features of texts and pictures, and what each
modality makes of numbers, categories and dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.seeds import derive
from tunesmith.learners._frozen import LENGTH, NEARLY_ALL_TIME, FrozenInput
from tunesmith.modalities._lacking import refuse_lacking
from tunesmith.modalities.inputs import Inputs

FLAT = 1e-4
FEWEST = 10
"""Rows that have a content: of fewer nothing is learned of it."""
FOLDER = "reads-"
COLUMNS = "columns"
"""The kind of a block of numbers, categories or dates."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Map:
    """Features of shape (rows, features), standardised by `center` and `scale` of shape
    (features,), and turned into principal components, standardised too, by `directions` of shape
    (features, width), where it has any."""

    center: Floats
    scale: Floats
    directions: Floats

    @staticmethod
    def fit(features: Floats, components: int, seed: int) -> Map:
        """Learn from training rows; 0 components keep the features as they are."""
        center = features.mean(axis=0)
        scale = np.maximum(features.std(axis=0), FLAT)
        found = Map(center, scale, np.empty((0, 0), dtype=np.float32))
        count = min(components, len(features) - 1, features.shape[1])
        if not components or count >= features.shape[1]:
            return found
        from sklearn.utils.extmath import randomized_svd

        rows = found.transform(features)
        _, sizes, axes = randomized_svd(rows, count, random_state=seed % 2**32)
        spread = np.sqrt(len(rows)) / np.maximum(sizes, FLAT)  # each as large as a number
        return Map(center, scale, np.ascontiguousarray(axes.T * spread, dtype=np.float32))

    @property
    def width(self) -> int:
        return self.directions.shape[1] if self.directions.size else len(self.center)

    def transform(self, features: Floats) -> Floats:
        """New rows, shape (rows, features) → (rows, width)."""
        rows = np.asarray((features - self.center) / self.scale, dtype=np.float32)
        return rows @ self.directions if self.directions.size else rows


@dataclass(frozen=True)
class Reads:
    """Which checkpoints read texts and pictures, how much of them, whether several columns of texts
    are read as one, and to how many principal components each is brought (0 for none)."""

    text_backbone: str = ""
    picture_backbone: str = ""
    max_length: int = LENGTH
    picture_size: int = 0
    texts: str = "together"
    components: int = 0


@dataclass(frozen=True)
class Blocks:
    """What is remembered of the input columns. `contents` are texts and pictures with the map of
    their features; `dense` are all other columns."""

    contents: tuple[tuple[FrozenInput, Map], ...]
    dense: tuple[Inputs, ...]

    @staticmethod
    def fit(problem: Problem, reads: Reads, watch: Watch, seed: int) -> Blocks:
        """Read the train and valid rows, and learn from the train rows alone. Contents that hardly
        a training row has are left out, and those that there is no time to read.

        Raises:
            BudgetError: There is no time to read any.
        """
        train, given = problem.part("train"), problem.data.with_columns(problem.inputs)
        texts, pictures = given.of_kind("text"), given.of_kind("image")
        asked = [(texts,)] if reads.texts == "together" and texts else [((n,),) for n in texts]
        columns = [*(one for (one,) in asked), *((name,) for name in pictures)]
        found: list[tuple[FrozenInput, Map]] = []
        for names in columns:
            is_text = names[0] in texts
            content = FrozenInput.of(
                train,
                names,
                reads.text_backbone if is_text else reads.picture_backbone,
                length=reads.max_length,
                size=reads.picture_size,
            )
            rows, valid = content.contents(train), content.contents(problem.part("valid"))
            kept = np.flatnonzero([bool(row) for row in rows])
            if len(kept) < FEWEST:
                watch.tell(names[0], "too few training rows have any")
                continue
            try:
                content = content.read(
                    [row for row in (*valid, *rows) if row], watch, NEARLY_ALL_TIME
                )
            except BudgetError as error:
                if not found and names == columns[-1]:
                    raise
                watch.tell(names[0], f"left out: {error}")
                continue
            features = content.features([rows[row] for row in kept])
            mapped = Map.fit(features, reads.components, derive(seed, "components"))
            found.append((content, mapped))
        dense = [n for n in problem.inputs if n not in texts and n not in pictures]
        return Blocks(tuple(found), tuple(Inputs.fit(train, (name,)) for name in dense))

    @property
    def names(self) -> tuple[str, ...]:
        """What each block is of: a column, or "texts" where several are read as one."""
        read = (content.inputs.columns for content, _ in self.contents)
        named = (each[0].name if len(each) == 1 else "texts" for each in read)
        return (*named, *(one.columns[0].name for one in self.dense))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of each block "text", "image" or "columns"."""
        read = (content.reader.kind for content, _ in self.contents)
        return (*read, *[COLUMNS] * len(self.dense))

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of each block."""
        dense = (one.dense(_nothing(one)).shape[1] for one in self.dense)
        return (*(mapped.width for _, mapped in self.contents), *dense)

    def check(self, data: Dataset) -> None:
        """Refuse data that lacks an input column.

        Raises:
            DataError: Names every column that is missing and those that are there.
        """
        read = (content.inputs for content, _ in self.contents)
        refuse_lacking(data, [column for one in (*read, *self.dense) for column in one.columns])

    def arrays(self, data: Dataset) -> tuple[Floats, NDArray[np.int64]]:
        """The blocks side by side, shape (rows, sum of widths), zero where a text or a picture is
        missing; and marks, shape (rows, blocks), 1 where a row has the block.

        Raises:
            DataError: A column is missing.
        """
        self.check(data)
        parts, marks = [np.empty((len(data), 0), dtype=np.float32)], []
        for content, mapped in self.contents:
            rows = content.contents(data)
            has = np.array([bool(row) for row in rows], dtype=np.bool_)
            part = np.zeros((len(data), mapped.width), dtype=np.float32)
            if has.any():
                seen = content.features([row for row in rows if row])
                part[has] = mapped.transform(seen)
            parts.append(part)
            marks.append(has)
        for one in self.dense:
            parts.append(one.dense(data))
            marks.append(_known(data.values(one.columns[0].name)))
        stacked = np.stack(marks, axis=1) if marks else np.empty((len(data), 0))
        return np.concatenate(parts, axis=1), stacked.astype(np.int64)

    def save(self, folder: Path) -> dict[str, NDArray[Any]]:
        """Write the contents, each into a folder of its own; gives the arrays of their maps."""
        tensors: dict[str, NDArray[Any]] = {}
        for number, (content, mapped) in enumerate(self.contents):
            place = folder / f"{FOLDER}{number}"
            place.mkdir()
            content.save(place)
            parts = vars(mapped).items()
            tensors |= {f"{number}.{n}": np.ascontiguousarray(value) for n, value in parts}
        return tensors

    def state(self) -> list[dict[str, Any]]:
        """The other columns, as JSON."""
        return [one.state() for one in self.dense]

    @staticmethod
    def load(folder: Path, tensors: Mapping[str, NDArray[Any]], state: Sequence[Any]) -> Blocks:
        """What `save` and `state` gave.

        Raises:
            WeightsError: Weights are missing or do not fit.
        """
        places = sorted(folder.glob(f"{FOLDER}*"), key=lambda p: int(p.name.removeprefix(FOLDER)))
        names = ("center", "scale", "directions")
        contents = tuple(
            (FrozenInput.load(place), Map(*(tensors[f"{number}.{name}"] for name in names)))
            for number, place in enumerate(places)
        )
        return Blocks(contents, tuple(map(Inputs.restore, state)))


def scales(kinds: Sequence[str], widths: Sequence[int]) -> Floats:
    """By how much each feature of some blocks counts, shape (sum of widths,), so that each kind of
    column varies as much as a whole."""
    of_features = np.repeat(np.array(kinds, dtype=object), np.array(widths, dtype=np.int64))
    found = np.ones(len(of_features), dtype=np.float32)
    for kind in set(kinds):
        count = int((of_features == kind).sum())
        found[of_features == kind] = np.sqrt(len(found) / (len(set(kinds)) * max(1, count)))
    return found


def _known(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(~np.isnat(values))
    return np.array([value is not None for value in values], dtype=np.bool_)


def _nothing(inputs: Inputs) -> Dataset:
    """No rows of these columns."""
    kinds = {"number": "float64", "date": "datetime64[s]"}
    cells = {c.name: np.empty(0, dtype=kinds.get(c.kind, "object")) for c in inputs.columns}
    return Dataset("", inputs.columns, cells, np.empty(0, dtype=np.int64))
