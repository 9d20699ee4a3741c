"""In this process, one trial after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tunesmith.core.contracts import Runner
from tunesmith.core.records import Result, Trial
from tunesmith.run._shelf import runners


@runners.add("here")
class Here(Runner):
    """Draws a trial only when the one before has ended."""

    def run(self, trials: Iterator[Trial], work: Callable[[Trial], Result]) -> Iterator[Result]:
        for trial in trials:
            yield work(trial)
