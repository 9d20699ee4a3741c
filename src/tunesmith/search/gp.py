"""A Gaussian process with expected improvement: few trials, each chosen with care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import is_conditional
from tunesmith.core.errors import need
from tunesmith.core.space import Range, Scalar
from tunesmith.search._optuna import OptunaStudy
from tunesmith.search._shelf import check, searchers

STARTUP_TRIALS = 8


@searchers.add("gp")
class GaussianProcess(Searcher):
    """Optuna's; choices among numbers are given in their order. Some tenths of a second a proposal.

    Source: Snoek et al., "Practical Bayesian Optimization of Machine Learning Algorithms", NeurIPS
    2012.
    """

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        if is_conditional(ranges):
            return (
                "its model needs every dimension in every config, and some hang on a choice; pin "
                "that choice, or use 'auto', 'tpe' or 'ageing'"
            )
        return ""

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        check("gp", ranges, goals)
        need("torch", extra="text")
        from optuna.samplers import GPSampler

        sampler = GPSampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        return OptunaStudy(sampler, ranges, goals=goals, ordered=True)
