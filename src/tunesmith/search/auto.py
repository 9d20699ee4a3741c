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
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import Range, Scalar
from tunesmith.search._gaussian import Encoding, Gaussian, fit
from tunesmith.search._own import OwnStudy
from tunesmith.search._shelf import searchers
from tunesmith.search.ageing import MOST_DRAWS, mutated
from tunesmith.search.quasirandom import Sobol, sobol

FIRST = 10
"""Results, known or spread evenly, before a model is made of them."""
EVEN_TURN = 4
"""Of the first proposals, where the defaults are known, one in so many is drawn evenly: of
fine-tunings, all that were drawn so were far behind the defaults (see docs/benchmarks.md)."""
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
"""Of the proposals that are at work the latest, which the model takes into account."""
MANY = 400
"""Results from which the model, which takes some tens of milliseconds, makes every fifth proposal
alone, and evolution the others; as it does where more are at work than the model takes in, and
another is asked for every few milliseconds."""
EVERY = 5
MOST_HALVINGS = 5
"""Of the work; less tells no less."""
GROWTH, LATE_GROWTH = 1.05, 1.25
"""By so much the history grows before the model's settings are fitted anew; later, where there are
many."""


@searchers.add("auto")
class Auto(Searcher):
    """Expected improvement under a Gaussian process over mixed and conditional dimensions, scores
    by rank, candidates drawn at random and near the best. Scores after a part of the work, or on a
    part of the rows, are in the same model, with that share as one more dimension; proposals are
    judged at the whole.

    Source: Jones, Schonlau & Welch, "Efficient Global Optimization", 1998; Hutter, Hoos &
    Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm Configuration", 2011,
    for the search of candidates; Salinas et al., "A Quantile-based Approach for Hyperparameter
    Transfer Learning", ICML 2020, for ranks; Snoek, Larochelle & Adams, "Practical Bayesian
    Optimization of Machine Learning Algorithms", NeurIPS 2012, for improvement per second, where
    costs are told; Wistuba, Kadra & Grabocka, "Supervising the Multi-Fidelity Race of
    Hyperparameter Configurations", NeurIPS 2022, for the share as a dimension; Knowles, "ParEGO",
    IEEE TEC 2006, for several goals.
    """

    knows_shares = True

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        even = sobol(ranges, derive(seed, "auto", "even"))
        return AutoStudy(ranges, generator(seed, "auto"), list(known), Encoding(ranges), even)


@dataclass
class Grown:
    """An array that grows at its end."""

    _room: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    _count: int = 0

    def add(self, value: float | NDArray[np.float64]) -> None:
        if self._count == len(self._room):
            room = np.empty((max(64, 2 * self._count), *np.shape(value)))
            room[: self._count] = self._room[: self._count] if self._count else 0.0
            self._room = room
        self._room[self._count] = value
        self._count += 1

    def __len__(self) -> int:
        return self._count

    @property
    def all(self) -> NDArray[np.float64]:
        """What was added, shape (added, ...); not to be changed."""
        return self._room[: self._count]


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
    was_known: bool = False
    """Whether there were results before the search began, such as those of the defaults."""
    has_shares: bool = False
    """Whether a score came after a part of the work."""
    _costs: Gaussian | None = None
    _rows: Grown = field(default_factory=Grown)
    _scores: Grown = field(default_factory=Grown)
    _tried: set[bytes] = field(default_factory=set)
    _open_rows: dict[int, bytes] = field(default_factory=dict)

    def propose(self) -> Values:
        self.was_known |= bool(self.seen and not self.turn)
        self.turn += 1
        if self.known:
            return repaired(self.known.pop(0), self.ranges, randomly(self.dice))
        scores = self._values()
        if np.isfinite(scores).sum() < FIRST:
            return self._first(scores)
        scores = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].min())
        if (len(scores) > MANY or len(self.open) > MOST_OPEN) and self.turn % EVERY:
            few = self.dice.integers(len(scores), size=max(2, len(scores) // 20))
            return self._changed(self.seen[int(few[np.argmax(scores[few])])].values)
        return self._likeliest(scores)

    def _values(self) -> NDArray[np.float64]:
        """One number for each result, minus infinity where it failed: the score, or several goals
        weighed at random. Shape (seen,)."""
        first = next((one.scores for one in self.seen if one.scores is not None), ())
        if len(first) < 2:
            for one in self.seen[len(self._scores) :]:
                self._scores.add(-np.inf if one.scores is None else one.scores[0])
            return self._scores.all
        weights = self.dice.dirichlet(np.ones(len(first)))
        failed = (-np.inf,) * len(first)
        return weighed(np.array([one.scores or failed for one in self.seen]), weights)

    def _first(self, scores: NDArray[np.float64]) -> Values:
        """Before a model can be made: evenly over the space; where there were results before, such
        as those of the defaults, mostly near the best."""
        if not self.was_known or not self.turn % EVEN_TURN or not np.isfinite(scores).any():
            return self.even.propose()
        return self._changed(self.seen[int(np.argmax(scores))].values)

    def _likeliest(self, scores: NDArray[np.float64]) -> Values:
        """Of many candidates the one whose expected improvement is the largest, for what it
        costs."""
        rows = self._encoded()
        used = _chosen(scores)
        shares = np.array([self.seen[place].share for place in used])
        seen = self._at_shares(rows[used], shares)
        model = self._modelled(seen, ranked(levelled(scores[used], rows[used], shares)))
        whole = seen[shares == 1] if (shares == 1).any() else seen
        best = float(model.predict(whole)[0].max())
        candidates = self._candidates(scores)
        configs = self.encoding.rows(candidates)
        places = self._at_shares(configs, np.ones(len(configs)))
        gain = improvement(*self._with_open(model).predict(places), best)
        gain /= self._expected_costs(seen, used, places)
        at_work = self._at_work()
        coded = [row.tobytes() for row in configs]
        gain[[row in self._tried or row in at_work for row in coded]] = -np.inf
        return candidates[int(np.argmax(gain))]

    def _at_work(self) -> set[bytes]:
        """The rows of the proposals that have not ended."""
        known = self._open_rows
        self._open_rows = {
            number: known[number] if number in known else self.encoding.row(one).tobytes()
            for number, one in self.open.items()
        }
        return set(self._open_rows.values())

    def _at_shares(
        self, rows: NDArray[np.float64], shares: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Configs with one more dimension, the share after which they were scored, where there are
        different ones: 1 is the whole, each halving a step down. Shape (rows, dimensions + 1)."""
        self.has_shares = self.has_shares or bool((shares < 1).any())
        if not self.has_shares:
            return rows
        return np.column_stack([rows, 1 - halvings(shares) / MOST_HALVINGS])

    @property
    def _ordered(self) -> NDArray[np.bool_]:
        ordered = self.encoding.ordered
        return np.append(ordered, True) if self.has_shares else ordered

    def _expected_costs(
        self, seen: NDArray[np.float64], used: NDArray[np.int64], places: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What each candidate should take, as a multiple of the usual; 1 where costs are not told.
        `seen` are the rows of the results at `used`. Shape (candidates,)."""
        costs = np.array([self.seen[place].cost or np.nan for place in used])
        told = np.isfinite(costs)
        if told.sum() < FIRST:
            return np.ones(len(places))
        logs = np.log(costs[told])
        spread = max(float(logs.std()), 1e-6)
        old = self._costs
        start = old.settings if old is not None and old.rows.shape[1] == seen.shape[1] else None
        self._costs = fit(
            seen[told],
            (logs - logs.mean()) / spread,
            self._ordered,
            start,
        )
        return np.asarray(np.exp(spread * self._costs.predict(places)[0]))

    def _encoded(self) -> NDArray[np.float64]:
        for one in self.seen[len(self._rows) :]:
            row = self.encoding.row(one.values)
            self._rows.add(row)
            self._tried.add(row.tobytes())
        return self._rows.all

    def _modelled(self, rows: NDArray[np.float64], scores: NDArray[np.float64]) -> Gaussian:
        old = self.model
        if old is not None and old.rows.shape[1] < rows.shape[1]:
            old = None  # shares have come to count
        growth = GROWTH if self.modelled <= MANY else LATE_GROWTH
        if old is not None and len(self.seen) < growth * self.modelled:
            return old.given(rows, scores)
        start = None if old is None else old.settings
        self.model = fit(rows, scores, self._ordered, start)
        self.modelled = len(self.seen)
        return self.model

    def _with_open(self, model: Gaussian) -> Gaussian:
        """The model as if those that are still at work had come out as it expects: they are not
        proposed again, nor their like."""
        waiting = list(self.open.values())[-MOST_OPEN:]
        if not waiting:
            return model
        rows = self._at_shares(self.encoding.rows(waiting), np.ones(len(waiting)))
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


AUGMENTED = 0.05


def weighed(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Several goals as one: the one that is furthest behind, by its weight, counts, and a little of
    all. Ranks stand for scores, as their scales say nothing. Shape of `scores` (results, goals)."""
    from scipy.stats import rankdata

    found = np.full(len(scores), -np.inf)
    done = np.isfinite(scores).all(axis=1)
    if done.any():
        behind = 1 - rankdata(scores[done], axis=0) / done.sum()
        found[done] = -(behind * weights).max(axis=1) - AUGMENTED * (behind @ weights)
    return found


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


def halvings(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often the whole is halved to come to a share, shape (shares,)."""
    return np.asarray(np.minimum(-np.log2(shares), MOST_HALVINGS))


def levelled(
    scores: NDArray[np.float64], configs: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores after a part of the work with what is usually gained by the rest, as far as that is
    known: the median over configs that were scored after about that part and on the whole. Shape
    (scores,)."""
    whole = {
        row.tobytes(): score
        for row, score, share in zip(configs, scores, shares, strict=True)
        if share == 1
    }
    found, steps = scores.copy(), np.rint(halvings(shares))
    for step in np.unique(steps[shares < 1]):
        places = np.flatnonzero((steps == step) & (shares < 1))
        later = [(whole.get(configs[at].tobytes()), scores[at]) for at in places]
        gains = [after - before for after, before in later if after is not None]
        if gains:
            found[places] += np.median(gains)
    return found


def improvement(
    mean: NDArray[np.float64], spread: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """Expected improvement over the best, shape (candidates,)."""
    from scipy.special import ndtr

    far = (mean - best) / spread
    bell = np.exp(-0.5 * far * far) / np.sqrt(2 * np.pi)
    return np.asarray(spread * (far * ndtr(far) + bell))
