"""Jobs run one after the other, each drawn when the one before has ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from run_jobs import Doubling

from tunesmith.run import runners


def test_a_job_is_drawn_only_after_the_one_before() -> None:
    told: list[str] = []

    def jobs() -> Iterator[int | None]:
        for number in (1, 2):
            told.append(f"drawn {number}")
            yield number

    results = runners["here"].run(jobs(), Doubling(), lambda kind, facts: told.append(kind), 1)
    told.append(f"seen {next(results)}")
    told.append(f"seen {next(results)}")
    assert told == ["drawn 1", "doubling", "seen 2", "drawn 2", "doubling", "seen 4"]


@pytest.mark.parametrize("name", ["here", "processes"])
def test_waiting_for_nobody_is_an_error_and_no_endless_wait(name: str) -> None:
    with pytest.raises(RuntimeError, match="nothing is under way"):
        list(runners[name].run(iter([None]), Doubling(), lambda kind, facts: None, 2))
