import math

from tunesmith.core.clock import Clock


class Hand:
    """A clock hand that the test moves."""

    def __init__(self, at: float = 100.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def test_time_goes_from_the_start_to_the_deadline_and_never_below_zero():
    hand = Hand()
    clock = Clock(10.0, hand)
    seen = []
    for hand.at in (100.0, 104.0, 110.0, 125.0):
        seen.append((clock.elapsed(), clock.left(), clock.is_over()))
    assert seen == [(0, 10, False), (4, 6, False), (10, 0, True), (25, 0, True)]


def test_a_clock_without_a_limit_is_never_over():
    hand = Hand()
    clock = Clock(now=hand)
    hand.at = 1e12
    assert not clock.is_over()
    assert clock.left() == math.inf
    assert not clock.has_deadline()
    assert Clock(5.0).has_deadline()


def test_a_reserve_moves_the_deadline_but_not_the_start():
    hand = Hand()
    clock = Clock(10.0, hand)
    hand.at = 103.0
    early = clock.until(4.0)
    assert early.elapsed() == clock.elapsed() == 3.0
    assert early.left() == 3.0
    assert clock.left() == 7.0


def test_a_reserve_of_no_deadline_is_no_deadline():
    assert not Clock().until(30.0).has_deadline()


def test_a_start_before_zero_is_kept():
    """A resumed fit began earlier than the machine was switched on."""
    hand = Hand(60.0)
    clock = Clock(4000.0, hand, start=60.0 - 3600.0)
    assert clock.elapsed() == 3600.0
    assert clock.until(100.0).left() == 300.0


def test_the_real_clock_runs_forward():
    clock = Clock()
    assert 0 <= clock.elapsed() <= clock.elapsed() < 60


def test_a_share_is_an_equal_part_of_what_is_left():
    hand = Hand()
    clock = Clock(10.0, hand)
    hand.at = 104.0
    part = clock.share(3)
    assert part.left() == 2
    hand.at = 107.0
    assert part.is_over()
    assert clock.share(2).left() == 1.5
    assert not Clock(now=hand).share(2).has_deadline()
