"""What stands for frozen features in a table."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.learners import _projection
from tunesmith.learners._projection import Projection

ROWS, WIDTH = 300, 6


def features(seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return (dice.normal(size=(ROWS, 3)) @ dice.normal(size=(3, 40))).astype(np.float32)


@pytest.mark.parametrize(("classes", "answers"), [(0, 1), (2, 1), (3, 3), (21, 0)])
def test_a_row_becomes_components_and_an_answer_for_each_class(classes: int, answers: int) -> None:
    rows = features(0)
    truth = np.arange(ROWS) % classes if classes else rows[:, 0].astype(np.float64)
    found, own = Projection.fit(rows, truth, classes=classes, width=WIDTH, seed=0)
    assert own.shape == found.transform(rows).shape == (ROWS, WIDTH + answers)
    assert np.allclose(own[:, :WIDTH], found.transform(rows)[:, :WIDTH], atol=1e-4)


def test_the_answer_tells_a_target_that_the_features_hold() -> None:
    rows = features(1)
    found, own = Projection.fit(
        rows, 5 + rows[:, 0].astype(np.float64), classes=0, width=WIDTH, seed=0
    )
    assert np.corrcoef(own[:, -1], rows[:, 0])[0, 1] > 0.95
    assert found.transform(rows)[:, -1].mean() == pytest.approx(5 + rows[:, 0].mean(), abs=0.05)


def test_training_rows_are_answered_by_those_of_other_folds() -> None:
    """Of a target that is drawn by lot nothing can be known, however many features there are."""
    dice = np.random.default_rng(0)
    rows, truth = dice.normal(size=(ROWS, 500)).astype(np.float32), dice.integers(0, 2, ROWS)
    found, own = Projection.fit(rows, truth, classes=2, width=WIDTH, seed=0)
    assert np.corrcoef(found.transform(rows)[:, -1], truth)[0, 1] > 0.5
    assert abs(np.corrcoef(own[:, -1], truth)[0, 1]) < 0.25


def test_rows_that_count_nothing_teach_the_answers_nothing() -> None:
    rows, other = features(1), np.random.default_rng(1).normal(size=ROWS)
    counts = np.r_[np.full(200, 1.5), np.zeros(ROWS - 200)]
    truth = np.where(counts > 0, rows[:, 0], other).astype(np.float64)
    settings = {"classes": 0, "width": WIDTH, "seed": 0}
    found, _ = Projection.fit(rows, truth, counts, **settings)
    fresh = found.transform(rows)[200:, -1]
    assert np.corrcoef(fresh, rows[200:, 0])[0, 1] > 0.99
    assert np.allclose(
        Projection.fit(rows, truth, np.ones(ROWS), **settings)[1],
        Projection.fit(rows, truth, **settings)[1],
        atol=1e-4,
    )


def test_of_very_many_rows_some_are_learned_from_and_all_become_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tunesmith.learners._projection.MOST_ROWS", 100)
    rows = features(1)
    truth = rows[:, 0].astype(np.float64)
    found, own = Projection.fit(rows, truth, classes=0, width=WIDTH, seed=0)
    is_apart = np.abs(own - found.transform(rows)).max(axis=1) > 1e-6
    assert own.shape == (ROWS, WIDTH + 1)
    assert is_apart.sum() == 100
    assert np.corrcoef(own[:, -1], truth)[0, 1] > 0.95


def test_fewer_rows_than_folds_still_make_a_projection() -> None:
    found, own = Projection.fit(features(0)[:3], np.array([0, 1, 0]), classes=2, width=8, seed=0)
    assert own.shape == (3, 2 + 1)
    assert np.isfinite(found.transform(features(2))).all()


def test_fewer_rows_than_features_are_solved_by_rows_to_the_same_slopes() -> None:
    dice = np.random.default_rng(3)
    rows = dice.normal(size=(60, 90)).astype(np.float32)
    wanted = np.eye(3, dtype=np.float32)[dice.integers(0, 3, 60)]
    counts = dice.random(60).astype(np.float32)
    counts[:5] = 0
    drawn = [(np.flatnonzero(np.arange(60) % 5 != n), np.arange(n, 60, 5)) for n in range(5)]
    (by_features, whole), (by_rows, same) = (
        solve(rows, wanted, counts, drawn)
        for solve in (_projection._by_features, _projection._by_rows)
    )
    assert np.allclose(by_features, by_rows, atol=1e-4)
    assert all(np.allclose(whole(n), same(n), atol=1e-5) for n in range(len(by_rows)))


def test_the_directions_of_fewer_rows_than_features_are_those_of_all_features() -> None:
    rows = np.random.default_rng(4).normal(size=(40, 70)).astype(np.float32)
    rows[:, :4] *= [[9, 7, 5, 3]]
    found = _projection._principal(rows, 4)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    wanted = vectors[:, ::-1][:, :4] / np.sqrt(70)
    assert np.allclose(np.abs(found), np.abs(wanted), atol=1e-4)
