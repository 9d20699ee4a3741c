"""What drawings show of numbers at the ends of what they can be."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.report import pictures


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.0, 1.0], (0.9, 1.03)),
        ([0.0, 0.0], (-0.03, 0.1)),
        ([np.nan, np.nan], (-0.1, 1.1)),
        ([0.0, 40.0], (-5.0, 45.0)),
    ],
)
def test_an_axis_of_shares_shows_none_below_0_or_above_1(
    values: list[float], shown: tuple[float, float]
):
    figure = pytest.importorskip("matplotlib.figure")
    axes = figure.Figure().add_subplot()
    draw = pictures.lines(
        np.array([0.0, 1.0]), {"wrong": np.array(values)}, across="", up="", mark=None, at=""
    )
    draw(axes)
    low, high = axes.get_ylim()
    numbers = np.nan_to_num(values)
    assert shown[0] < low <= numbers.min()
    assert numbers.max() <= high < shown[1]
