"""After how long a trial is taken to hang, and why then."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.core.clock import UNLIMITED
from tunesmith.core.records import Problem
from tunesmith.pipeline.results import Results

GRACE_SECONDS, GRACE_SHARE = 3.0, 0.1
"""How far a trial may go beyond the time it was given: at least so many seconds, or that share of
it."""
FIRST_GRACE_SECONDS = 60.0
"""At least, while there is no model: late is better than none."""
LEAST_SECONDS = 3600.0
SECONDS_A_ROW = 10.0
"""For each training row, where no time was given: about what a network of 300 million weights takes
for three epochs on two cores, so that nothing but a hang comes to it."""
TIMES_LONGEST = 20.0


@dataclass(frozen=True)
class Limit:
    """So many seconds, and where they come from, in words."""

    seconds: float = UNLIMITED
    reason: str = ""


def limit_of(problem: Problem, results: Results, learner: str, given_seconds: float) -> Limit:
    """The limit of a trial of a learner that was given so much time, infinite without a deadline:
    then only what trials have taken, and the rows, can tell."""
    if given_seconds < UNLIMITED:
        grace = max(GRACE_SECONDS, GRACE_SHARE * given_seconds)
        if not results.ranked():
            grace = max(grace, FIRST_GRACE_SECONDS)
        return Limit(given_seconds + grace, f"it was given {said(given_seconds)}")
    rows = len(problem.parts["train"])
    by_trials = TIMES_LONGEST * max(results.fit_seconds(learner)[-1:], default=0.0)
    by_rows = SECONDS_A_ROW * rows
    if by_trials > max(by_rows, LEAST_SECONDS):
        told = f"{TIMES_LONGEST:g} times the longest trial of this learner"
        return Limit(by_trials, told)
    if by_rows > LEAST_SECONDS:
        return Limit(by_rows, f"{SECONDS_A_ROW:g} s for each of {rows:,} training rows")
    return Limit(LEAST_SECONDS, "without a deadline no trial is ended sooner")


def said(seconds: float) -> str:
    """Seconds in words, short ones with a digit more."""
    return f"{seconds:,.1f} s" if seconds < 10 else f"{seconds:,.0f} s"
