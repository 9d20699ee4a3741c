"""Random search: every dimension drawn by itself."""

from __future__ import annotations

from tunesmith.core.contracts import Searcher, Study
from tunesmith.search._optuna import OptunaStudy
from tunesmith.search._shelf import searchers


@searchers.add("random")
class Random(Searcher):
    """Source: Bergstra & Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 2012."""

    def begin(self, seed: int) -> Study:
        from optuna.samplers import RandomSampler

        return OptunaStudy(RandomSampler(seed=seed))
