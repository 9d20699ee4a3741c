"""What the last maps of a picture's network speak for."""

from __future__ import annotations

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._by_heats import credits_of, why_not
from tunesmith.explain._shelf import explainers

METHOD = "grad-cam"
PASSES = 4
"""What its work comes to: one way there and back, and a few readings."""


@explainers.add(METHOD)
class GradCam(Explainer):
    """The maps of the last stage of a network of pictures, each counted by its mean gradient, with
    what speaks against the answer kept. Coarse: 7 by 7 places of most convolutional networks. Other
    columns get nothing, and credits have no unit.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017; captum's LayerGradCam.
    """

    extra = "captum"

    def suits(self, game: Game) -> str:
        return why_not(game, METHOD)

    def evaluations(self, game: Game) -> int:
        return PASSES

    def least(self, game: Game) -> int:
        return PASSES

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        return credits_of(game, game.heats(METHOD, clock))
