"""Categories as the mean of the target by level, without a row seeing its own target."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.seeds import derive

FOLDS = 5
_ALONE = threading.Lock()
"""Warnings are silenced for the whole process meanwhile: two at once would not put them back."""


@dataclass(frozen=True)
class Encoding:
    """`tables[i][code]` is what stands for a code of the column i, shape (levels, outputs): the
    share of each class (of the second, where there are two), or the mean of the target; shrunk
    towards that of all rows by how few rows a level has.

    Source: Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes",
    SIGKDD Explorations 2001, with cross-fitting as in scikit-learn's `TargetEncoder`.
    """

    tables: tuple[NDArray[np.float32], ...]

    @staticmethod
    def fit(
        codes: NDArray[np.int64], levels: Sequence[int], truth: NDArray[Any], seed: int
    ) -> tuple[Encoding, NDArray[np.float32]]:
        """Learn from codes of shape (rows, columns), each below its column's `levels`, and class
        codes (int64) or numbers (float64). Also what the training rows themselves become: each by
        the other four fifths, so that a model does not learn to trust what it could not know."""
        from sklearn.preprocessing import TargetEncoder

        is_number = truth.dtype.kind == "f"
        kinds = "continuous" if is_number else _kind(truth)
        encoder = TargetEncoder(
            categories=[np.arange(count) for count in levels],
            target_type=kinds,
            **_drawn(kinds, derive(seed, "encoding") % 2**31),
        )
        with _ALONE, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # classes of fewer rows than folds
            crossed = encoder.fit_transform(codes, truth)
        outputs = len(encoder.encodings_) // len(levels)
        tables = tuple(
            np.stack(encoder.encodings_[i * outputs : (i + 1) * outputs], axis=1).astype(np.float32)
            for i in range(len(levels))
        )
        return Encoding(tables), np.asarray(crossed, dtype=np.float32)

    def transform(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """New rows, shape (rows, columns) → (rows, columns × outputs)."""
        return np.concatenate(
            [table[codes[:, place]] for place, table in enumerate(self.tables)], axis=1
        )

    @property
    def outputs(self) -> int:
        return int(self.tables[0].shape[1])

    def state(self) -> list[Any]:
        """Everything as JSON."""
        return [table.tolist() for table in self.tables]

    @staticmethod
    def restore(state: Sequence[Any]) -> Encoding:
        """What `state` gave."""
        return Encoding(tuple(np.array(table, dtype=np.float32) for table in state))


def can_encode(truth: NDArray[Any]) -> bool:
    """Whether each fold can hold something of the target: five rows of some class, or numbers."""
    if truth.dtype.kind == "f":
        return len(truth) >= FOLDS
    counts = np.bincount(truth)
    return int((counts > 0).sum()) > 1 and int(counts.max()) >= FOLDS


def _drawn(kind: str, seed: int) -> dict[str, Any]:
    """The folds as scikit-learn wants them: since 1.9 as a splitter, before as numbers."""
    import sklearn
    from sklearn.model_selection import KFold, StratifiedKFold

    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9):
        return {"cv": FOLDS, "random_state": seed}
    splitter = KFold if kind == "continuous" else StratifiedKFold
    return {"cv": splitter(FOLDS, shuffle=True, random_state=seed)}


def _kind(truth: NDArray[Any]) -> str:
    return "binary" if len(np.unique(truth)) == 2 else "multiclass"
