"""What one fit carries along: where it writes, whom it tells, how long it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tunesmith.core.clock import Clock
from tunesmith.core.events import Journal
from tunesmith.core.runfolder import RunFolder

LEAST_RESERVE_SECONDS = 1.0
RESERVE_SHARE = 0.02


@dataclass(frozen=True)
class Run:
    """One fit under way. `most_trials` is None under a budget of time."""

    folder: RunFolder
    journal: Journal
    clock: Clock
    seed: int
    offline: bool
    most_trials: int | None = None
    workers: int | None = None
    """Processes that trials run in side by side; None for this process alone."""
    depths: tuple[float, ...] = ()
    """The shares of a network that its trials are to train, as far as they are known ahead."""
    stack_levels: int = 0
    """How many levels of models are put over the answers of the trials, at the end."""
    distill: bool = False
    """Whether a small model is to learn what the final one answers."""
    smaller: bool = False
    """Whether a small model is to learn from the final one and stays where that is worth it, a
    network of half the blocks among those that try."""
    is_outer: bool = False
    """Whether it is there to answer the rows of an outer fold, and its model for nothing else."""
    sensitive: tuple[str, ...] = ()
    """Columns by whose groups the model is scored as well."""
    interpretable: str = "scorecard"
    """The learner whose model stands beside the one that answers, to be read; empty for none."""
    runner: str = ""
    """Who executes trials, by its name on the shelf; empty for processes of this machine where
    `workers` are told, and for this process where they are not."""

    @property
    def places(self) -> int:
        """How many trials run at a time."""
        return self.workers or 1

    def is_repeatable(self) -> bool:
        """Whether it proposes the same again when it is gone through again: not by the clock, nor
        by who is ready first."""
        return self.workers is None and not self.clock.has_deadline()

    def stage(self, name: str, planned_seconds: float | None = None) -> None:
        """Say what comes now, how much time is left, and how much of it this is to take."""
        told: dict[str, Any] = {}
        if self.clock.has_deadline():
            told["left_seconds"] = round(self.clock.left(), 1)
            if planned_seconds is not None:
                told["planned_seconds"] = round(max(0.0, planned_seconds), 1)
        self.journal.write("stage", name=name, **told)

    def note(self, text: str) -> None:
        self.journal.write("note", text=text)

    def reserve_seconds(self) -> float:
        """What is kept back for saving and for leaving the process."""
        if not self.clock.has_deadline():
            return 0.0
        return max(LEAST_RESERVE_SECONDS, RESERVE_SHARE * self.clock.limit_seconds)
