"""Ageing evolution: the best of a few of the young are changed a little; the old die."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import Dimensions, Values, conditions, draw, randomly, repaired
from tunesmith.core.seeds import generator
from tunesmith.core.space import Range, Scalar
from tunesmith.search._own import OwnStudy, Seen
from tunesmith.search._shelf import searchers

POPULATION = 20
SAMPLE = 5
MOST_DRAWS = 20


@searchers.add("ageing")
class Ageing(Searcher):
    """For conditional and categorical spaces; needs nothing of them but that they can be drawn.

    Source: Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI
    2019, algorithm 1; a smaller population, for fewer trials.
    """

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        return _Population(ranges, generator(seed, "ageing"), list(known))

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        return "it knows one goal; for several use 'nsga2'" if goals > 1 else ""


@dataclass
class _Population(OwnStudy):
    ranges: Dimensions
    dice: np.random.Generator
    known: list[Values]
    alive: deque[Seen] = field(default_factory=lambda: deque(maxlen=POPULATION))
    born: int = 0

    def propose(self) -> Values:
        self.born += 1
        if self.known:
            return repaired(self.known.pop(0), self.ranges, randomly(self.dice))
        if self.born <= POPULATION // 2 or len(self.alive) < 2:
            return draw(self.ranges, randomly(self.dice))
        few = self.dice.choice(len(self.alive), min(SAMPLE, len(self.alive)), replace=False)
        parent = max((self.alive[i] for i in few), key=lambda one: one.scores or (0.0,))
        return mutated(parent.values, self.ranges, self.dice)

    def tell(
        self,
        proposal: int,
        scores: Sequence[float] | None,
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        super().tell(proposal, scores, cost, share)
        if scores is not None:
            self.alive.append(self.seen[-1])

    def add(
        self,
        values: Mapping[str, Scalar],
        scores: Sequence[float],
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        super().add(values, scores, cost, share)
        self.alive.append(self.seen[-1])


def mutated(
    values: Values, ranges: Dimensions, dice: np.random.Generator, path: str = ""
) -> Values:
    """One dimension that counts, or that of a path, drawn anew, until it differs, and what hangs on
    it."""
    paths = [path] if path else [one for one in values if one in ranges]
    path = paths[int(dice.integers(len(paths)))]
    pick, mark = randomly(dice), ranges[path]
    changed = dict(values)
    for _ in range(MOST_DRAWS):
        changed[path] = pick(path, mark)
        if changed[path] != values[path]:
            break
    hanging = [p for p in changed if any(parent == path for parent, _ in conditions(p, ranges))]
    for one in hanging:
        del changed[one]
    return repaired(changed, ranges, pick)
