"""Trials run one after the other, each drawn when the one before has ended."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.core.records import Result, Trial
from tunesmith.run import runners


def test_a_trial_is_drawn_only_after_the_result_before() -> None:
    told: list[str] = []

    def trials() -> Iterator[Trial]:
        for number in (1, 2):
            told.append(f"drawn {number}")
            yield Trial(number, "majority", {}, "", 0)

    def work(trial: Trial) -> Result:
        told.append(f"worked {trial.number}")
        return Result(trial, "done")

    told_after = runners["here"].run(trials(), work)
    told.append(f"seen {next(told_after).trial.number}")
    told.append(f"seen {next(told_after).trial.number}")
    assert told == ["drawn 1", "worked 1", "seen 1", "drawn 2", "worked 2", "seen 2"]
