"""Time is passed in: a clock with a deadline, real or made for a test."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

UNLIMITED = float("inf")


@dataclass(frozen=True)
class Clock:
    """Seconds since a start, against a limit. `now` must be monotonic."""

    limit_seconds: float = UNLIMITED
    now: Callable[[], float] = time.monotonic
    start: float = field(default=math.nan)

    def __post_init__(self) -> None:
        if math.isnan(self.start):
            object.__setattr__(self, "start", self.now())

    def elapsed(self) -> float:
        return self.now() - self.start

    def left(self) -> float:
        """Seconds until the deadline; infinite where there is none, never below zero."""
        return max(0.0, self.limit_seconds - self.elapsed())

    def is_over(self) -> bool:
        return self.elapsed() >= self.limit_seconds

    def has_deadline(self) -> bool:
        return self.limit_seconds != UNLIMITED

    def until(self, seconds_before_end: float) -> Clock:
        """The same clock with its deadline that much earlier, to keep a reserve."""
        return Clock(self.limit_seconds - seconds_before_end, self.now, self.start)

    def share(self, parts: int) -> Clock:
        """A clock of one of so many equal parts of what is left."""
        return Clock(self.left() / max(1, parts), self.now)
