"""Where attention comes from."""

from __future__ import annotations

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._by_heats import credits_of, why_not
from tunesmith.explain._shelf import explainers

METHOD = "attention-rollout"
PASSES = 2
"""What its work comes to."""


@explainers.add(METHOD)
class AttentionRollout(Explainer):
    """How much of each token or patch attention carries up to what is read. It says what was looked
    at, not which answer it speaks for: never below zero, and the same for every class.

    Source: Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.
    """

    def suits(self, game: Game) -> str:
        return why_not(game, METHOD)

    def evaluations(self, game: Game) -> int:
        return PASSES

    def least(self, game: Game) -> int:
        return PASSES

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        return credits_of(game, game.heats(METHOD, clock))
