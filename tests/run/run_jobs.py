"""Work for the tests of runners, in a module that another process can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.contracts import Tell, Work

PATIENCE_SECONDS = 60.0


class Doubling(Work[int, int]):
    def do(self, job: int, tell: Tell) -> int:
        tell("doubling", {"job": job})
        return 2 * job

    def lost(self, job: int, reason: str, seconds: float) -> int:
        raise AssertionError(reason)


@dataclass
class Trying(Work[str, str]):
    """Does what its jobs say, in a folder that all share."""

    folder: Path
    limit: float = float("inf")
    has_begun: bool = False
    begin_seconds: float = 0.0

    def begin(self) -> None:
        time.sleep(self.begin_seconds)
        self.has_begun = True

    def do(self, job: str, tell: Tell) -> str:
        print("a library that prints")
        if job == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "leave":
            os._exit(3)
        if job == "hang":
            (self.folder / "hanging").write_text(str(os.getpid()))
            time.sleep(PATIENCE_SECONDS)
        if job.startswith("meet"):
            self._meet(job)
        tell("worked", {"job": job, "threads": os.environ.get("OMP_NUM_THREADS")})
        return f"{job} done" if self.has_begun else f"{job} not begun"

    def _meet(self, job: str) -> None:
        """Wait until the other one is at work as well."""
        (self.folder / job).touch()
        end = time.monotonic() + PATIENCE_SECONDS
        while len(list(self.folder.glob("meet*"))) < 2 and time.monotonic() < end:
            time.sleep(0.01)

    def lost(self, job: str, reason: str, seconds: float) -> str:
        return f"{job} lost: {reason}"

    def limit_seconds(self, job: str) -> float:
        return self.limit
