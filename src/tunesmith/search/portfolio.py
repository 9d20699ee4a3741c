"""A portfolio: proposals that have done well elsewhere, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import Dimensions, Values, randomly, repaired
from tunesmith.core.seeds import generator
from tunesmith.core.space import Range, Scalar
from tunesmith.search._own import OwnStudy
from tunesmith.search._shelf import searchers


@searchers.add("portfolio")
class Portfolio(Searcher):
    """Proposes what is known, in order, and then ends: name another search beside it to go on.
    What lies outside the space, or is left open, is drawn; see `_known` for what a fit gives it.

    Source: Feurer et al., "Auto-Sklearn 2.0", JMLR 2022, section 3.1.
    """

    goes_first = True

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        return _Known(ranges, iter(known), generator(seed, "portfolio"))


@dataclass
class _Known(OwnStudy):
    ranges: Dimensions
    left: Iterator[Values]
    dice: np.random.Generator

    def propose(self) -> Values | None:
        values = next(self.left, None)
        return None if values is None else repaired(values, self.ranges, randomly(self.dice))
