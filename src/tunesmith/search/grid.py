"""Grid search: every combination of a few levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import Dimensions, Values, every
from tunesmith.core.seeds import generator
from tunesmith.core.space import Range, Scalar
from tunesmith.search._own import OwnStudy
from tunesmith.search._shelf import check, searchers

STEPS = 3
"""Levels of a number; a choice has its own."""
MOST_CONFIGS = 5_000


@searchers.add("grid")
class Grid(Searcher):
    """Every config once, in an order drawn by the seed, so that a search cut short has looked
    everywhere a little."""

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        if _size(ranges) <= MOST_CONFIGS:
            return ""
        return (
            f"a grid of these {len(ranges)} dimensions has more than {MOST_CONFIGS:,} configs; pin "
            f"some of them or narrow them to a Choice: {', '.join(ranges)}"
        )

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        check("grid", ranges, goals)
        configs = list(every(ranges, STEPS))
        order = generator(seed, "grid").permutation(len(configs))
        return _Lattice(iter([configs[place] for place in order]))


def _size(ranges: Dimensions) -> int:
    return sum(1 for _ in islice(every(ranges, STEPS), MOST_CONFIGS + 1))


@dataclass
class _Lattice(OwnStudy):
    left: Iterator[Values]

    def propose(self) -> Values | None:
        known = [one.values for one in self.seen]
        return next((values for values in self.left if values not in known), None)
