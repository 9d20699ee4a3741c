"""Random search: every dimension drawn by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import Dimensions, Values, draw, randomly
from tunesmith.core.seeds import generator
from tunesmith.core.space import Range, Scalar
from tunesmith.search._own import OwnStudy
from tunesmith.search._shelf import searchers


@searchers.add("random")
class Random(Searcher):
    """Source: Bergstra & Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 2012."""

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        return _Draws(ranges, generator(seed, "random"))


@dataclass
class _Draws(OwnStudy):
    ranges: Dimensions
    dice: np.random.Generator

    def propose(self) -> Values:
        return draw(self.ranges, randomly(self.dice))
