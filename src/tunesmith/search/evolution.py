"""Evolution, by what is searched: NSGA-II for several goals, CMA-ES for numbers alone, ageing
evolution for everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.space import Range, Scalar
from tunesmith.search._shelf import searchers


@searchers.add("evolution")
class Evolution(Searcher):
    """One of three on this shelf."""

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        name = "nsga2" if goals > 1 else "ageing"
        if goals == 1 and not searchers["cmaes"].refuses(ranges, goals):
            name = "cmaes"
        return searchers[name].begin(ranges, seed=seed, goals=goals, known=known)
