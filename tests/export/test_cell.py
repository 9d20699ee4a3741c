"""Scripts of found cells: they read what a cell reads, begin as its plane, learn its layers."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default, to_dict
from tunesmith.data.read import read
from tunesmith.export import exporters
from tunesmith.export._ensembles import Part
from tunesmith.learners import learners
from tunesmith.learners._cell_model import CellModel
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import reviews

NAMES = ("text", "age", "shop", "label", "stars")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = reviews(np.random.default_rng(0), 160)
    place = tmp_path_factory.mktemp("reviews") / "data.csv"
    pd.DataFrame({name: data.values(name) for name in NAMES}).to_csv(place, index=False)
    return place


def problem_of(file: Path, names: tuple[str, ...]) -> Problem:
    data = read(file).with_columns(names)
    return frame(data, names[-1], seed=0, folds=0)


def fitted(problem: Problem, pins: dict[str, Any]) -> tuple[CellModel, dict[str, Any]]:
    """A cell, and its config with what was settled."""
    config = default(learners["cell"].config, pins)
    watch = Watch(Clock(), lambda score, progress: True)
    model = learners["cell"].fit(problem, config, 0, watch)
    assert isinstance(model, CellModel)
    return model, {**to_dict(config), **model.settled()}


FOUND: dict[str, dict[str, Any]] = {
    "plane": {"epochs": 0, "reads": "mean:-2+final+first"},
    "mixed": {"epochs": 0, "joined": "mixed", "depth": 2, "balanced": True},
    "searched": {"search": "darts", "search_epochs": 2, "epochs": 3, "lr": 3e-3},
    "deep": {"depth": 2, "norm": "layer", "residual": True, "epochs": 4, "lr": 3e-3},
}


CASES = [(name, "label") for name in FOUND] + [("plane", "stars"), ("deep", "stars")]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_a_script_makes_the_cell_that_was_found(
    name: str, target: str, file: Path, checkpoint: str, tmp_path: Path, written: Any
) -> None:
    problem = problem_of(file, ("text", "age", "shop", target))
    model, config = fitted(problem, {"backbone": checkpoint, **FOUND[name]})
    assert exporters["cell"].refuses(problem, config) == ""
    part = Part(exporters["cell"].recipe(problem, config), 1, (), False)
    train = written(problem, tmp_path, part, source=file)
    table = train.read(str(file))
    inputs, truth = train.prepare(table), train.truth_of(table)
    rows, test = problem.parts["train"], problem.parts["test"]
    again = train.build().fit(inputs.iloc[rows], truth[rows])
    # columns beside the text have other marks of what is missing: how wide the layers are, is told
    widths = sorted(len(one) for one in again.network.parameters())
    assert widths == sorted(len(one) for one in model.cell.parameters())
    found = again.scores(inputs.iloc[test])
    wanted = np.squeeze(model.predict(problem.part("test")).array())
    spread = 1.0 if problem.classes else float(np.std(problem.truth("train")))
    assert np.abs(found - wanted).mean() < (0.15 if config["epochs"] else 0.02) * spread
    again.save(tmp_path)
    opened = train.build().load(tmp_path)
    assert np.allclose(opened.scores(inputs.iloc[test]), found, atol=1e-5)


def test_every_cell_has_code_that_is_laid_out_well(
    file: Path, checkpoint: str, tmp_path: Path, written: Any
) -> None:
    usual = {**to_dict(default(learners["cell"].config, {"backbone": checkpoint})), "strength": 0.1}
    choices = itertools.product(
        ({"depth": 0}, {"depth": 3, "residual": True}, {"depth": 1, "norm": "batch"}),
        ({"joined": "mixed", "activation": "silu", "norm": "rms"}, {"balanced": True}),
        (("text", "label"), ("text", "age", "shop", "stars")),
        (False, True),
    )
    for number, (shape, more, names, is_weighted) in enumerate(choices):
        problem = problem_of(file, names)
        if is_weighted:
            weights = np.linspace(0.5, 1.5, len(problem.data))
            problem = replace(problem, weights=weights, weights_column="age")
        folder = tmp_path / str(number)
        folder.mkdir()
        recipe = exporters["cell"].recipe(problem, {**usual, **shape, **more})
        written(problem, folder, Part(recipe, 1, (), False), source=file)


def test_what_has_no_code_is_refused_with_the_reason(file: Path, checkpoint: str) -> None:
    problem = problem_of(file, ("text", "label"))
    config = to_dict(default(learners["cell"].config, {"backbone": checkpoint, "search": "darts"}))
    assert "has not settled" in exporters["cell"].refuses(problem, config)
    gone = {**config, "search": "none", "backbone": str(file.parent)}
    assert exporters["cell"].refuses(problem, gone)


def test_the_script_of_a_run_comes_to_its_score(
    file: Path, checkpoint: str, tmp_path: Path, load: Any, laid_out: Any
) -> None:
    run = ts.fit(
        file,
        "label",
        trials=1,
        learners=["cell"],
        folds=0,
        space={"cell": {"backbone": checkpoint, "search": "darts", "search_epochs": 2}},
        folder=tmp_path / "run",
    )
    facts = run.export_code(tmp_path / "code", check=False)
    assert [one["learner"] for one in facts["models"]] == ["cell"]
    train, split = load(tmp_path / "code"), json.loads((tmp_path / "code/split.json").read_text())
    table = train.read(train.DATA)
    inputs, truth = train.prepare(table), train.truth_of(table)
    rows, test = split["train"], split["test"]
    answers = train.build().fit(inputs.iloc[rows], truth[rows]).scores(inputs.iloc[test])
    winner = facts["winner"]
    assert winner["low"] <= train.score(truth[test], answers) <= winner["high"]
    assert laid_out(tmp_path / "code" / "train.py") == ""
