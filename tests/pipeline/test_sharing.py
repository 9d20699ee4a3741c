"""What is said of several processes where there is little time."""

from __future__ import annotations

from dataclasses import replace

from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.records import Candidate
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.sharing import told_of_sharing

PROBE = Candidate("probe", {"backbone": "any"}, "", 1.0)
LINEAR = Candidate("linear", {}, "", 1.0)


def test_that_processes_hardly_help_is_said_where_their_start_takes_much_of_the_time(
    run: Run,
) -> None:
    def told(seconds: float, workers: int | None, *candidates: Candidate) -> str:
        clock = Clock(seconds, lambda: 0.0)
        return told_of_sharing(replace(run, clock=clock, workers=workers), candidates)

    assert told(35, 2, LINEAR, PROBE).startswith("--workers 2 in 35 s: each process takes about")
    assert not told(600, 2, LINEAR, PROBE)
    assert not told(UNLIMITED, 2, LINEAR, PROBE)
    assert not told(35, 1, LINEAR, PROBE)
    assert not told(35, None, LINEAR, PROBE)
    assert not told(35, 2, LINEAR), "without a checkpoint a process has started in a second or two"
