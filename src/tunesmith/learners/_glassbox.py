"""Additive terms boosted by interpret in steps, so that the clock is looked at between them.

Its own callback would start a process that outlives this one where it is killed."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset
from tunesmith.learners._additive import Term
from tunesmith.learners._bins import Bins, as_numbers
from tunesmith.learners._boosting import library

KINDS = ("number", "date", "category")
MOST_LEVELS, FEWEST_OF_LEVEL = 200, 3
"""Levels of a category that have a bin of their own, and rows that one takes; the others share that
of missing cells."""
MOST_RANKED = 40
"""Columns among which pairs are looked for: those that move answers most."""

Key = tuple[int, ...]
"""The column of a term, or the two, by their places."""


@dataclass(frozen=True)
class Inputs:
    """Columns as the library takes them: numbers, dates in seconds, levels by their place; NaN
    where missing. `levels` are those of each column, none but of a category."""

    columns: tuple[tuple[str, str], ...]
    levels: tuple[tuple[str, ...], ...]

    @staticmethod
    def of(data: Dataset, names: Sequence[str]) -> Inputs:
        columns = [(name, str(data.column(name).kind)) for name in names]
        kept = tuple((name, kind) for name, kind in columns if kind in KINDS)
        levels = (_levels(data.values(n)) if kind == "category" else () for n, kind in kept)
        return Inputs(kept, tuple(levels))

    @property
    def types(self) -> list[str]:
        """In the library's words."""
        return ["nominal" if kind == "category" else "continuous" for _, kind in self.columns]

    def matrix(self, data: Dataset) -> NDArray[np.float64]:
        """Shape (rows, columns)."""
        found = np.empty((len(data), len(self.columns)))
        for i, (name, kind) in enumerate(self.columns):
            cells = data.values(name)
            if kind == "category":
                place = {level: float(code) for code, level in enumerate(self.levels[i])}
                found[:, i] = [place.get(cell, math.nan) for cell in cells.tolist()]
            else:
                found[:, i] = as_numbers(cells)
        return found

    def bins(self, key: Key, made: Sequence[Any]) -> tuple[Bins, ...]:
        """The bins that the library made of the columns of a term: the coarser ones of a pair are
        told after those of a column alone, where they differ."""
        return tuple(self._bins(i, made[i][min(len(made[i]), len(key)) - 1]) for i in key)

    def _bins(self, i: int, made: Any) -> Bins:
        name, kind = self.columns[i]
        if kind != "category":
            return Bins(name, kind, tuple(map(float, made)), ())
        order = sorted(made, key=made.__getitem__)
        return Bins(name, kind, (), tuple((self.levels[i][int(float(one))],) for one in order))


def _levels(cells: NDArray[Any]) -> tuple[str, ...]:
    counts = Counter(cell for cell in cells.tolist() if cell)
    common = counts.most_common(MOST_LEVELS)
    return tuple(sorted(level for level, count in common if count >= FEWEST_OF_LEVEL))


@dataclass(frozen=True)
class State:
    """Terms as they stand after some steps, and the margins of the valid rows by them."""

    intercept: NDArray[np.float64]
    terms: Mapping[Key, Term]
    margins: NDArray[np.float64]


@dataclass
class Boosting:
    """Terms that grow by steps, each fitted to what those before it have left. `truth` is codes of
    `outputs` classes (one output for two), or numbers. `settings` are the library's own, `monotone`
    by column 1 where an answer may only rise, -1 where only fall.
    """

    train: Dataset
    valid: Dataset
    inputs: Inputs
    truth: NDArray[Any]
    weights: NDArray[np.float64] | None
    start: NDArray[np.float64]
    is_classes: bool
    monotone: Sequence[int]
    settings: Mapping[str, Any]
    seed: int
    steps: int = 0
    _codes: dict[Key, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.features = self.inputs.matrix(self.train)
        self.margins = np.tile(self.start, (len(self.train), 1))
        self.state = State(self.start, {}, np.tile(self.start, (len(self.valid), 1)))

    def step(self, rounds: int, pairs: Sequence[Key] = ()) -> None:
        """Boost the columns, or the pairs where there are some, for so many rounds."""
        self.steps += 1
        model = self._model(rounds, pairs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are of pictures that nobody draws
            model.fit(self.features, self.truth, self.weights, init_score=self._flat())
        self._add(model)

    def pairs(self, most: int, bins: int) -> list[Key]:
        """The pairs of columns that would lower the loss most, best first."""
        alone = sorted(self.state.terms.items(), key=lambda one: -one[1].importance)
        free = [key[0] for key, _ in alone if not self.monotone[key[0]]][:MOST_RANKED]
        if most == 0 or len(free) < 2:
            return []
        found = library("interpret.utils").measure_interactions(
            self.features[:, free],
            self.truth,
            interactions=most,
            init_score=self._flat(),
            sample_weight=self.weights,
            feature_types=[self.inputs.types[i] for i in free],
            max_interaction_bins=bins,
            min_samples_leaf=self.settings["min_samples_leaf"],
            objective="log_loss" if self.is_classes else "rmse",
        )
        return [tuple(sorted(free[int(i)] for i in key)) for key, gain in found if gain > 0]

    def _flat(self) -> NDArray[np.float64]:
        return self.margins if self.margins.shape[1] > 1 else self.margins[:, 0]

    def _model(self, rounds: int, pairs: Sequence[Key]) -> Any:
        kind = "Classifier" if self.is_classes else "Regressor"
        alone: dict[str, Any] = {"monotone_constraints": [*self.monotone]}
        what = {"exclude": "mains", "interactions": [*pairs]} if pairs else {"interactions": 0}
        return getattr(library("interpret.glassbox"), f"ExplainableBoosting{kind}")(
            **self.settings,
            **what,
            **(alone if any(self.monotone) and not pairs else {}),
            feature_types=self.inputs.types,
            max_rounds=rounds,
            smoothing_rounds=rounds if self.steps == 1 else 0,
            interaction_smoothing_rounds=0,
            early_stopping_rounds=0,
            validation_size=0,
            greedy_ratio=0.0,
            outer_bags=1,
            n_jobs=1,
            random_state=(self.seed + self.steps) % 2**31,
        )

    def _add(self, model: Any) -> None:
        terms, valid = dict(self.state.terms), self.state.margins.copy()
        intercept, new = terms_of(model, self.inputs)
        self.margins += intercept
        valid += intercept
        for key, term in new.items():
            if key not in self._codes:
                self._codes[key] = [term.codes(data) for data in (self.train, self.valid)]
            for margins, codes in zip((self.margins, valid), self._codes[key], strict=True):
                margins += term.scores[codes]
            before = terms[key].scores if key in terms else 0.0
            terms[key] = Term(term.bins, before + term.scores, term.shares)
        self.state = State(self.state.intercept + intercept, terms, valid)


def terms_of(model: Any, inputs: Inputs) -> tuple[NDArray[np.float64], dict[Key, Term]]:
    """The intercept, shape (outputs,), and the terms of a model of the library. Its first bin is of
    missing cells, which come last here; its last is of levels never seen, which count as missing
    here."""
    terms: dict[Key, Term] = {}
    for place, scores, weights in zip(
        model.term_features_, model.term_scores_, model.bin_weights_, strict=True
    ):
        key = tuple(map(int, place))
        found = scores.reshape(*weights.shape, -1)
        for axis in range(len(key)):
            order = [*range(1, weights.shape[axis] - 1), 0]
            found, weights = found.take(order, axis), weights.take(order, axis)
        shares = np.asarray(weights / max(1e-12, weights.sum()), dtype=np.float64)
        terms[key] = Term(inputs.bins(key, model.bins_), found, shares)
    return np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64)), terms
