"""A model that adds up what each column, and each of a few pairs of columns, says alone: it can be
read as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import UnsafeArtifact
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.learners._bins import Bins
from tunesmith.learners._boosting import answer_of

FILE = "terms.safetensors"
BETWEEN = " & "


@dataclass(frozen=True)
class Term:
    """What a column, or a pair of columns, adds to the answer. `scores` has shape
    (bins, outputs), of a pair (bins, bins, outputs); `shares`, of the training rows in each bin,
    the same without the outputs."""

    bins: tuple[Bins, ...]
    scores: NDArray[np.float64]
    shares: NDArray[np.float64]

    @property
    def name(self) -> str:
        return BETWEEN.join(one.name for one in self.bins)

    @property
    def importance(self) -> float:
        """How far it moves an answer: the mean of the absolute scores over the training rows and
        the outputs, in log odds or units of the target."""
        return float((np.abs(self.scores).mean(axis=-1) * self.shares).sum())

    def codes(self, data: Dataset) -> tuple[NDArray[np.int64], ...]:
        """Where each row lies in `scores`: of each column an array of shape (rows,)."""
        return tuple(one.codes(data.values(one.name)) for one in self.bins)

    def of(self, data: Dataset) -> NDArray[np.float64]:
        """What it adds to each row, shape (rows, outputs)."""
        found: NDArray[np.float64] = self.scores[self.codes(data)]
        return found

    def condensed(self, most: int) -> Term:
        """The same with neighbouring bins of numbers taken together, to at most so many of about as
        many rows each, at the mean of what they add: not the model any more, but shorter."""
        bins, scores, shares = list(self.bins), self.scores, self.shares
        for axis, one in enumerate(bins):
            if one.kind == "category" or len(one.edges) < most:
                continue
            others = tuple(i for i in range(len(bins)) if i != axis)
            below = np.cumsum(shares.sum(axis=others)[:-1])
            wanted = below[-1] * np.arange(1, most) / most
            starts = np.unique(np.clip(np.searchsorted(below, wanted), 0, len(below) - 2) + 1)
            bins[axis] = replace(one, edges=tuple(one.edges[i - 1] for i in starts))
            places = [0, *starts, len(below)]
            counted = np.maximum(shares, 1e-12)[..., None]
            total = np.add.reduceat(scores * counted, places, axis=axis)
            scores = total / np.add.reduceat(counted, places, axis=axis)
            shares = np.add.reduceat(shares, places, axis=axis)
        return Term(tuple(bins), scores, shares)

    def labels(self) -> list[str]:
        """Its bins in words, those of a pair in the order of `scores`."""
        return [BETWEEN.join(words) for words in product(*(one.labels() for one in self.bins))]


@dataclass(frozen=True)
class Additive(Fitted):
    """The answer is the intercept and what each term adds: of two classes the log odds of the
    second, of more a logit of each, of a number the number itself. `steps` are the rounds that it
    was boosted for, of columns and of pairs."""

    classes: tuple[str, ...]
    intercept: NDArray[np.float64]
    terms: tuple[Term, ...]
    steps: Mapping[str, int]

    def margins(self, data: Dataset) -> NDArray[np.float64]:
        """Shape (rows, outputs)."""
        found = np.tile(self.intercept, (len(data), 1))
        for term in self.terms:
            found += term.of(data)
        return found

    def predict(self, data: Dataset) -> Prediction:
        return answer_of(self.margins(data), self.classes, 0.0, 1.0)

    def outputs(self) -> tuple[str, ...]:
        """What the columns of the scores speak for."""
        if len(self.classes) > 2:
            return tuple(f"logit of {label!r}" for label in self.classes)
        return (f"log odds of {self.classes[1]!r}" if self.classes else "contribution",)

    def contributions(self, data: Dataset) -> dict[str, NDArray[np.float64]]:
        """What the intercept and each term add to each row, of shape (rows,); of more than two
        classes by term and class, one after the other. Added up they are the margins."""
        start = np.tile(self.intercept, (len(data), 1))
        each = {"intercept": start, **{term.name: term.of(data) for term in self.terms}}
        if len(self.classes) <= 2:
            return {name: one[:, 0] for name, one in each.items()}
        return {
            f"{name}: {label}": one[:, code]
            for name, one in each.items()
            for code, label in enumerate(self.classes)
        }

    def condensed(self, most: int) -> Additive:
        """The same with at most so many bins for each number, to be looked at."""
        return replace(self, terms=tuple(term.condensed(most) for term in self.terms))

    def table(self) -> list[dict[str, Any]]:
        """A line for each bin of each term, that which moves answers most first."""
        start = dict(zip(self.outputs(), map(float, self.intercept), strict=True))
        lines: list[dict[str, Any]] = [{"feature": "intercept", "bin": "", **start, "rows": 1.0}]
        for term in self.terms:
            scores = term.scores.reshape(-1, term.scores.shape[-1])
            for label, score, share in zip(term.labels(), scores, term.shares.ravel(), strict=True):
                said = dict(zip(self.outputs(), map(float, score), strict=True))
                lines.append({"feature": term.name, "bin": label, **said, "rows": float(share)})
        return lines

    def settled(self) -> Mapping[str, Any]:
        return dict(self.steps)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        write_json(
            folder / "model.json",
            {
                "classes": self.classes,
                "intercept": self.intercept.tolist(),
                "steps": dict(self.steps),
                "terms": [[asdict(one) for one in term.bins] for term in self.terms],
            },
        )
        arrays = {f"scores-{i}": term.scores for i, term in enumerate(self.terms)}
        arrays |= {f"shares-{i}": term.shares for i, term in enumerate(self.terms)}
        if arrays:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / FILE)


def load_additive(folder: Path) -> Additive:
    """The model that was saved.

    Raises:
        UnsafeArtifact: Its tables do not fit the bins they are of.
    """
    from safetensors.numpy import load_file

    saved = read_json(folder / "model.json")
    arrays = load_file(folder / FILE) if saved["terms"] else {}
    intercept = np.array(saved["intercept"], dtype=np.float64)
    terms = []
    for i, told in enumerate(saved["terms"]):
        bins = tuple(map(_bins, told))
        scores, shares = arrays[f"scores-{i}"], arrays[f"shares-{i}"]
        shape = tuple(one.count for one in bins)
        if scores.shape != (*shape, len(intercept)) or shares.shape != shape:
            raise UnsafeArtifact(f"{folder / FILE}: the table of term {i} does not fit its bins.")
        terms.append(Term(bins, scores, shares))
    return Additive(tuple(saved["classes"]), intercept, tuple(terms), saved["steps"])


def _bins(told: Mapping[str, Any]) -> Bins:
    groups: Sequence[Sequence[str]] = told["groups"]
    return Bins(told["name"], told["kind"], tuple(told["edges"]), tuple(map(tuple, groups)))
