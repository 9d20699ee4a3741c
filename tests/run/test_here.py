"""Jobs run one after the other, each drawn when the one before has ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_jobs import PATIENCE_SECONDS, Doubling, Trying

from tunesmith.core.contracts import Overdue
from tunesmith.run import _alarm, runners
from tunesmith.run._alarm import can_interrupt, within


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


def run(jobs: list[str], work: Trying) -> list[str]:
    return list(runners["here"].run(iter(jobs), work, lambda kind, facts: None, 1))


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_who_hangs_is_interrupted_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = run(["a", "hang", "b"], Trying(tmp_path, limit=0.3, has_begun=True))
    assert found == ["a done", "hang lost: it was still at work after 0 s and was ended", "b done"]


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_the_timer_is_left_as_it_was_found(tmp_path: Path) -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 500.0, 7.0)
        run(["a", "hang"], Trying(tmp_path, limit=0.2))
        left, again = signal.setitimer(signal.ITIMER_REAL, 0.0)
        assert 0 < left <= 500.0
        assert again == 7.0
        assert not rung
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_who_has_set_the_timer_before_is_called_in_the_middle_of_a_job(tmp_path: Path) -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        found = run(["hang"], Trying(tmp_path, limit=0.4))
        assert rung == [signal.SIGALRM]
        assert "hang lost" in found[0]
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_the_inner_of_two_limits_ends_its_own_call_and_the_outer_still_comes() -> None:
    came: list[str] = []

    def inner() -> None:
        time.sleep(PATIENCE_SECONDS)

    def outer() -> None:
        with pytest.raises(Overdue):
            within(0.1, inner)
        came.append("inner")
        time.sleep(PATIENCE_SECONDS)

    with pytest.raises(Overdue):
        within(0.4, outer)
    came.append("outer")
    assert came == ["inner", "outer"]


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_an_interruption_that_was_swallowed_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_alarm, "AGAIN_SECONDS", 0.1)
    swallowed: list[bool] = []

    def stubborn() -> None:
        try:
            time.sleep(PATIENCE_SECONDS)
        except BaseException:
            swallowed.append(True)
        time.sleep(PATIENCE_SECONDS)

    with pytest.raises(Overdue):
        within(0.1, stubborn)
    assert swallowed == [True]


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_ctrl_c_reaches_a_job_that_has_a_limit(tmp_path: Path) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        pytest.skip("this process was started without Ctrl-C, as a shell's background jobs are")
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(["hang"], Trying(tmp_path, limit=PATIENCE_SECONDS))
    timer.join()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_outside_the_main_thread_there_is_no_limit_and_no_crash(tmp_path: Path) -> None:
    work = Trying(tmp_path, limit=0.0, has_begun=True)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(run(["a", "b"], work)))
    thread.start()
    thread.join()
    assert found == ["a done", "b done"]
