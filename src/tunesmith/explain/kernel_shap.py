"""Shapley values by a weighted regression."""

from __future__ import annotations

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._shap import answers, drawn_by, library, no_row, of_one, one_row
from tunesmith.explain._shelf import explainers

EACH = 2
BESIDE = 2_048
"""Coalitions by default: so many for each piece and beside, as in the package itself."""


@explainers.add("kernel-shap")
class KernelShap(Explainer):
    """Fit a linear function of the pieces to what coalitions are answered, weighted so that its
    coefficients are Shapley values.

    Source: Lundberg & Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
    """

    is_additive = True
    extra = "shap"

    def suits(self, game: Game) -> str:
        return ""

    def evaluations(self, game: Game) -> int:
        return int(min(2.0 ** len(game.pieces), EACH * len(game.pieces) + BESIDE))

    def least(self, game: Game) -> int:
        return EACH * len(game.pieces) + 2

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        if len(game.pieces) == 1:
            return of_one(game)
        shap, most = library(), max(evaluations, self.least(game))
        with drawn_by(seed):
            explain = shap.KernelExplainer(answers(game, clock), no_row(game))
            found = explain.shap_values(one_row(game), nsamples=most, l1_reg=0, silent=True)
        return Credits(np.ravel(found).astype(float), float(explain.expected_value))
