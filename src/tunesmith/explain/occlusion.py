"""What is lost without each piece."""

from __future__ import annotations

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._shelf import explainers

AT_ONCE = 64


@explainers.add("occlusion")
class Occlusion(Explainer):
    """Leave out one piece at a time: its credit is what the answer loses.

    Source: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
    """

    def suits(self, game: Game) -> str:
        return ""

    def evaluations(self, game: Game) -> int:
        return len(game.pieces) + 1

    def least(self, game: Game) -> int:
        return self.evaluations(game)

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        count = len(game.pieces)
        asked = np.concatenate([np.ones((1, count), dtype=bool), ~np.eye(count, dtype=bool)])
        found = []
        for start in range(0, len(asked), AT_ONCE):
            if clock.is_over():
                raise BudgetError("The time for this explanation is over.")
            found.append(game.values(asked[start : start + AT_ONCE]))
        values = np.concatenate(found)
        return Credits(values[0] - values[1:])
