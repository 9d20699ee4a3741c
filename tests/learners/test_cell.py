"""Searched cells over frozen features."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch, Weights
from tunesmith.core.costs import Costs
from tunesmith.core.errors import BudgetError, ConfigError, WeightsError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._cell_course import _PLANES
from tunesmith.learners._cell_form import candidates, cell_config, spelled
from tunesmith.learners._darts import halves
from tunesmith.learners.cell import CellConfig
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import reviews


def watch() -> Watch:
    return Watch(Clock(), lambda score, progress: True)


def test_layers_that_are_one_and_the_same_are_read_once() -> None:
    assert (
        spelled(CellConfig(layers=4, every=2, ends="max"), 6, of_pictures=False)
        == "mean:-1+mean:-3+mean:-5+mean:-7+max"
    )
    assert (
        spelled(CellConfig(layers=8, ends="none"), 2, of_pictures=False)
        == "mean:-1+mean:-2+mean:-3"
    )
    assert candidates(2, of_pictures=False) == "mean:-1+mean:-2+mean:-3+max+first"


def test_a_vector_that_there_is_not_is_refused_before_any_training(example: Problem) -> None:
    with pytest.raises(ConfigError, match="mean:-1"):
        learners["cell"].refuses(example, CellConfig(reads="median:-1"))


def test_what_changes_nothing_is_a_field(example: Problem) -> None:
    assert set(learners["cell"].idle(example)) <= set(CellConfig.__dataclass_fields__)


@pytest.mark.parametrize("joined", ["side by side", "mixed"])
def test_an_architecture_makes_the_config_that_made_it(
    example: Problem, checkpoint: str, joined: str
) -> None:
    pins = {
        "backbone": checkpoint,
        "layers": 2,
        "joined": joined,
        "depth": 2,
        "width": 64,
        "norm": "layer",
        "residual": True,
        "epochs": 1,
    }
    config = default(CellConfig, pins)
    model = learners["cell"].fit(example, config, 0, watch())
    found = model.architecture()
    assert found is not None
    told = cell_config(found)
    again = default(CellConfig, {**told, "epochs": 1})
    same = learners["cell"].fit(example, again, 0, watch()).architecture()
    assert same is not None
    assert same.cell == found.cell
    assert {(r.layer, r.pooling) for r in same.reads} == {(r.layer, r.pooling) for r in found.reads}


@pytest.mark.parametrize(
    "wrong",
    [{"width": 10**12}, {"depth": 10**9}, {"norm": "none"}, {"widths": [3]}, {"more": 1}],
)
def test_a_cell_that_tells_of_other_weights_than_it_has_is_refused(
    example: Problem, checkpoint: str, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    config = default(CellConfig, {"backbone": checkpoint, "epochs": 0, "width": 64})
    learners["cell"].fit(example, config, 0, watch()).save(tmp_path)
    file = tmp_path / "model.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "cell": {**told["cell"], **wrong}}))
    with pytest.raises(WeightsError, match="do not fit"):
        learners["cell"].load(tmp_path)


def test_planes_are_remembered_for_the_same_costs_alone(checkpoint: str) -> None:
    dice = np.random.default_rng(0)
    data = reviews(dice, 60)
    plain = frame(data, "label", seed=0)
    config = default(CellConfig, {"backbone": checkpoint, "epochs": 0, "depth": 0})
    _PLANES.clear()
    for count, fixed in enumerate((1.0, 1.0, 50.0)):
        problem = replace(plain, costs=Costs(((0.0, fixed), (1.0, 0.0))))
        learners["cell"].fit(problem, config, 0, watch())
        assert len(_PLANES) == max(1, count)


def test_a_search_by_gradient_tells_its_course_and_settles_a_cell_without_search(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    course: list[tuple[float, Weights]] = []
    notes: dict[str, str] = {}
    seen = Watch(
        Clock(),
        lambda score, progress: True,
        tell=lambda about, text: notes.update({about: text}),
        weigh=lambda progress, weights: course.append((progress, weights)),
    )
    config = default(CellConfig, {"backbone": checkpoint, "search": "darts", "epochs": 4})
    model = learners["cell"].fit(example, config, 0, seen)
    assert course[-1][0] == 1.0
    assert all(sum(one.values()) == pytest.approx(1) for one in course[0][1].values())
    assert all(len(one) == 1 for one in course[-1][1].values())
    assert "its score" in notes["search"]
    settled = model.settled()
    assert settled["search"] == "none"
    assert settled["reads"]
    model.save(tmp_path)
    again = learners["cell"].load(tmp_path)
    test = example.part("test")
    assert np.allclose(again.predict(test).array(), model.predict(test).array(), atol=2e-3)


def test_without_training_a_cell_is_the_plane_that_a_probe_is(
    example: Problem, checkpoint: str
) -> None:
    pins = {"backbone": checkpoint, "strength": 0.01}
    told = {"reads": "mean:-1+mean:-2+mean:-4+max", "epochs": 0}
    cell = learners["cell"].fit(example, default(CellConfig, {**pins, **told}), 0, watch())
    kind = learners["probe"].config
    probe = learners["probe"].fit(
        example, default(kind, {**pins, "readout": "several"}), 0, watch()
    )
    test = example.part("test")
    assert np.allclose(
        cell.predict(test).array(), probe.predict(test).array(), atol=2e-2, rtol=2e-2
    )


def test_pictures_are_read_and_their_layers_of_unlike_widths_stand_side_by_side(
    photos: Path, picture_checkpoint: str
) -> None:
    problem = frame(read(photos), "label", seed=0)
    pins = {"backbone": picture_checkpoint, "joined": "mixed", "layers": 3, "epochs": 4}
    model = learners["cell"].fit(problem, default(CellConfig, pins), 0, watch())
    found = model.architecture()
    assert found is not None
    assert all(one.weight is None for one in found.reads)
    assert sum(one.pooling == "quarters" for one in found.reads) > 1
    assert learners["cell"].shaped(found)["reads"].count("quarters") > 1
    right = model.predict(problem.part("test")).array().argmax(axis=1) == problem.truth("test")
    assert right.mean() > 0.6


@pytest.mark.parametrize("search", ["none", "darts"])
def test_no_time_is_said(example: Problem, checkpoint: str, search: str) -> None:
    seconds = iter(np.arange(0.0, 1e6, 0.4))
    config = default(CellConfig, {"backbone": checkpoint, "search": search})
    late = Watch(Clock(4.0, lambda: float(next(seconds))), lambda score, progress: True)
    with pytest.raises(BudgetError):
        learners["cell"].fit(example, config, 0, late)


def test_a_search_by_gradient_repeats_itself(example: Problem, checkpoint: str) -> None:
    config = default(CellConfig, {"backbone": checkpoint, "search": "darts", "epochs": 2})
    first, second = (learners["cell"].fit(example, config, 0, watch()) for _ in range(2))
    assert first.architecture() == second.architecture()
    test = example.part("test")
    assert np.array_equal(first.predict(test).array(), second.predict(test).array())


def test_both_halves_have_their_share_of_every_class(example: Problem) -> None:
    rows = np.arange(len(example.parts["train"]))
    teach, ask = halves(example, rows, np.random.default_rng(0))
    assert sorted([*teach, *ask]) == rows.tolist()
    if example.classes and not example.several:
        counts = [np.bincount(example.truth("train")[half]) for half in (teach, ask)]
        assert np.abs(counts[0] - counts[1]).max() <= 1
