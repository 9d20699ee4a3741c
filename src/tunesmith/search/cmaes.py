"""CMA-ES: a cloud of proposals that moves and stretches along what has worked."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import is_conditional, is_ordered
from tunesmith.core.space import Range, Scalar
from tunesmith.search._optuna import OptunaStudy
from tunesmith.search._shelf import check, searchers


@searchers.add("cmaes")
class CMAES(Searcher):
    """Optuna's, with the margin that keeps whole numbers from freezing.

    Source: Hansen, "The CMA Evolution Strategy: A Tutorial", 2016; Hamano et al., "CMA-ES with
    Margin", GECCO 2022.
    """

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        if goals > 1:
            return "it knows one goal; for several use 'nsga2'"
        if is_conditional(ranges):
            return "some dimensions hang on a choice; pin that choice, or use 'ageing'"
        plain = [path for path, mark in ranges.items() if not is_ordered(mark)]
        if plain:
            return f"it moves through numbers, and these are none: {', '.join(plain)}; pin them"
        return "" if len(ranges) > 1 else "it needs two dimensions at least"

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        check("cmaes", ranges, goals)
        from optuna.samplers import CmaEsSampler

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the margin is said to be experimental
            sampler = CmaEsSampler(seed=seed, with_margin=True, warn_independent_sampling=False)
        return OptunaStudy(sampler, ranges, goals=1, ordered=True)
