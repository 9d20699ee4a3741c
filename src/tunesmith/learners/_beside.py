"""Fits side by side in threads: libraries of compiled code compute outside of Python's lock, and a
small table is fitted sooner by several of them with one thread each than by one with several, which
wait for one another at every step."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.nn.machine import cores

T = TypeVar("T")
LOADING_SECONDS, LOADING_SHARE = 3.0, 0.1
"""What the first may take beside its share, and of all the time: it loads libraries as well."""
MORE = 1.3
"""Of an even share of what is left, what each may take that would otherwise be given up."""
_here = threading.local()


def threads() -> int:
    """How many a library computes with: one where others are fitted beside, else as many as this
    process has."""
    return 1 if getattr(_here, "is_beside", False) else most_threads()


def most_threads() -> int:
    """Threads of this process: TUNESMITH_THREADS or OMP_NUM_THREADS where set, else one for each
    core."""
    for name in ("TUNESMITH_THREADS", "OMP_NUM_THREADS"):
        told = os.environ.get(name, "").split(",")[0].strip()
        if told.isdecimal() and int(told):
            return min(int(told), cores())
    return cores()


def in_threads(
    call: Callable[[int], T], numbers: Sequence[int], beside: int, halt: Callable[[], None]
) -> list[T]:
    """What a call gives for each number, so many side by side, in their order. Where one fails, or
    this thread is interrupted, `halt` is called, the others are waited for, and no more are begun.
    """
    if beside == 1:
        return [call(number) for number in numbers]

    def alone(number: int) -> T:
        with beside_others():
            return call(number)

    with ThreadPoolExecutor(beside) as pool:
        futures = [pool.submit(alone, number) for number in numbers]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if not all(future.done() for future in futures):
                halt()
                pool.shutdown(wait=False, cancel_futures=True)
    failed = next((f for f in futures if not f.cancelled() and f.exception()), None)
    if failed is not None:
        failed.result()
    return [future.result() for future in futures]


@contextlib.contextmanager
def beside_others() -> Iterator[None]:
    """Let libraries compute with one thread, as for what is done beside others or is small."""
    before = getattr(_here, "is_beside", False)
    _here.is_beside = True
    try:
        yield
    finally:
        _here.is_beside = before


class Pace:
    """How long each of `count` fits may take, `beside` at a time, so that all end in time. Those of
    a learner that ends in its time get even shares, and never too little to begin."""

    def __init__(self, clock: Clock, count: int, beside: int, *, ends_in_time: bool) -> None:
        self._clock, self._count, self._beside = clock, count, beside
        self._ends_in_time = ends_in_time
        self._began = clock.elapsed()
        self._halted = threading.Event()

    def halt(self) -> None:
        """Let the time of all be over."""
        self._halted.set()

    def clock(self, number: int) -> Clock:
        """That of one fit, which begins now.

        Raises:
            BudgetError: By what those before it took, not all would be fitted in time.
        """
        if not self._clock.has_deadline():
            return Clock(self._clock.limit_seconds, self._now)
        left, took = self._clock.left(), self._clock.elapsed() - self._began
        rounds = -(-(self._count - number) // self._beside)
        is_late = number >= self._beside and took * self._beside / number > left
        if is_late and not self._ends_in_time:
            raise BudgetError(
                f"{number} of {self._count} folds took {took:.0f} s, {left:.0f} s are left"
            )
        share = left * min(1.0, (1.0 if self._ends_in_time else MORE) / rounds)
        if number < self._beside:
            share = min(left, share + min(LOADING_SECONDS, LOADING_SHARE * left))
        return Clock(share, self._now)

    def _now(self) -> float:
        return float("inf") if self._halted.is_set() else self._clock.now()
