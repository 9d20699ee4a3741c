"""The default: a model of what scores to expect, which proposes where most is to be gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import (
    Dimensions,
    Values,
    at_unit,
    draw,
    is_ordered,
    randomly,
    repaired,
    unit,
)
from tunesmith.core.errors import ConfigError
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import Range, Scalar
from tunesmith.search._gaussian import Encoding, Gaussian, fit
from tunesmith.search._own import OwnStudy, Seen
from tunesmith.search._shelf import searchers
from tunesmith.search.ageing import MOST_DRAWS, mutated
from tunesmith.search.quasirandom import Sobol, sobol

FIRST = 10
"""Results, known or spread evenly, before a model is made of them."""
ROAMING = 300
"""Candidates drawn from the whole space."""
PARENTS, NEAR = 8, 40
"""Candidates changed from the best ones: of so many, so many each."""
TWICE = 0.3
"""Share of these that are changed in two dimensions."""
NUDGED = 0.5
NUDGE = 0.15
"""Share of the changes that go to a value nearby, and how far in [0, 1] that is."""
MOST_MODELLED = 160
"""Results that the model is made of: half of them the best, half the latest."""
MOST_OPEN = 32
MANY = 400
"""Results from which the model, which takes some tens of milliseconds, makes every fifth proposal
alone, and evolution the others."""
EVERY = 5
GROWTH = 1.05
"""By so much the history grows before the model's settings are fitted anew."""


@searchers.add("auto")
class Auto(Searcher):
    """Expected improvement under a Gaussian process over mixed and conditional dimensions, scores
    by rank, candidates drawn at random and near the best.

    Source: Jones, Schonlau & Welch, "Efficient Global Optimization", 1998; Hutter, Hoos &
    Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm Configuration", 2011,
    for the search of candidates; Salinas et al., "A Quantile-based Approach for Hyperparameter
    Transfer Learning", ICML 2020, for ranks.
    """

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        return "it knows one goal; for several use 'nsga2' or 'tpe'" if goals > 1 else ""

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        reason = self.refuses(ranges, goals)
        if reason:
            raise ConfigError(f"The search 'auto' cannot be used here: {reason}.")
        even = sobol(ranges, derive(seed, "auto", "even"))
        return AutoStudy(ranges, generator(seed, "auto"), list(known), Encoding(ranges), even)


@dataclass
class AutoStudy(OwnStudy):
    """The model, and what it has seen."""

    ranges: Dimensions
    dice: np.random.Generator
    known: list[Values]
    encoding: Encoding
    even: Sobol
    model: Gaussian | None = None
    modelled: int = 0
    turn: int = 0
    _rows: list[NDArray[np.float64]] = field(default_factory=list)

    def propose(self) -> Values:
        pick = randomly(self.dice)
        self.turn += 1
        if self.known:
            return repaired(self.known.pop(0), self.ranges, pick)
        if sum(one.scores is not None for one in self.seen) < FIRST:
            return self.even.propose()
        scores = _values(self.seen)
        if len(scores) > MANY and self.turn % EVERY:
            few = self.dice.integers(len(scores), size=max(2, len(scores) // 20))
            return self._changed(self.seen[int(few[np.argmax(scores[few])])].values)
        return self._likeliest(scores)

    def _likeliest(self, scores: NDArray[np.float64]) -> Values:
        """Of many candidates the one whose expected improvement is the largest."""
        rows = self._encoded()
        used = _chosen(scores)
        model = self._modelled(rows[used], ranked(scores[used]))
        best = float(model.predict(rows[used])[0].max())
        candidates = self._candidates(scores)
        places = self.encoding.rows(candidates)
        model = self._with_open(model)
        gain = improvement(*model.predict(places), best)
        tried = {row.tobytes() for row in rows}
        gain[[row.tobytes() in tried for row in places]] = -np.inf
        return candidates[int(np.argmax(gain))]

    def _encoded(self) -> NDArray[np.float64]:
        self._rows += [self.encoding.row(one.values) for one in self.seen[len(self._rows) :]]
        return np.array(self._rows)

    def _modelled(self, rows: NDArray[np.float64], scores: NDArray[np.float64]) -> Gaussian:
        old, ordered = self.model, self.encoding.ordered
        if old is not None and len(self.seen) < GROWTH * self.modelled:
            return old.given(rows, scores)
        self.model = fit(rows, scores, ordered, None if old is None else old.settings)
        self.modelled = len(self.seen)
        return self.model

    def _with_open(self, model: Gaussian) -> Gaussian:
        """The model as if those that are still at work had come out as it expects: they are not
        proposed again, nor their like."""
        waiting = list(self.open.values())[-MOST_OPEN:]
        if not waiting:
            return model
        rows = self.encoding.rows(waiting)
        believed = np.concatenate([model.scores, model.predict(rows)[0]])
        return model.given(np.concatenate([model.rows, rows]), believed)

    def _candidates(self, scores: NDArray[np.float64]) -> list[Values]:
        pick = randomly(self.dice)
        found: list[Values] = [draw(self.ranges, pick) for _ in range(ROAMING)]
        for place in np.argsort(-scores, kind="stable")[:PARENTS]:
            found += [self._changed(self.seen[place].values) for _ in range(NEAR)]
        return found

    def _changed(self, values: Values) -> Values:
        once = self._moved(values)
        return self._moved(once) if self.dice.random() < TWICE else once

    def _moved(self, values: Values) -> Values:
        """One dimension changed: a little, where it has an order, as often as at all."""
        if self.dice.random() < NUDGED:
            return nudged(values, self.ranges, self.dice)
        return mutated(values, self.ranges, self.dice)


def nudged(values: Values, ranges: Dimensions, dice: np.random.Generator) -> Values:
    """One ordered dimension that counts moved to another value nearby."""
    ordered = [path for path in values if path in ranges and is_ordered(ranges[path])]
    if not ordered:
        return mutated(values, ranges, dice)
    path = ordered[int(dice.integers(len(ordered)))]
    mark, place = ranges[path], unit(ranges[path], values[path])
    for _ in range(MOST_DRAWS):
        value = at_unit(mark, place + float(dice.normal(0.0, NUDGE)))
        if value != values[path]:
            return {**values, path: value}
    return mutated(values, ranges, dice)


def _values(seen: Sequence[Seen]) -> NDArray[np.float64]:
    """The first score of each, that of the worst where it failed. Shape (seen,)."""
    found = np.array([np.nan if one.scores is None else one.scores[0] for one in seen])
    return np.where(np.isnan(found), np.nanmin(found), found)


def _chosen(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of those that the model is made of, in their order."""
    if len(scores) <= MOST_MODELLED:
        return np.arange(len(scores))
    best = np.argsort(-scores, kind="stable")[: MOST_MODELLED // 2]
    latest = np.arange(len(scores) - MOST_MODELLED // 2, len(scores))
    return np.union1d(best, latest)


def ranked(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores by rank, as a normal distribution of mean 0 and variance 1 has them: neither a few
    very bad ones nor the metric's scale count. Shape (scores,)."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    normal = ndtri((rankdata(scores) - 0.5) / len(scores))
    return np.asarray((normal - normal.mean()) / max(float(normal.std()), 1e-12))


def improvement(
    mean: NDArray[np.float64], spread: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """Expected improvement over the best, shape (candidates,)."""
    from scipy.special import ndtr

    far = (mean - best) / spread
    bell = np.exp(-0.5 * far * far) / np.sqrt(2 * np.pi)
    return np.asarray(spread * (far * ndtr(far) + bell))
