"""A script fits a model for each fold, by the rows' weights, and decides by what answers cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.space import default, to_dict
from tunesmith.data.read import read
from tunesmith.export import exporters
from tunesmith.export._ensembles import Part
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame

WEIGHT, AMOUNT, TARGET = '"); import os #', "it's {amount}", "'''label"
ROWS = 400


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dice = np.random.default_rng(0)
    bad = dice.random(ROWS) < 0.3
    table = pd.DataFrame(
        {
            "x": dice.normal(size=ROWS) + 1.5 * bad,
            "level": np.where(bad ^ (dice.random(ROWS) < 0.3), "a", dice.choice(["b", "c"], ROWS)),
            AMOUNT: dice.integers(1, 50, ROWS),
            WEIGHT: dice.choice([0.5, 1.0, 4.0], ROWS),
            TARGET: np.where(bad, "bad\n{0}", 'so "good"'),
            "price": 2 * bad + dice.normal(size=ROWS),
        }
    )
    place = tmp_path_factory.mktemp("rows") / "data.csv"
    table.to_csv(place, index=False)
    return place


def run(train: ModuleType, monkeypatch: pytest.MonkeyPatch, out: Path, *more: str) -> float:
    """The score that a script tells."""
    monkeypatch.setattr(sys, "argv", ["train.py", "--out", str(out), *more])
    train.main()
    return float(json.loads((out / "score.json").read_text())["score"])


def test_folds_weights_and_costs_are_those_of_the_run(
    file: Path,
    tmp_path: Path,
    load: Callable[[Path], ModuleType],
    laid_out: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = ts.fit(
        file,
        TARGET,
        trials=2,
        learners=["linear"],
        folds=3,
        weights=WEIGHT,
        costs={"bad\n{0}": {'so "good"': AMOUNT}, 'so "good"': {"bad\n{0}": 5}},
        folder=tmp_path / "run",
    )
    facts = predictor.export_code(tmp_path / "code", check=False)
    assert facts["metric"] == "cost"
    assert facts["notes"] == []
    train = load(tmp_path / "code")
    value = run(train, monkeypatch, tmp_path / "model", "--all-rows")
    assert facts["winner"]["low"] <= value <= facts["winner"]["high"]
    assert laid_out(tmp_path / "code" / "train.py") == ""
    table = train.read(train.DATA)
    shares = train.predict_proba(table, tmp_path / "model")
    assert np.abs(shares - predictor.predict_proba(file).to_numpy()).mean() < 0.02
    same = train.predict(table, tmp_path / "model") == predictor.predict(file)
    assert same.mean() > 0.95


TREES = {
    **to_dict(default(learners["lightgbm"].config, {})),
    "rounds": 20,
    "num_leaves": 4,
    "min_child_samples": 20,
}


@pytest.mark.parametrize("target", [TARGET, "price", "level"])
def test_a_stack_learns_from_answers_out_of_fold(
    target: str,
    file: Path,
    tmp_path: Path,
    written: Callable[..., ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metric = {"price": "rmse", "level": "roc_auc_ovr"}.get(target, "roc_auc")
    rows = read(file, target=target)
    problem = frame(rows, target, seed=0, folds=3, metric=metric)

    def part(trial: int, learner: str, *below: Part, **config: object) -> Part:
        plain = to_dict(default(learners[learner].config, {}))
        recipe = exporters[learner].recipe(problem, {**plain, **config})
        return Part(recipe, trial, below, with_inputs=learner == "lightgbm")

    linear, trees = part(1, "linear", strength=1.0), part(2, "lightgbm", **TREES)
    pool = part(3, "pool", linear, trees)
    above = part(4, "lightgbm", pool, linear, trees, **{**TREES, "rising": 3})
    parts = [pool, part(4, "pool", pool, linear)] if target == "level" else [pool, above]
    train = written(problem, tmp_path, *parts, source=file)
    value = run(train, monkeypatch, tmp_path / "model")
    table = train.read(train.DATA)
    inputs, truth = train.prepare(table), train.truth_of(table)
    model = train.build().load(tmp_path / "model")
    held = problem.parts["test"]
    answers = model.scores(inputs.iloc[held])
    assert train.score(truth[held], answers) == pytest.approx(value)
    learned = problem.parts["train"]
    folds = [np.searchsorted(learned, out) for _, out in problem.folds]
    pooled, over = model.models
    assert over.bases[0] is pooled
    alone = [base.unseen(inputs.iloc[learned], folds) for base in pooled.bases]
    best = [train.score(truth[learned], one) for one in alone]
    stacked = train.score(truth[learned], pooled.unseen(inputs.iloc[learned], folds))
    assert stacked < 1.02 * min(best) if target == "price" else stacked > max(best) - 0.02
    for model in pooled.top.models:
        assert (model.weights >= 0).all()
        assert model.weights.sum() > 0.5


def test_probabilities_are_put_right_after_resampling(
    file: Path, tmp_path: Path, written: Callable[..., ModuleType]
) -> None:
    problem = frame(read(file, target=TARGET), TARGET, seed=0, folds=0)
    plain = to_dict(default(learners["linear"].config, {"strength": 1.0, "resample": "under"}))
    recipe = exporters["linear"].recipe(problem, plain)
    train = written(problem, tmp_path, Part(recipe, 1), source=file)
    table = train.read(train.DATA)
    inputs, truth = train.prepare(table), train.truth_of(table)
    shares = train.build().fit(inputs, truth).scores(inputs).mean(axis=0)
    assert shares == pytest.approx(np.bincount(truth) / len(truth), abs=0.03)
