"""Rows that count more, classes that are rare."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._resampling import prior_shift, resampled
from tunesmith.pipeline.frame import frame

LEARNERS = ["majority", "linear", "probe", "cell", "neural", "fusion", "tabular"]


def fitted(name: str, problem: Problem, checkpoint: str, **more: Any) -> np.ndarray:
    kind = learners[name].config
    fields = ("backbone", "text_backbone")
    pins: dict[str, Any] = {
        field: checkpoint for field in fields if field in kind.__dataclass_fields__
    }
    if name == "neural":
        pins |= {"epochs": 2, "lr": 1e-3, "batch_size": 8, "patience": 0, "dropout": 0.0}
    watch = Watch(Clock(), lambda score, progress: True)
    model = learners[name].fit(problem, default(kind, {**pins, **more}), 0, watch)
    return model.predict(problem.part("test")).array()


@pytest.mark.parametrize("name", LEARNERS)
def test_equal_weights_change_nothing(name: str, example: Problem, checkpoint: str) -> None:
    plain = fitted(name, example, checkpoint)
    weighted = replace(example, weights=np.ones(len(example.data)))
    assert np.allclose(fitted(name, weighted, checkpoint), plain, atol=1e-3)


@pytest.mark.parametrize("name", LEARNERS)
def test_what_counts_more_is_answered_more(name: str, example: Problem, checkpoint: str) -> None:
    truth = example.encode(example.data.values(example.target))
    is_high = truth > np.median(truth) if not example.classes else truth == 1
    answers = []
    for factor in (1 / 8, 8):
        weights = np.where(is_high, factor, 1.0)
        problem = replace(example, weights=weights / weights.mean())
        answers.append(fitted(name, problem, checkpoint))
    low, high = (found[:, 1] if example.classes else found for found in answers)
    assert high.mean() > low.mean()
    if name != "majority" and example.classes:
        assert (high > low).mean() > 0.9


@pytest.mark.parametrize("name", ["majority", "linear"])
def test_a_weight_of_two_is_a_row_twice(name: str, example: Problem) -> None:
    rows = example.parts["train"]
    twice = rows[::2]
    weights = np.ones(len(example.data))
    weights[twice] = 2.0
    repeated = replace(
        example, parts={**example.parts, "train": np.sort(np.concatenate([rows, twice]))}
    )
    pins = {"strength": 20.0} if name == "linear" else {}
    kept = frame_without_text(example), frame_without_text(repeated)
    found = fitted(name, replace(kept[0], weights=weights), "", **pins)
    # Standardising sees the rows as they are: what is scaled otherwise is held back otherwise.
    assert np.allclose(found, fitted(name, kept[1], "", **pins), atol=0.05)


def frame_without_text(problem: Problem) -> Problem:
    return replace(problem, inputs=("age", "shop"))


def lopsided(rows: int = 2000) -> Problem:
    dice = np.random.default_rng(0)
    rare = dice.random(rows) < 0.1
    cells: dict[str, Any] = {
        "x": dice.normal(size=rows) + 1.5 * rare,
        "label": np.where(rare, "yes", "no").astype(object),
    }
    columns = (Column("x", "number", ""), Column("label", "category", ""))
    return frame(Dataset("made", columns, cells, np.arange(rows)), "label", seed=0)


def test_resampled_classes_are_equally_frequent() -> None:
    truth = np.array([0] * 50 + [1] * 7 + [3] * 20)
    for how, size in (("under", 7), ("over", 50)):
        rows = resampled(truth, how, 0)  # type: ignore[arg-type]
        assert np.bincount(truth[rows]).tolist() == [size, size, 0, size]
        assert np.array_equal(rows, resampled(truth, how, 0))  # type: ignore[arg-type]
    assert len(set(resampled(truth, "under", 0))) == 21
    assert set(resampled(truth, "over", 0)) == set(range(77))


def test_the_shift_leads_back_to_the_shares_that_were() -> None:
    truth = np.array([0] * 90 + [1] * 10)
    shift = prior_shift(truth, resampled(truth, "under", 0), 2)
    even = np.exp(np.log([0.5, 0.5]) + shift)
    assert even / even.sum() == pytest.approx([0.9, 0.1])


@pytest.mark.parametrize("how", ["under", "over"])
def test_classes_drawn_by_weight_count_alike_and_the_shift_leads_back(how: str) -> None:
    dice = np.random.default_rng(0)
    truth = np.array([0] * 400 + [1] * 100)
    weights = dice.uniform(0.5, 1.5, 500) * np.where(truth == 1, 2.0, 1.0)
    rows = resampled(truth, how, 0, weights)  # type: ignore[arg-type]
    total = np.bincount(truth[rows], weights[rows])
    assert total[0] == pytest.approx(total[1], rel=0.1)
    even = np.exp(np.log(total / total.sum()) + prior_shift(truth, rows, 2, weights))
    shares = np.bincount(truth, weights) / weights.sum()
    assert even / even.sum() == pytest.approx(shares)


@pytest.mark.parametrize("how", ["under", "over"])
def test_resampled_models_keep_honest_probabilities(how: str) -> None:
    problem = lopsided()
    plain, drawn = (fitted("linear", problem, "", resample=r) for r in ("none", how))
    assert np.abs(plain - drawn).mean() < 0.02
    balanced = fitted("linear", problem, "", balanced=True)
    assert np.abs(plain - balanced).mean() > 0.1


def test_the_weighted_median_has_half_the_weight_on_either_side() -> None:
    from tunesmith.learners.majority import _median

    values = np.array([5.0, 1.0, 3.0])
    assert _median(values, None) == _median(values, np.ones(3)) == 3.0
    assert _median(values, np.array([9.0, 1.0, 1.0])) == 5.0
