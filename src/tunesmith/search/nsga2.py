"""NSGA-II: evolution towards several goals at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.space import Range, Scalar
from tunesmith.search._optuna import OptunaStudy
from tunesmith.search._shelf import searchers

POPULATION = 16


@searchers.add("nsga2")
class NSGA2(Searcher):
    """Optuna's, with a population for tens of trials, not thousands.

    Source: Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE TEC
    2002.
    """

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        from optuna.samplers import NSGAIISampler

        return OptunaStudy(
            NSGAIISampler(seed=seed, population_size=POPULATION), ranges, goals=goals
        )
