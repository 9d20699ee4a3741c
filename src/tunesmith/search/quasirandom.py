"""Quasi-random search: a scrambled Sobol sequence, which leaves no gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import Dimensions, Values, at_unit, draw
from tunesmith.core.space import Choice, Int, Range, Scalar
from tunesmith.search._own import OwnStudy
from tunesmith.search._shelf import searchers

AT_ONCE = 64
"""Sobol points are even in blocks of a power of two."""


@searchers.add("quasirandom")
class QuasiRandom(Searcher):
    """Each dimension has a coordinate of its own, whether it counts or not.

    Source: Bousquet et al., "Critical Hyper-Parameters: No Random, No Cry", 2017.
    """

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        return sobol(ranges, seed)


def sobol(ranges: Dimensions, seed: int) -> Sobol:
    """The sequence over these dimensions."""
    from scipy.stats import qmc

    return Sobol(ranges, qmc.Sobol(max(1, len(ranges)), scramble=True, rng=seed))


@dataclass
class Sobol(OwnStudy):
    """Points with no gaps, one after the other."""

    ranges: Dimensions
    sequence: Any
    points: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def propose(self) -> Values:
        if not self.points:
            self.points = list(self.sequence.random(AT_ONCE)[::-1])
        point = dict(zip(self.ranges, self.points.pop(), strict=False))
        return draw(self.ranges, lambda path, mark: _at(mark, float(point[path])))


def _at(mark: Range, place: float) -> Scalar:
    """Each value of a choice, and each whole number, gets an equal share of [0, 1)."""
    if isinstance(mark, Choice):
        return mark.values[min(len(mark.values) - 1, int(place * len(mark.values)))]
    if isinstance(mark, Int) and not mark.log:
        return min(mark.high, mark.low + int(place * (mark.high - mark.low + 1)))
    return at_unit(mark, place)
