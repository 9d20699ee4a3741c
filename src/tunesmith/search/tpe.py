"""TPE: draws where good configs have been dense and bad ones sparse."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.seeds import derive
from tunesmith.core.space import Range, Scalar
from tunesmith.search._optuna import OptunaStudy
from tunesmith.search._shelf import searchers

STARTUP_TRIALS = 10


@searchers.add("tpe")
class TPE(Searcher):
    """Optuna's, multivariate, conditional dimensions in groups of their own.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.
    """

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        from optuna.samplers import TPESampler

        def sampler(renewed: int) -> TPESampler:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # groups are said to be experimental
                return TPESampler(
                    seed=derive(seed, renewed) if renewed else seed,
                    n_startup_trials=STARTUP_TRIALS,
                    group=True,
                )

        return OptunaStudy(sampler(0), ranges, goals=goals, again=sampler)
