"""TPE: draws where good configs have been dense and bad ones sparse."""

from __future__ import annotations

from tunesmith.core.contracts import Searcher, Study
from tunesmith.search._optuna import OptunaStudy
from tunesmith.search._shelf import searchers

STARTUP_TRIALS = 4


@searchers.add("tpe")
class TPE(Searcher):
    """Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011;
    each dimension on its own."""

    def begin(self, seed: int) -> Study:
        from optuna.samplers import TPESampler

        return OptunaStudy(TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS))
