"""When a trial is stopped."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.core.contracts import Curve
from tunesmith.stoppers import stoppers
from tunesmith.stoppers._rungs import crossed, is_promoted, promoted, rungs
from tunesmith.stoppers.pasha import NEGLIGIBLE, _is_settled

GOOD = ((0.25, 0.5), (0.5, 0.7), (1.0, 0.8))


def good(count: int) -> list[Curve]:
    return [Curve(number, GOOD) for number in range(1, count + 1)]


def test_the_median_rule_stops_what_is_below_the_others_at_the_same_progress() -> None:
    assert not stoppers["median"].keeps([(0.25, 0.3), (0.5, 0.4)], good(3), 4)
    assert stoppers["median"].keeps([(0.25, 0.3), (0.5, 0.65)], good(3), 4)


def test_it_does_not_compare_an_early_score_with_late_ones() -> None:
    assert stoppers["median"].keeps([(0.25, 0.55)], good(3), 4)


def test_it_does_not_compare_with_those_that_were_stopped() -> None:
    stopped = [Curve(number, GOOD, was_stopped=True) for number in range(3)]
    assert stoppers["median"].keeps([(0.25, 0.3)], stopped, 4)


@pytest.mark.parametrize("name", list(stoppers))
def test_nothing_is_stopped_before_there_is_enough_to_compare(name: str) -> None:
    assert stoppers[name].keeps([(0.5, -1.0)], good(1), 2)
    assert stoppers[name].keeps([], good(5), 6)


def test_none_stops_nothing() -> None:
    assert stoppers["none"].keeps([(0.9, -100.0)], good(9), 10)


def run(name: str, curves: list[list[tuple[float, float]]]) -> list[Curve]:
    """Trials one after the other, each as far as the stopper lets it."""
    ended: list[Curve] = []
    for number, whole in enumerate(curves, start=1):
        points: list[tuple[float, float]] = []
        for point in whole:
            points.append(point)
            if not stoppers[name].keeps(points, ended, number):
                break
        ended.append(Curve(number, tuple(points), len(points) < len(whole)))
    return ended


def made(count: int, seed: int = 0) -> list[list[tuple[float, float]]]:
    """Curves that rise to an end of their own, in epochs of a ninth."""
    ends = np.random.default_rng(seed).uniform(0.5, 0.9, size=count)
    return [[(i / 9, float(end * (1 - 0.5 ** (1 + i)))) for i in range(1, 10)] for end in ends]


@pytest.mark.parametrize("name", ["asha", "hyperband", "pasha"])
def test_rungs_save_most_of_the_work_and_find_one_of_the_best(name: str) -> None:
    curves = made(40)
    ended = run(name, curves)
    spent = sum(len(curve.points) for curve in ended) / sum(map(len, curves))
    assert spent < {"asha": 0.5, "hyperband": 0.8, "pasha": 0.5}[name]
    kept = [curves[c.number - 1][-1][1] for c in ended if len(c.points) >= 3]
    ranked = sorted((whole[-1][1] for whole in curves), reverse=True)
    assert max(kept) >= ranked[4]


def test_asha_keeps_a_third_at_a_rung() -> None:
    others = [Curve(n, ((1 / 9, 0.1 * n), (1.0, 0.1 * n))) for n in range(1, 9)]
    assert stoppers["asha"].keeps([(1 / 9, 0.65)], others, 9)
    assert not stoppers["asha"].keeps([(1 / 9, 0.55)], others, 9)
    assert stoppers["asha"].keeps([(1 / 9, 0.65), (2 / 9, 0.1)], others, 9), "between rungs"


def test_pasha_runs_nobody_longer_than_the_order_needs_to_settle() -> None:
    steady = [[(i / 9, 0.1 * n + 0.01 * i) for i in range(1, 10)] for n in range(40)]
    assert max(len(one.points) for one in run("pasha", steady)[6:]) <= 3
    dice = np.random.default_rng(0)
    chaos = [[(i / 9, float(dice.random())) for i in range(1, 10)] for _ in range(40)]
    assert max(len(one.points) for one in run("pasha", chaos)[6:]) == 9


def test_hyperband_lets_one_bracket_in_three_run_through() -> None:
    ended = run("hyperband", made(30))
    whole = [one.number for one in ended if not one.was_stopped]
    assert {2, 5, 8} <= set(whole)


@pytest.mark.parametrize("seed", range(5))
def test_who_is_promoted_is_who_would_go_on_against_all_others(seed: int) -> None:
    dice, marks = np.random.default_rng(seed), rungs()
    curves = []
    for number in range(90):
        reached = int(dice.integers(1, 10))
        scores = dice.integers(0, 12, size=reached) / 12  # some are equal
        points = tuple((step / 9, float(s)) for step, s in enumerate(scores, start=1))
        curves.append(Curve(number, points, bool(dice.random() < 0.7)))
    found = []
    for one in curves:
        at = crossed(one.points, marks) if one.was_stopped else []
        others = [other for other in curves if other is not one]
        if at and all(is_promoted(one.points, others, mark) for mark in at):
            found.append((at[-1], max(score for _, score in one.points), -one.number))
    assert found, "nobody would show anything"
    assert promoted(curves, marks) == -max(found)[2]


@pytest.mark.parametrize("seed", range(20))
def test_an_order_is_settled_where_no_two_change_places(seed: int) -> None:
    dice = np.random.default_rng(seed)
    first = dice.uniform(0, 1, size=12)
    scores = [(float(f), float(f + dice.normal(0, 0.02))) for f in first]
    changed = any(
        one[0] > other[0] + NEGLIGIBLE and one[1] < other[1] - NEGLIGIBLE
        for one in scores
        for other in scores
    )
    assert _is_settled(scores) is not changed
