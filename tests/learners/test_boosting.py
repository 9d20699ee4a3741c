"""What boosted trees of every library do alike, and their own formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._boosting import Course, why_not
from tunesmith.metrics import get
from tunesmith.pipeline.frame import frame

HERE = [name for name in ("lightgbm", "xgboost", "catboost") if find_spec(name)]
ROWS = 400


def table(target: str) -> Problem:
    """A number, a category with an identifier beside it, dates, and missing cells; the label, the
    sort and the amount hang on the first three."""
    dice = np.random.default_rng(0)
    size, shop = dice.normal(size=ROWS), dice.integers(0, 8, ROWS)
    days = dice.integers(0, 700, ROWS)
    amount = 3 * size + 2 * (shop % 2) + (days > 350) + 0.3 * dice.normal(size=ROWS)
    holed = np.where(dice.random(ROWS) < 0.1, np.nan, size)
    cells: dict[str, np.ndarray[Any, Any]] = {
        "size": holed,
        "shop": np.array([f"s{code}" for code in shop], dtype=object),
        "code": np.array([f"c{row}" for row in range(ROWS)], dtype=object),
        "when": np.datetime64("2023-01-01", "s") + days * np.timedelta64(86400, "s"),
        "label": np.where(amount > 1, "yes", "no").astype(object),
        "sort": np.array(["low", "mid", "high"], dtype=object)[np.digitize(amount, [-1, 3])],
        "amount": amount + 1.7e6,
    }
    kinds: dict[str, Any] = dict.fromkeys(cells, "category")
    kinds |= {"size": "number", "when": "date", "amount": "number"}
    columns = tuple(Column(name, kind, "made up") for name, kind in kinds.items())
    data = Dataset("made up", columns, cells, np.arange(ROWS))
    return frame(data.with_columns(["size", "shop", "code", "when", target]), target, folds=0)


def watch(report: Callable[[float, float], bool] = lambda score, at: True, **more: Any) -> Watch:
    return Watch(Clock(**more), report)


def score(problem: Problem, answers: Prediction, name: str) -> float:
    return get(name).score(problem.truth("test"), answers, None)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(
    ("target", "metric", "least"),
    [("label", "roc_auc", 0.9), ("sort", "accuracy", 0.6), ("amount", "r2", 0.65)],
)
def test_two_classes_many_and_numbers_are_learned_and_kept(
    name: str, target: str, metric: str, least: float, tmp_path: Path
) -> None:
    problem = table(target)
    model = learners[name].fit(problem, default(learners[name].config), 0, watch())
    answers = model.predict(problem.part("test"))
    assert score(problem, answers, metric) > least
    model.save(tmp_path)
    assert not {file.suffix for file in tmp_path.iterdir()} & {".pkl", ".pickle", ".joblib"}
    opened = learners[name].load(tmp_path)
    again = opened.predict(problem.part("test"))
    assert np.allclose(again.array(), answers.array(), rtol=1e-6, atol=1e-6)
    assert opened.settled() == model.settled()


@pytest.mark.parametrize("name", HERE)
def test_the_settled_rounds_need_no_valid_rows(name: str) -> None:
    problem = table("label")
    settled = learners[name].fit(problem, default(learners[name].config), 0, watch()).settled()
    assert 1 <= settled["rounds"] < 2000
    others = replace(problem, parts={**problem.parts, "valid": problem.parts["valid"][:1]})
    again = default(learners[name].config, settled)
    model = learners[name].fit(others, again, 0, watch())
    assert model.settled() == settled
    assert score(problem, model.predict(problem.part("test")), "roc_auc") > 0.9


@pytest.mark.parametrize("name", HERE)
def test_without_time_nothing_is_fitted_and_with_little_a_few_rounds(name: str) -> None:
    problem, config = table("label"), default(learners[name].config)
    with pytest.raises(BudgetError):
        learners[name].fit(problem, config, 0, watch(limit_seconds=5.0, now=Ticks(1000.0)))
    model = learners[name].fit(problem, config, 0, watch(limit_seconds=100.0, now=Ticks(10.0)))
    assert model.settled()["rounds"] < 15


class Ticks:
    """A clock that goes on by so many seconds whenever it is looked at."""

    def __init__(self, step: float) -> None:
        self.step, self.seconds = step, 0.0

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


@pytest.mark.parametrize("name", HERE)
def test_a_stopper_may_end_it_and_is_asked_but_a_few_times(name: str) -> None:
    problem = frame(table("label").data, "label", metric="roc_auc", seed=0)
    points: list[tuple[float, float]] = []

    def note(value: float, progress: float) -> bool:
        points.append((progress, value))
        return True

    config = default(learners[name].config, {"lr": 0.02})
    whole = learners[name].fit(problem, config, 0, watch(note))
    assert 1 <= len(points) <= 10
    assert all(0 < progress <= 1 and 0.5 < value <= 1.01 for progress, value in points)
    ended = learners[name].fit(problem, config, 0, watch(lambda value, at: False))
    assert ended.settled()["rounds"] < whole.settled()["rounds"]


@pytest.mark.parametrize("name", HERE)
def test_rare_classes_weigh_as_much_where_that_is_chosen(name: str) -> None:
    problem = table("label")
    rows = problem.parts["train"]
    rare = problem.truth("train") == 1
    few = np.sort(np.concatenate([rows[~rare], rows[rare][:12]]))
    problem = replace(problem, parts={**problem.parts, "train": few})
    means = []
    for balanced in (False, True):
        config = default(learners[name].config, {"balanced": balanced, "rounds": 40})
        model = learners[name].fit(problem, config, 0, watch())
        means.append(float(model.predict(problem.part("test")).array()[:, 1].mean()))
    assert means[1] > means[0] + 0.03


def test_a_course_keeps_the_rounds_up_to_the_least_loss() -> None:
    course = Course(watch(), lr=0.1)
    losses = iter([5.0, 4.0, 3.0, *([3.5] * 100)])
    while course.goes_on(next(losses), lambda: None):
        pass
    assert course.kept == 3
    assert course.rounds == 33


@pytest.mark.parametrize("name", HERE)
def test_texts_alone_are_left_to_others(name: str) -> None:
    dice = np.random.default_rng(0)
    texts = np.array([f"some words {dice.integers(99)}" for _ in range(40)], dtype=object)
    labels = np.array(["a", "b"] * 20, dtype=object)
    columns = (Column("said", "text", "made up"), Column("label", "category", "made up"))
    data = Dataset("made up", columns, {"said": texts, "label": labels}, np.arange(40))
    assert "only texts" in learners[name].suits(frame(data, "label", seed=0))


def test_a_library_that_is_not_there_is_named_with_its_line() -> None:
    reason = why_not(table("label"), "no_such_package", "pip install no-such-package")
    assert reason == "no_such_package is not installed: pip install no-such-package"
