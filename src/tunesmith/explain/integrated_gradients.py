"""Gradients on the way from nothing to the row."""

from __future__ import annotations

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._by_heats import credits_of, why_not
from tunesmith.explain._shelf import explainers

METHOD = "integrated-gradients"
PASSES, OF_PICTURES = 64, 320
"""What its work comes to in most cases: 20 points there and back, or 80 of pictures, whose networks
bend more; these are answered in bf16 and at once, where gradients are not."""


@explainers.add(METHOD)
class IntegratedGradients(Explainer):
    """The gradient of the answer at the words, pixels and numbers that networks and linear models
    read, in the mean over the way there from nothing (mask tokens or no words, the mean colour, the
    mean of every number), times the way. Credits sum to what their answer differs from that to
    nothing, within 2 % where a network is looked into.

    Source: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", ICML 2017; captum's
    IntegratedGradients.
    """

    def packages(self, game: Game) -> frozenset[str]:
        return game.heat_packages(METHOD)

    def suits(self, game: Game) -> str:
        return why_not(game, METHOD)

    def evaluations(self, game: Game) -> int:
        has_picture = any(piece.kind == "image" and piece.place for piece in game.pieces)
        return OF_PICTURES if has_picture else PASSES

    def least(self, game: Game) -> int:
        return self.evaluations(game)

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        return credits_of(game, game.heats(METHOD, clock))
