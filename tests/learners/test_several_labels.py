"""Several labels a row: who learns them, in one model or in one of each; who says that it does
not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.multilabel import packed
from tunesmith.core.predictions import Labels
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_whole, open_model
from tunesmith.learners._per_label import PerLabel, fit_labels, middle, suits
from tunesmith.metrics import get
from tunesmith.pipeline.frame import frame
from tunesmith.tasks import tasks

ABLE = [name for name in learners if learners[name].labels != "none" and name != "majority"]
PINS: dict[str, dict[str, Any]] = {
    "neural": {"epochs": 8, "lr": 3e-3, "batch_size": 8, "patience": 0},
    "catboost": {"rounds": 30},
    "xgboost": {"rounds": 30},
    "forest": {"trees": 30},
}


@pytest.fixture(scope="module")
def problem() -> Problem:
    data, target = tasks["multilabel"].example(np.random.default_rng(0))
    return frame(data, target, folds=0, seed=0)


def watch(clock: Clock | None = None) -> Watch:
    return Watch(clock or Clock(), lambda score, progress: True)


def config_of(name: str, checkpoint: str) -> Any:
    kind = learners[name].config
    pins = {"backbone": checkpoint} if "backbone" in kind.__dataclass_fields__ else {}
    return default(kind, {**pins, **PINS.get(name, {})})


def fitted(problem: Problem, name: str, checkpoint: str) -> Fitted:
    if reason := suits(learners[name], problem):
        pytest.skip(reason)
    return fit_labels(learners[name], problem, config_of(name, checkpoint), 0, watch())


def loss(problem: Problem, model: Fitted) -> float:
    return get("log_loss").score(problem.truth("test"), model.predict(problem.part("test")), None)


@pytest.mark.parametrize("name", ABLE)
def test_who_can_beats_the_majority_and_is_saved_whole(
    name: str, problem: Problem, checkpoint: str, tmp_path: Path
) -> None:
    model = fitted(problem, name, checkpoint)
    assert loss(problem, model) < loss(problem, fitted(problem, "majority", checkpoint))
    answers = model.predict(problem.part("test"))
    assert isinstance(answers, Labels)
    assert answers.classes == ("good", "near", "old")
    model.save(tmp_path)
    again = open_model(name, tmp_path).predict(problem.part("test"))
    assert np.allclose(again.array(), answers.array(), atol=2e-3)
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".pkl", ".pt", ".pth")]


@pytest.mark.parametrize("name", ["linear", "lightgbm"])
def test_what_selection_settled_fits_all_rows(name: str, problem: Problem, checkpoint: str) -> None:
    model = fitted(problem, name, checkpoint)
    pins = {**model.settled()}
    assert pins
    again = default(learners[name].config, pins)
    whole = replace(problem, parts={**problem.parts, "train": problem.rows})
    assert fit_labels(learners[name], whole, again, 0, watch()).settled() == pins


def test_what_not_all_models_settled_is_left_as_it_was_asked() -> None:
    cut = {"epochs": 4, "kind": "b", "skipped": "3, 4"}
    others = [{"kind": "a", "epochs": 8}, {"epochs": 6, "kind": "b"}]

    assert middle([cut, *others]) == {"epochs": 6, "kind": "b"}


@pytest.mark.parametrize("name", ["ebm", "scorecard", "tabular", "tabicl", "tabpfn"])
def test_who_cannot_says_so(name: str, problem: Problem) -> None:
    assert suits(learners[name], problem) == "not built for several labels a row"


def test_folds_of_a_model_of_each_label_open_as_one(
    problem: Problem, checkpoint: str, tmp_path: Path
) -> None:
    crossed = frame(problem.data, "labels", folds=2, seed=0)
    config = config_of("forest", checkpoint)
    model, unseen = fit_whole(learners["forest"], crossed, config, 0, watch())
    assert unseen is not None
    assert unseen.array().shape == (len(crossed.parts["valid"]), 3)
    model.save(tmp_path)
    rows = problem.part("test")
    again = open_model("forest", tmp_path).predict(rows)
    assert np.allclose(again.array(), model.predict(rows).array(), atol=1e-6)


def test_a_label_that_every_training_row_has_is_answered_by_its_share(problem: Problem) -> None:
    data = problem.data
    every = np.array([packed(["always", *"x" * (i % 2)]) for i in range(len(data))], dtype=object)
    same = replace(data, cells={**data.cells, "labels": every})
    always = frame(same, "labels", folds=0, seed=0)
    config = default(learners["forest"].config, {"trees": 5})
    model = fit_labels(learners["forest"], always, config, 0, watch())
    assert isinstance(model, PerLabel)
    assert model.models[0] is None
    assert (model.predict(always.part("test")).array()[:, 0] == 1).all()


def test_too_many_labels_for_a_model_of_each_are_refused() -> None:
    dice = np.random.default_rng(0)
    cells = [[str(n) for n in dice.choice(60, 3, replace=False)] for _ in range(400)]
    table = {"x": dice.normal(size=400).tolist(), "y": cells}
    many = frame(read(table, target="y"), "y", seed=0)
    assert "more than 50" in suits(learners["lightgbm"], many)
    assert suits(learners["linear"], many) == ""


def test_a_budget_that_does_not_hold_every_label_ends_the_trial(problem: Problem) -> None:
    seconds = iter(np.arange(0.0, 1e6, 0.4))
    clock = Clock(4.0, lambda: float(next(seconds)))
    config = default(learners["neighbours"].config, {})
    with pytest.raises(BudgetError):
        fit_labels(learners["neighbours"], problem, config, 0, watch(clock))


@pytest.mark.parametrize("name", ["probe", "cell", "neural"])
def test_pictures_have_labels_too(name: str, picture_checkpoint: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    dice, cells, labels = np.random.default_rng(0), [], []
    for number in range(80):
        pixels = dice.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        above, left = dice.random(2) < 0.5
        pixels[:16] += 90 * np.uint8(above)
        pixels[:, :16] += 90 * np.uint8(left)
        cells.append(str(tmp_path / f"{number}.png"))
        image.fromarray(pixels).save(cells[-1])
        labels.append([one for one, there in (("above", above), ("left", left)) if there])
    read_ = read({"image": cells, "labels": labels}, target="labels")
    problem = frame(read_, "labels", seed=0)
    model = fitted(problem, name, picture_checkpoint)
    assert loss(problem, model) < loss(problem, fitted(problem, "majority", picture_checkpoint))
