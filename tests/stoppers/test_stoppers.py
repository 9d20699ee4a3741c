"""When a trial is stopped."""

from __future__ import annotations

import pytest

from tunesmith.stoppers import stoppers

GOOD = [(0.25, 0.5), (0.5, 0.7), (1.0, 0.8)]


def test_the_median_rule_stops_what_is_below_the_others_at_the_same_progress() -> None:
    finished = [GOOD, GOOD, GOOD]
    assert not stoppers["median"].keeps([(0.25, 0.3), (0.5, 0.4)], finished)
    assert stoppers["median"].keeps([(0.25, 0.3), (0.5, 0.65)], finished)


def test_it_does_not_compare_an_early_score_with_late_ones() -> None:
    assert stoppers["median"].keeps([(0.25, 0.55)], [GOOD, GOOD, GOOD])


@pytest.mark.parametrize("name", list(stoppers))
def test_nothing_is_stopped_before_there_is_enough_to_compare(name: str) -> None:
    assert stoppers[name].keeps([(0.5, -1.0)], [GOOD, GOOD])
    assert stoppers[name].keeps([], [GOOD] * 5)


def test_none_stops_nothing() -> None:
    assert stoppers["none"].keeps([(0.9, -100.0)], [GOOD] * 9)
