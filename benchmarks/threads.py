"""The step of fine-tuning MiniLM-L6 by number of threads and by how idle threads wait, alone and
beside a busy process. Every way is a process of its own; they take their steps in turn, the others
stopped meanwhile. Prints the median seconds of a step.

    python benchmarks/threads.py [--steps 5]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time

POLICIES = ("PASSIVE", "ACTIVE", "")
"""Of `OMP_WAIT_POLICY`; the empty one is OpenMP's own."""


def work() -> None:
    """Take a step whenever a line comes, and say its seconds."""
    import torch  # before tunesmith, which sets the policy that it wants

    torch.set_num_threads(int(os.environ["TUNESMITH_THREADS"]))
    from _reviews import reviews
    from step import FIXED, ours

    rows, truth = reviews(256, FIXED)
    steps = ours(rows, truth, os.environ["TUNESMITH_PRECISION"])
    next(steps)
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        next(steps)
        print(time.perf_counter() - began, flush=True)


class Worker:
    """A process that takes steps, stopped between them."""

    def __init__(self, policy: str, threads: int, precision: str) -> None:
        env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        env |= {"OMP_WAIT_POLICY": policy} if policy else {}
        env |= {"TUNESMITH_THREADS": str(threads), "TUNESMITH_PRECISION": precision}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--work"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read()
        self._process.send_signal(signal.SIGSTOP)

    def _read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended; run `python benchmarks/step.py` to see why")
        return line

    def step(self) -> float:
        assert self._process.stdin
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds = float(self._read())
        self._process.send_signal(signal.SIGSTOP)
        return seconds

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work()
        return
    from tunesmith.nn import devices, machine

    precision = devices.precision()
    ways = [(policy, n) for n in sorted({1, machine.cores()}) for policy in POLICIES]
    workers = {way: Worker(*way, precision) for way in ways}
    try:
        print(f"{precision}, {machine.cores()} cores")
        measure(workers, asked.steps, "alone")
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            measure(workers, asked.steps, "beside a busy process")
        finally:
            neighbour.kill()
            neighbour.wait()
    finally:
        for worker in workers.values():
            worker.end()


def measure(workers: dict[tuple[str, int], Worker], steps: int, beside: str) -> None:
    rounds = [{way: worker.step() for way, worker in workers.items()} for _ in range(steps)]
    for policy, threads in workers:
        seconds = [one[policy, threads] for one in rounds]
        ratios = [one["PASSIVE", 1] / one[policy, threads] for one in rounds]
        print(
            f"{beside}, {threads} threads, {policy or 'no policy'}: "
            f"{statistics.median(seconds):.2f} s, {statistics.median(ratios):.2f} of one, passive"
        )


if __name__ == "__main__":
    main()
