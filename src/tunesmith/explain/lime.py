"""A linear model around one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, need
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._shap import of_one
from tunesmith.explain._shelf import explainers

EACH, FEWEST, MOST = 12, 64, 700
"""Coalitions by default: so many for each piece, within these."""
AT_ONCE = 64
REGRESSION = "linear_model.BayesianRidge"


@explainers.add("lime")
class Lime(Explainer):
    """Leave out pieces at random, and fit a linear regression to what is answered, in which
    coalitions near the whole row count more: its coefficients are the credits. How far they are
    drawn to zero is settled by the coalitions themselves (Bayesian ridge): with a few for each
    piece, as slow models leave time for, a fixed small ridge gives credit to chance.

    Source: Ribeiro, Singh & Guestrin, "Why Should I Trust You?", KDD 2016; captum's Lime; Zhao et
    al., "BayLIME", UAI 2021, for the regression.
    """

    extra = "captum"

    def suits(self, game: Game) -> str:
        return ""

    def evaluations(self, game: Game) -> int:
        return min(MOST, max(FEWEST, EACH * len(game.pieces)))

    def least(self, game: Game) -> int:
        return 2 * len(game.pieces)

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        if len(game.pieces) == 1:
            return of_one(game)
        captum = need("captum.attr", extra="explain")
        linear = need("captum._utils.models.linear_model", extra="explain")
        torch = need("torch", extra="explain")

        def answer(masks: Any) -> Any:
            if clock.is_over():
                raise BudgetError("The time for this explanation is over.")
            return torch.from_numpy(game.values(masks.numpy() > 0.5))

        whole = torch.ones((1, len(game.pieces)), dtype=torch.float64)
        lime = captum.Lime(answer, interpretable_model=linear.SkLearnLinearModel(REGRESSION))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = lime.attribute(
                whole,
                baselines=torch.zeros_like(whole),
                n_samples=max(evaluations, self.least(game)),
                perturbations_per_eval=AT_ONCE,
            )
        return Credits(np.asarray(found[0].numpy(), dtype=np.float64))
