"""Shapley values by permutations."""

from __future__ import annotations

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._shap import answers, drawn_by, library, no_row, of_one, one_row
from tunesmith.explain._shelf import explainers

PERMUTATIONS = 10


@explainers.add("permutation-shap")
class PermutationShap(Explainer):
    """Add the pieces one by one in orders drawn at random, forwards and backwards: the credit of a
    piece is the mean of what it changes.

    Source: Štrumbelj & Kononenko, "Explaining prediction models and individual predictions with
    feature contributions", KAIS 2014; Lundberg & Lee, NeurIPS 2017.
    """

    is_additive = True
    extra = "shap"

    def suits(self, game: Game) -> str:
        return ""

    def evaluations(self, game: Game) -> int:
        return PERMUTATIONS * self.least(game)

    def least(self, game: Game) -> int:
        return 2 * len(game.pieces) + 1

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        if len(game.pieces) == 1:
            return of_one(game)
        shap, most = library(), max(evaluations, self.least(game))
        with drawn_by(seed):
            explain = shap.explainers.Permutation(
                answers(game, clock), shap.maskers.Independent(no_row(game)), seed=seed
            )
            found = explain(one_row(game), max_evals=most, silent=True)
        return Credits(np.asarray(found.values[0], float), float(np.ravel(found.base_values)[0]))
