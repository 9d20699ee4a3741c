"""In this process, one job after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tunesmith.core.contracts import J, Overdue, R, Runner, Tell, Work
from tunesmith.run._alarm import within
from tunesmith.run._shelf import runners


@runners.add("here")
class Here(Runner):
    """Draws a job only when the one before has ended; there is one place. One that hangs is
    interrupted where it is in Python: not inside a function of a library that never comes back, not
    on Windows, nor outside the main thread. Only a process of its own can be ended there too."""

    def run(
        self, jobs: Iterator[J | None], work: Work[J, R], tell: Tell, places: int
    ) -> Iterator[R]:
        for job in jobs:
            if job is None:
                raise RuntimeError("nothing is under way that could be waited for")
            yield _done(job, work, tell)


def _done(job: J, work: Work[J, R], tell: Tell) -> R:
    began = time.monotonic()
    try:
        return within(work.limit_seconds(job), lambda: work.do(job, tell))
    except Overdue:
        return work.hung(job, time.monotonic() - began)
