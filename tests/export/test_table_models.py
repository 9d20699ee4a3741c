"""Scripts of models of a table answer as their learners do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default, from_dict, to_dict
from tunesmith.data.read import read
from tunesmith.export import exporters
from tunesmith.export._ensembles import Part
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame

TRAINED = {"epochs": 8, "stop_after": 6.0, "patience": 0}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "fewer rows": ("linear", {"strength": 1.0, "resample": "under"}),
    "more rows": ("linear", {"strength": 1.0, "resample": "over"}),
    "forest": ("forest", {"trees": 60}),
    "extra trees": ("forest", {"trees": 60, "extra": True, "most_codes": 1000}),
    "neighbours": ("neighbours", {"count": 10}),
    "alike": ("neighbours", {"count": 5, "relevant": False, "by_distance": False}),
    "TabM": ("tabular", {}),
    "plain TabM": (
        "tabular",
        {"network": {"kind": "TabM", "numbers": {"kind": "Plain"}, "members": 8}},
    ),
    "RealMLP": (
        "tabular",
        {
            "scaling": "quantile",
            "balanced": True,
            "network": {"kind": "RealMLP", "width": 64, "numbers": {"kind": "Periodic"}},
        },
    ),
    "ResNet": ("tabular", {"network": {"kind": "ResNet", "width": 64}}),
    "FTTransformer": (
        "tabular",
        {"schedule": "coslog4", "network": {"kind": "FTTransformer", "width": 32}},
    ),
}
"""By a name of the case: the learner, and what is not as usual."""


def framed(data: Path, target: str) -> Problem:
    rows = read(data, target=target)
    kept = [name for name in rows.names if name not in ("first", "second")]
    return frame(rows.with_columns(kept), target, seed=0, folds=0)


@pytest.mark.parametrize("target", ["'''label", "amount"])
@pytest.mark.parametrize("case", list(CONFIGS))
def test_a_model_as_code_answers_as_its_learner(
    case: str, target: str, data: Path, tmp_path: Path, written: Callable[..., ModuleType]
) -> None:
    name, changes = CONFIGS[case]
    if name == "tabular":
        pytest.importorskip("tabm")
        changes = {**TRAINED, **changes}
    problem, learner = framed(data, target), learners[name]
    config = from_dict(learner.config, changes)
    plain = to_dict(config)
    assert exporters[name].refuses(problem, plain) == ""
    train = written(problem, tmp_path, Part(exporters[name].recipe(problem, plain), 1))
    table = train.read(train.DATA)
    inputs, truth = train.prepare(table), train.truth_of(table)
    rows, held = problem.parts["train"], problem.parts["test"]
    train.build().fit(inputs.iloc[rows], truth[rows]).save(tmp_path)
    answers = train.build().load(tmp_path).scores(inputs.iloc[held])
    watch = Watch(Clock(), lambda score, progress: True)
    one, *others = (
        learner.fit(problem, config, seed, watch).predict(problem.part("test")).array()
        for seed in range(4)
    )
    assert answers.shape == one.shape
    # About as near to the learner's answers as those of other seeds are.
    spread = 1.0 if problem.classes else float(np.std(truth[rows]))
    usual = max(np.abs(other - one).mean() for other in others)
    assert np.abs(answers - one).mean() < 1.5 * usual + 0.02 * spread


@pytest.mark.parametrize("name", ["forest"])
def test_row_weights_count(name: str, data: Path, tmp_path: Path, written: Any) -> None:
    problem = framed(data, "'''label")
    heavy = np.where(problem.encode(problem.data.values(problem.target)) == 1, 20.0, 1.0)
    heavy = replace(problem, weights=heavy, weights_column="amount")
    plain = to_dict(default(learners[name].config, CONFIGS[name][1]))
    rows, held = problem.parts["train"], problem.parts["test"]
    shares = []
    for one, counted in ((problem, []), (heavy, [heavy.weights[rows]])):
        train = written(one, tmp_path, Part(exporters[name].recipe(one, plain), 1))
        table = train.read(train.DATA)
        inputs, truth = train.prepare(table), train.truth_of(table)
        model = train.build().fit(inputs.iloc[rows], truth[rows], *counted)
        shares.append(model.scores(inputs.iloc[held])[:, 1].mean())
    assert shares[1] > shares[0] + 0.15
