"""Fits side by side: in their order, with one thread each, and over when one fails."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError
from tunesmith.learners._beside import Pace, in_threads, most_threads, threads


def pace(
    seconds: float = float("inf"), *, folds: int = 4, beside: int = 2, ends: bool = False
) -> Pace:
    return Pace(Clock(seconds, lambda: 0.0), folds, beside, ends_in_time=ends)


def test_answers_are_in_order_and_each_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.learners._beside.cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    meet = threading.Barrier(2, timeout=10)

    def call(number: int) -> tuple[int, int]:
        meet.wait()  # two are under way at once
        return number, threads()

    assert in_threads(call, range(4), 2, pace().halt) == [(n, 1) for n in range(4)]
    assert threads() == most_threads() == 6
    assert in_threads(lambda n: threads(), range(2), 1, pace().halt) == [6, 6]


def test_one_that_fails_ends_the_others() -> None:
    own, begun = pace(folds=6), []

    def call(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise ValueError("of the first")
        clock = own.clock(number)
        while not clock.is_over():  # it has no deadline of its own
            pass
        return number

    with pytest.raises(ValueError, match="of the first"):
        in_threads(call, range(6), 2, own.halt)
    assert len(begun) < 6


def test_each_gets_a_share_so_that_all_end_in_time() -> None:
    assert pace(104.0).clock(3).left() == pytest.approx(104.0)
    assert pace(100.0).clock(0).left() == pytest.approx(68.0)
    assert pace(100.0, folds=5, beside=1).clock(2).left() == pytest.approx(1.3 * 100 / 3)
    assert pace(100.0, ends=True).clock(2).left() == pytest.approx(100.0)
    assert pace(100.0, folds=5, beside=1, ends=True).clock(1).left() == pytest.approx(25.0)
    assert not pace().clock(0).has_deadline()


def test_who_cannot_end_in_time_is_told_before_it_begins() -> None:
    ticks = count()
    late = Clock(10.0, lambda: float(4 * next(ticks)))
    with pytest.raises(BudgetError, match="1 of 4 folds took"):
        Pace(late, 4, 1, ends_in_time=False).clock(1)
    ticks = count()
    assert Pace(Clock(10.0, late.now), 4, 1, ends_in_time=True).clock(1).has_deadline()
