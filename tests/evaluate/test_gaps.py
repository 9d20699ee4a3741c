"""Gaps have the intervals of the literature, and p-values that chance alone leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.evaluate.gaps import compared, corrected, wilson


def test_the_interval_is_that_of_newcombes_example() -> None:
    """56 of 70 against 48 of 80: table II of the paper, method 10."""
    losses = np.concatenate([np.ones(56), np.zeros(14), np.ones(48), np.zeros(32)])
    found = compared(losses, np.arange(150) < 70, is_binary=True, level=0.95)
    assert found.gap == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_wilsons_interval_stays_between_zero_and_one() -> None:
    assert wilson(0, 20, 0.95) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(20, 20, 0.95) == pytest.approx((0.8389, 1.0), abs=1e-4)


def test_few_large_losses_are_no_gap_and_many_larger_ones_are() -> None:
    dice = np.random.default_rng(0)
    losses, inside = dice.exponential(size=400), np.arange(400) < 60
    one = losses.copy()
    one[:2] += 100
    assert compared(one, inside, is_binary=False, level=0.95).p > 0.05
    assert compared(losses + inside, inside, is_binary=False, level=0.95).p < 1e-6


def test_of_one_row_nothing_can_be_told() -> None:
    assert compared(np.ones(5), np.arange(5) < 1, is_binary=True, level=0.95).p == 1


def test_p_values_are_corrected_as_holm_does() -> None:
    assert corrected([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert corrected([]) == []
