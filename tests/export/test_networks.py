"""Scripts of networks: the frozen one answers as the model did, the trained one learns the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.records import Problem
from tunesmith.core.space import from_dict, to_dict
from tunesmith.export import exporters
from tunesmith.export.probe import READOUTS
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import reviews


def file_of(folder: Path, names: tuple[str, ...]) -> Path:
    data = reviews(np.random.default_rng(0), 160)
    rows = pd.DataFrame({name: data.values(name) for name in names})
    rows["city"] = [f"city {i % 20}" for i in range(len(rows))]
    rows.to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


def test_a_frozen_network_answers_as_the_run(
    checkpoint: str, tmp_path: Path, load: Any, laid_out: Any
) -> None:
    run = ts.fit(
        file_of(tmp_path, ("text", "age", "shop", "label")),
        "label",
        trials=1,
        learners=["probe"],
        space={"probe": {"backbone": checkpoint, "readout": "deep"}},
        folder=tmp_path / "run",
    )
    run.export_code(tmp_path / "code", check=False)
    train = load(tmp_path / "code")
    table = train.read(train.DATA)
    every = np.arange(len(table))
    inputs, truth = train.prepare(table), train.truth_of(table)
    model = train.build().fit(inputs.iloc[every], truth[every])
    model.save(tmp_path)
    shares = run.predict_proba(tmp_path / "data.csv").to_numpy()
    assert np.abs(model.scores(inputs) - shares).max() < 0.05
    assert list(train.predict(table, tmp_path)) == [
        train.CLASSES[code] for code in model.scores(inputs).argmax(axis=1)
    ]
    assert laid_out(tmp_path / "code" / "train.py") == ""


@pytest.mark.parametrize("target", ["label", "stars"])
def test_a_trained_network_learns_again(
    target: str, checkpoint: str, tmp_path: Path, load: Any, laid_out: Any
) -> None:
    fixed = {"backbone": checkpoint, "epochs": 4, "lr": 1e-3, "depth": 1.0}
    run = ts.fit(
        file_of(tmp_path, ("text", "age", target)),
        target,
        trials=1,
        learners=["neural"],
        space={"neural": fixed},
        folder=tmp_path / "run",
    )
    facts = run.export_code(tmp_path / "code", check=False)
    assert facts["forecast_seconds"] > 0
    train = load(tmp_path / "code")
    table, split = train.read(train.DATA), json.loads((tmp_path / "code/split.json").read_text())
    inputs, truth = train.prepare(table), train.truth_of(table)
    rows, test = split["train"], split["test"]
    model = train.build().fit(inputs.iloc[rows], truth[rows])
    model.save(tmp_path)
    again = train.build().load(tmp_path)
    answers = model.scores(inputs.iloc[test])
    assert np.allclose(again.scores(inputs.iloc[test]), answers, atol=1e-5)
    value, winner = train.score(truth[test], answers), facts["winner"]
    assert winner["low"] - 0.1 <= value <= winner["high"] + 0.1
    assert laid_out(tmp_path / "code" / "train.py") == ""


@pytest.mark.parametrize("learner", ["probe", "neural"])
def test_a_script_of_texts_runs_beside_a_torchvision_that_does_not_load(
    learner: str, checkpoint: str, tmp_path: Path
) -> None:
    run = ts.fit(
        file_of(tmp_path, ("text", "label")),
        "label",
        trials=1,
        learners=[learner],
        space={learner: {"backbone": checkpoint}},
        folder=tmp_path / "run",
    )
    run.export_code(tmp_path / "code", check=False)
    broken = tmp_path / "broken" / "torchvision"
    broken.mkdir(parents=True)
    broken.joinpath("__init__.py").write_text("raise RuntimeError('built for another torch')")
    script, out = tmp_path / "code" / "train.py", tmp_path / "out"
    ran = subprocess.run(
        [sys.executable, script, "--out", out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(broken.parent)},
    )
    assert ran.returncode == 0, ran.stderr
    answers = (
        "import train; print(*train.predict(train.read(train.DATA)[:3], sys.argv[1])); "
        "assert 'torchvision' not in sys.modules"
    )
    again = subprocess.run(
        [sys.executable, "-c", f"import sys; {answers}", out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(broken.parent)},
        cwd=script.parent,
    )
    assert again.returncode == 0, again.stderr
    assert len(again.stdout.split()) == 3


CONFIGS: tuple[dict[str, Any], ...] = (
    {"head": 16, "pooling": "max", "head_start": "random", "schedule": "cosine"},
    {"pooling": "final", "head_start": "random", "schedule": "constant", "class_weights": True},
    {"pooling": "first", "head_start": "random", "depth": 0.5, "inner_dropout": True},
    {"head_start": "random", "focal": 2.0, "class_weights": True},
    {"optimizer": {"kind": "SGD", "momentum": 0.9, "weight_decay": 1e-4, "boost": 300.0}},
)


@pytest.fixture
def problem() -> Problem:
    data = reviews(np.random.default_rng(0), 120)
    return frame(data.with_columns(("text", "age", "label")), "label", seed=0)


@pytest.mark.parametrize("changes", [{"activation": "relu"}, {"norm": "rms"}, {"blocks": 0.5}])
def test_a_network_of_another_shape_has_no_code_and_says_so(
    changes: dict[str, Any], problem: Problem, checkpoint: str
) -> None:
    config = to_dict(from_dict(learners["neural"].config, {"backbone": checkpoint, **changes}))
    ((name, value),) = changes.items()
    told = exporters["neural"].refuses(problem, config)
    assert told == f"there is no code for {name} = {value!r}"


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("changes", CONFIGS, ids=lambda changes: "-".join(map(str, changes)))
def test_every_choice_has_code_that_is_laid_out_well(
    changes: dict[str, Any], is_weighted: bool, problem: Problem, checkpoint: str, tmp_path: Path
) -> None:
    if is_weighted:
        problem = replace(problem, weights=np.ones(len(problem.data)), weights_column="age")
    from tunesmith.export._writing import imports

    config = to_dict(from_dict(learners["neural"].config, {"backbone": checkpoint, **changes}))
    assert exporters["neural"].refuses(problem, config) == ""
    recipe = exporters["neural"].recipe(problem, config)
    usual = ("import numpy as np", "import pandas as pd", "from pathlib import Path")
    head = imports([*recipe.imports, *usual])
    names = "CLASSES, NUMBERS, TEXT = ['a', 'b'], ['age'], 'text'".replace("'", '"')
    script = tmp_path / "train.py"
    script.write_text("\n\n".join([head, names, "\n\n".join([*recipe.helpers, recipe.code])]))
    tool = Path(sys.executable).with_name("ruff")
    ran = subprocess.run(
        [tool, "check", "--isolated", "--select", "E9,F82,F63", script], capture_output=True
    )
    assert ran.returncode == 0, ran.stdout


def test_what_has_no_code_is_refused_with_its_name(problem: Problem, checkpoint: str) -> None:
    base = {"backbone": checkpoint, "pooling": "mean", "optimizer": {"kind": "AdamW"}}
    lora = {**base, "adapter": {"kind": "LoRA"}}
    assert "LoRA" in exporters["neural"].refuses(problem, lora)
    lion = {**base, "adapter": {"kind": "Full"}, "optimizer": {"kind": "Lion"}}
    assert "Lion" in exporters["neural"].refuses(problem, lion)
    gone = {**base, "adapter": {"kind": "Full"}, "backbone": "/no/such/folder"}
    assert "no checkpoint" in exporters["neural"].refuses(problem, gone)


def test_the_constants_are_those_of_the_learners() -> None:
    from tunesmith.export import (
        _ensembles,
        _tabular_networks,
        forest,
        lightgbm,
        linear,
        neighbours,
        pool,
        tabular,
    )
    from tunesmith.learners import _tabular_inputs, stack
    from tunesmith.learners import forest as forests
    from tunesmith.learners import lightgbm as trees
    from tunesmith.learners import linear as planes
    from tunesmith.learners import neighbours as near
    from tunesmith.learners import pool as pools
    from tunesmith.learners import tabular as networks
    from tunesmith.nn import features
    from tunesmith.nn import tabular as network

    assert linear.MOST_TERMS == planes.MOST_TERMS
    assert forest.MOST_ROWS_A_TREE == forests.MOST_ROWS_A_TREE
    assert (neighbours.LEAST_DISTANCE, neighbours.PRIOR) == (near.LEAST_DISTANCE, near.PRIOR)
    assert (tabular.MOST_LEVELS, tabular.FEW_LEVELS) == (
        _tabular_inputs.MOST_LEVELS,
        _tabular_inputs.FEW_LEVELS,
    )
    assert tabular.HEAVIEST == networks.HEAVIEST
    assert (_tabular_networks.ONE_HOT, _tabular_networks.EMBEDDED) == (
        network.ONE_HOT,
        network.EMBEDDED,
    )
    assert pool.HELD == pools.HELD
    assert _ensembles.LEAST == stack.LEAST
    assert lightgbm.GROUP_ROWS == trees.GROUP_ROWS
    for name, parts in READOUTS.items():
        assert [part.replace(" ", ":") for part in parts] == list(features.READOUTS[name])
