"""Jobs in processes side by side; one that is lost costs its job alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from run_jobs import PATIENCE_SECONDS, Trying

from tunesmith.run import runners

Told = list[tuple[str, Mapping[str, Any]]]


def run(jobs: Iterator[str | None], work: Trying, places: int = 2) -> tuple[list[str], Told]:
    told: Told = []
    results = runners["processes"].run(
        jobs, work, lambda kind, facts: told.append((kind, facts)), places
    )
    return sorted(results), told


def test_two_are_at_work_at_a_time_and_tell_what_happens(tmp_path: Path) -> None:
    done, told = run(iter(["meet 1", "meet 2", "more"]), Trying(tmp_path))
    assert done == ["meet 1 done", "meet 2 done", "more done"]
    assert sorted(facts["job"] for _, facts in told) == ["meet 1", "meet 2", "more"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert all(2 * int(facts["threads"]) <= max(2, cores or 1) for _, facts in told)


def test_a_process_that_is_lost_costs_its_job_alone(tmp_path: Path) -> None:
    done, _ = run(iter(["die", "a", "leave", "b", "c"]), Trying(tmp_path))
    assert [one for one in done if "lost" not in one] == ["a done", "b done", "c done"]
    assert "die lost: its process was killed (SIGKILL), as a system does" in done[3]
    assert done[4] == "leave lost: its process ended by itself, with exit status 3"


def test_who_hangs_is_ended_and_the_rest_goes_on(tmp_path: Path) -> None:
    done, _ = run(iter(["hang", "a", "b"]), Trying(tmp_path, limit=1.0))
    assert done[:2] == ["a done", "b done"]
    assert done[2].startswith("hang lost: it was still at work after")
    assert not is_alive(int((tmp_path / "hanging").read_text()))


def test_what_a_process_needs_to_begin_is_no_part_of_a_job(tmp_path: Path) -> None:
    done, _ = run(iter(["a", "b"]), Trying(tmp_path, limit=0.8, begin_seconds=1.5))
    assert done == ["a done", "b done"]


def test_who_was_ready_in_time_does_not_hang_however_late_it_is_heard(tmp_path: Path) -> None:
    def jobs() -> Iterator[str]:
        yield "a"
        time.sleep(3.0)  # whoever draws the next has much to think of
        yield "b"

    done, _ = run(jobs(), Trying(tmp_path, limit=1.0))
    assert done == ["a done", "b done"]


def test_a_job_that_waits_for_another_is_drawn_when_that_has_ended(tmp_path: Path) -> None:
    drawn: list[str] = []
    told: Told = []

    def jobs() -> Iterator[str | None]:
        yield "first"
        while not drawn:
            yield None
        yield "second"

    work = Trying(tmp_path)
    results = runners["processes"].run(jobs(), work, lambda k, f: told.append((k, f)), 2)
    drawn.append(next(results))
    drawn.extend(results)
    assert drawn == ["first done", "second done"]


def test_nobody_goes_on_working_for_who_was_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom run_jobs import Trying\n"
        "from tunesmith.run import runners\n"
        f"work = Trying(Path({str(tmp_path)!r}))\n"
        "list(runners['processes'].run(iter(['hang']), work, lambda k, f: None, 1))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen([sys.executable, "-c", code], env=env)
    file = tmp_path / "hanging"
    wait(lambda: file.is_file() and bool(file.read_text()))
    pid = int(file.read_text())
    assert is_alive(pid)
    started.send_signal(signal.SIGKILL)
    started.wait()
    wait(lambda: not is_alive(pid))
    assert not is_alive(pid)


def wait(is_so: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet cleared away does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not stat.is_file() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
