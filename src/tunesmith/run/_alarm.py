"""A call that is interrupted where it takes too long: by a signal of the system's clock."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tunesmith.core.contracts import Overdue

T = TypeVar("T")

AGAIN_SECONDS = 5.0
"""Until it is interrupted once more, where the first was swallowed on the way."""
SOON_SECONDS = 0.001
LONGEST_SECONDS = 1e8
"""Three years: what a system's clock can be set to."""
_OPEN = float("inf")


def can_interrupt() -> bool:
    """Whether this thread can be: Python answers signals in the main thread alone, and Windows has
    none of this kind."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def within(seconds: float, call: Callable[[], T]) -> T:
    """What a call gives. Where this thread cannot be interrupted it may take as long as it likes;
    and a function of a library that does not come back to Python is only interrupted when it does.

    Raises:
        Overdue: In the call, after so many seconds.
    """
    if seconds > LONGEST_SECONDS or not can_interrupt():
        return call()
    alarm = _Alarm(time.monotonic() + seconds)
    try:
        try:
            alarm.set()
            return call()
        finally:
            alarm.end = _OPEN  # it may be interrupted right before this line,
    finally:
        alarm.end = _OPEN  # but not twice at once
        alarm.clear()


class _Alarm:
    """This process' timer until `end`, in seconds of time.monotonic. Who has set it before is still
    called when due, and has it back afterwards."""

    def __init__(self, end: float) -> None:
        self.end = end
        self._outer: Any = signal.SIG_DFL
        self._outer_end, self._outer_again = _OPEN, 0.0

    def set(self) -> None:
        left, self._outer_again = signal.setitimer(signal.ITIMER_REAL, 0)
        if left:
            self._outer_end = time.monotonic() + left
        self._outer = signal.signal(signal.SIGALRM, self._ring)
        self._wind()

    def _wind(self) -> None:
        left = min(self.end, self._outer_end) - time.monotonic()
        if left < _OPEN:
            signal.setitimer(signal.ITIMER_REAL, max(SOON_SECONDS, left), AGAIN_SECONDS)

    def _ring(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if now >= self._outer_end:
            self._outer_end = now + self._outer_again if self._outer_again else _OPEN
            self._wind()
            if callable(self._outer):
                self._outer(number, frame)
            elif self._outer == signal.SIG_DFL:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.raise_signal(signal.SIGALRM)
        elif now >= self.end:
            raise Overdue
        else:
            self._wind()  # it was a little early

    def clear(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if self._outer is None else self._outer)
        if self._outer_end != _OPEN:
            left = max(SOON_SECONDS, self._outer_end - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left, self._outer_again)
