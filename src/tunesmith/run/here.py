"""In this process, one job after the other."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.core.contracts import J, R, Runner, Tell, Work
from tunesmith.run._shelf import runners


@runners.add("here")
class Here(Runner):
    """Draws a job only when the one before has ended; there is one place."""

    def run(
        self, jobs: Iterator[J | None], work: Work[J, R], tell: Tell, places: int
    ) -> Iterator[R]:
        for job in jobs:
            if job is None:
                raise RuntimeError("nothing is under way that could be waited for")
            yield work.do(job, tell)
