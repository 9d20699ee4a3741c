import json

import numpy as np
import pytest

from tunesmith.modalities.date import Date


def fit_and_turn(train, values):
    state = json.loads(json.dumps(Date().fit(np.array(train, "datetime64[s]")), allow_nan=False))
    return Date().transform(np.array(values, "datetime64[s]"), state)


def test_the_first_number_grows_evenly_with_time():
    days = ["2020-01-01", "2020-01-02", "2020-01-03"]
    along = fit_and_turn(days, days)[:, 0]
    assert along.tolist() == pytest.approx([-(1.5**0.5), 0.0, 1.5**0.5], abs=1e-5)


def test_the_same_day_of_the_year_is_the_same_season():
    turned = fit_and_turn(["2000-01-01", "2030-01-01"], ["2001-07-04", "2021-07-04", "2021-01-04"])
    season = turned[:, 1:3]
    assert np.linalg.norm(season[0] - season[1]) < 0.05
    assert np.linalg.norm(season[0] - season[2]) > 1.9


def test_the_weekday_is_the_same_all_day_and_every_week():
    turned = fit_and_turn(
        ["2000-01-01", "2030-01-01"],
        ["2024-05-06T00:00:01", "2024-05-06T23:59:59", "2024-05-13", "2024-05-07"],
    )
    week = turned[:, 3:5]
    assert np.allclose(week[0], week[1], atol=1e-4)
    assert np.allclose(week[0], week[2], atol=1e-4)
    assert np.linalg.norm(week[0] - week[3]) > 0.5
    assert np.allclose(np.linalg.norm(week, axis=1), 1.0, atol=1e-5)


def test_a_missing_date_is_a_mark_and_nothing_else():
    turned = fit_and_turn(["2020-01-01", "NaT", "2021-01-01"], ["NaT", "2020-01-01"])
    assert turned[0].tolist() == [0, 0, 0, 0, 0, 1]
    assert turned[1, 5] == 0
    assert turned.dtype == np.float32


@pytest.mark.parametrize("train", [["2020-01-01"], ["NaT"], []])
def test_a_column_that_tells_nothing_gives_finite_numbers(train):
    turned = fit_and_turn(train, ["2020-01-01", "NaT", "1950-06-30"])
    assert turned.shape == (3, 6)
    assert np.isfinite(turned).all()
    assert np.abs(turned).max() <= 8
