"""Whether processes side by side are worth their start in the time there is."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.records import Candidate
from tunesmith.nn.devices import share_of_threads, threads
from tunesmith.pipeline.run import Run

START_SECONDS = 5.0
"""What a process takes to start, to import torch and to open a small checkpoint. Measured: 4.6 to
5.9 s on two cores, alone or beside another that does the same."""
MOST_START_SHARE = 0.08
"""Of the time left, what that may take before several processes do hardly more than one. Measured
on 2,000 reviews and two cores: in 60 s two came to the same probe as one in 35 s, since the first
pass over the rows is made by one of them with half of the threads, and the rest hangs on it."""


def told_of_sharing(run: Run, candidates: Sequence[Candidate]) -> str:
    """Why several processes will hardly help, in a sentence; empty where they may, or where no
    trial opens a checkpoint."""
    if not run.workers or run.workers < 2 or not run.clock.has_deadline():
        return ""
    if not any(candidate.config.get("backbone") for candidate in candidates):
        return ""
    if MOST_START_SHARE * run.clock.left() >= START_SECONDS:
        return ""
    each, here = share_of_threads(run.workers), threads()
    fewer = f", and reads the rows with {each} of {here} threads" if each < here else ""
    return (
        f"--workers {run.workers} in {run.clock.limit_seconds:.0f} s: each process takes about "
        f"{START_SECONDS:.0f} s to start, to import torch and to open a checkpoint{fewer}; in so "
        "little time one process alone comes as far or further"
    )
