"""Scripts of boosted trees learn from numbers, categories, dates and missing cells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.data.read import read
from tunesmith.export import exporters
from tunesmith.export._data import reading
from tunesmith.export._ensembles import Part
from tunesmith.export._scores import measure
from tunesmith.export._script import write
from tunesmith.pipeline.frame import frame

SHARED = {
    "lr": 0.1,
    "feature_fraction": 0.8,
    "row_fraction": 0.8,
    "l1": 1e-6,
    "l2": 1.0,
    "max_bin": 255,
    "rounds": 40,
    "balanced": True,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "lightgbm": {
        **SHARED,
        "num_leaves": 7,
        "min_child_samples": 5,
        "extra_trees": False,
        "cat_smooth": 10.0,
        "one_hot_levels": 16,
        "rising": 0,
    },
    "xgboost": {**SHARED, "max_depth": 3, "min_child_weight": 1.0},
    "catboost": {
        **SHARED,
        "max_depth": 3,
        "randomness": 1.0,
        "bagging": 1.0,
        "max_bin": 128,
        "one_hot_levels": 2,
        "combined": 1,
    },
}


@pytest.mark.parametrize("most_codes", [50, 2])
@pytest.mark.parametrize("target", ["'''label", "amount"])
@pytest.mark.parametrize("learner", list(CONFIGS))
def test_trees_learn_and_open_again(
    learner: str, target: str, most_codes: int, data: Path, tmp_path: Path, load: Any, laid_out: Any
) -> None:
    pytest.importorskip(learner)
    rows = read(data, target=target)
    kept = [name for name in rows.names if name not in ("first", "second")]
    problem = frame(rows.with_columns(kept), target, seed=0, folds=0)
    if most_codes == 2:
        counts = np.random.default_rng(0).random(len(rows)) + 0.5
        problem = replace(problem, weights=counts, weights_column="amount")
    config = {**CONFIGS[learner], "most_codes": most_codes}
    assert exporters[learner].refuses(problem, config) == ""
    how, metric = reading(str(data), (str(data),), problem.data), problem.metric
    found = measure(metric, len(problem.classes))
    assert found is not None
    recipe = exporters[learner].recipe(problem, config)
    table = how.table((str(data),))
    made = write(
        problem, how, table, [(Part(recipe, 1), 1.0)], metric=metric, measure=found, version="test"
    )
    (tmp_path / "train.py").write_text(made.code)
    train = load(tmp_path)
    inputs, truth = train.prepare(table), train.truth_of(table)
    learned, held = problem.parts["train"], problem.parts["test"]
    counted = [] if problem.weights is None else [problem.weights[learned]]
    model = train.build().fit(inputs.iloc[learned], truth[learned], *counted)
    model.save(tmp_path)
    answers = train.build().load(tmp_path).scores(inputs.iloc[held])
    assert np.allclose(answers, model.scores(inputs.iloc[held]))
    counted = [] if problem.weights is None else [problem.weights[held]]
    value = train.score(truth[held], answers, *counted)
    if problem.classes:
        assert value > 0.6
        assert np.allclose(answers.sum(axis=1), 1)
    else:
        assert value < np.std(truth[held])
    assert json.dumps(recipe.settings["params"].value)
    assert laid_out(tmp_path / "train.py") == ""
