"""In processes of their own on this machine, several jobs at a time."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic

from tunesmith.core.contracts import J, R, Runner, Tell, Work
from tunesmith.nn.devices import shares
from tunesmith.run._shelf import runners
from tunesmith.run._wire import receive, send
from tunesmith.run._worker import BEGUN, EVENT, RESULT

GONE = "gone"
LOOK_SECONDS = 0.5
"""Between looks at who is over its time."""
END_SECONDS = 2.0
START_SECONDS = 60.0
"""What a process may take until it begins its job, beside the job's own time: disks can be slow."""


@runners.add("processes")
class Processes(Runner):
    """Fresh interpreters, not copies of this one: threads and devices are divided among them before
    they load a library. One that is killed, or hangs, costs its job alone; another takes its place.
    """

    def run(
        self, jobs: Iterator[J | None], work: Work[J, R], tell: Tell, places: int
    ) -> Iterator[R]:
        crew = _Crew(work, shares(places))
        try:
            yield from crew.run(jobs, tell)
        finally:
            crew.end()


@dataclass(eq=False)
class _Worker(Generic[J]):
    """One process, and what it is at: `since` it has the job, or has begun it."""

    place: int
    process: subprocess.Popen[bytes]
    job: J | None = None
    since: float = 0.0
    has_begun: bool = False

    def seconds(self) -> float:
        """How long it has been at its job."""
        return time.monotonic() - self.since

    def give(self, job: J) -> bool:
        """Hand it a job, which is its own from now on; False where it is gone."""
        self.job, self.since, self.has_begun = job, time.monotonic(), False
        try:
            send(self.process.stdin, job)  # type: ignore[arg-type]
        except OSError:
            return False
        return True


@dataclass
class _Crew(Generic[J, R]):
    """The processes: each has an environment of `shares`, and a thread here that listens to it."""

    work: Work[J, R]
    shares: list[dict[str, str]]
    workers: list[_Worker[J]] = field(default_factory=list)
    heard: queue.Queue[tuple[_Worker[J], str, Any]] = field(default_factory=queue.Queue)

    def run(self, jobs: Iterator[J | None], tell: Tell) -> Iterator[R]:
        has_more = True
        while True:
            while has_more and self._has_place():
                try:
                    job = next(jobs)
                except StopIteration:
                    has_more = False
                    break
                if job is None:
                    break
                self._give(job)
            if all(worker.job is None for worker in self.workers):
                if not has_more:
                    return
                raise RuntimeError("nothing is under way that could be waited for")
            yield from self._news(tell)

    def _busy(self) -> Iterator[_Worker[J]]:
        return (worker for worker in self.workers if worker.job is not None)

    def _has_place(self) -> bool:
        return sum(1 for _ in self._busy()) < len(self.shares)

    def _give(self, job: J) -> None:
        idle = [worker for worker in self.workers if worker.job is None]
        for worker in idle:
            if worker.give(job):
                return
            self.workers.remove(worker)
        self._started().give(job)  # where that is gone at once, its job is lost with it

    def _started(self) -> _Worker[J]:
        """One more process, in a place that is free."""
        place = min(set(range(len(self.shares))) - {worker.place for worker in self.workers})
        process = subprocess.Popen(
            [sys.executable, "-m", "tunesmith.run._worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self.shares[place]},
        )
        worker: _Worker[J] = _Worker(place, process)
        self.workers.append(worker)
        with contextlib.suppress(OSError):  # who is gone at once is heard of
            send(process.stdin, sys.path)  # type: ignore[arg-type]
            send(process.stdin, self.work)  # type: ignore[arg-type]
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Worker[J]) -> None:
        try:
            while True:
                kind, told = receive(worker.process.stdout)  # type: ignore[arg-type]
                if kind == BEGUN:
                    worker.since, worker.has_begun = time.monotonic(), True
                else:
                    self.heard.put((worker, kind, told))
        except (EOFError, OSError):
            return
        finally:  # also where a message cannot be understood: nobody waits for this one
            self.heard.put((worker, GONE, None))

    def _news(self, tell: Tell) -> Iterator[R]:
        """Who hangs, unless something waits to be heard (they may be ready), and what is heard."""
        if self.heard.empty():
            yield from self._hanging()
        try:
            worker, kind, told = self.heard.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return
        if worker not in self.workers:
            return  # its last words, after it was given up
        if kind == EVENT:
            tell(*told)
        elif kind == RESULT:
            worker.job = None
            yield told
        else:
            self.workers.remove(worker)
            if worker.job is not None:
                yield self.work.lost(worker.job, _how(_ended(worker.process)), worker.seconds())

    def _hanging(self) -> Iterator[R]:
        for worker in list(self._busy()):
            assert worker.job is not None
            most = self.work.limit_seconds(worker.job)
            if worker.seconds() > most + (0.0 if worker.has_begun else START_SECONDS):
                self.workers.remove(worker)
                worker.process.kill()
                yield self.work.hung(worker.job, worker.seconds())

    def end(self) -> None:
        """Leave nobody behind: who is at work is ended, the idle are told that it is over."""
        for worker in self.workers:
            if worker.job is not None:
                worker.process.kill()
            with contextlib.suppress(OSError):
                worker.process.stdin.close()  # type: ignore[union-attr]
        for worker in self.workers:
            _ended(worker.process)
        self.workers.clear()


def _ended(process: subprocess.Popen[bytes]) -> int:
    """The status of a process that is about to end; one that does not is killed."""
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _how(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"its process ended by itself, with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    short = ", as a system does that is short of memory" if name == "SIGKILL" else ""
    return f"its process was killed ({name}){short}"
