"""Bayesian search, by what is searched: a Gaussian process where it can be used, TPE elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.errors import MissingExtra
from tunesmith.core.space import Range, Scalar
from tunesmith.search._shelf import searchers


@searchers.add("bayes")
class Bayes(Searcher):
    """One of two on this shelf."""

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        try:
            name = "tpe" if searchers["gp"].refuses(ranges, goals) else "gp"
            return searchers[name].begin(ranges, seed=seed, goals=goals, known=known)
        except MissingExtra:
            return searchers["tpe"].begin(ranges, seed=seed, goals=goals, known=known)
