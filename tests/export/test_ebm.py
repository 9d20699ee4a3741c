"""The script of an explainable boosting machine answers as the learner does."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.export import exporters
from tunesmith.export._data import reading
from tunesmith.export._ensembles import Part
from tunesmith.export._scores import measure
from tunesmith.export._script import write
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame

pytest.importorskip("interpret")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def table(rows: int = 300) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    x, y = dice.normal(size=(2, rows)).round(3)
    shop = dice.choice(["a", "b", "c"], rows).astype(object)
    size = x + 2 * x * y + (shop == "c") + 0.3 * dice.normal(size=rows)
    x[:20], shop[20:40] = np.nan, None
    found = pd.DataFrame({"x": x, "y": y, "shop": shop})
    return found.assign(
        two=np.where(size > 0, "bad", "good"),
        three=np.digitize(size, [-0.7, 0.7]).astype(str),
        size=size.round(4),
    )


@pytest.mark.parametrize(
    ("target", "pins"),
    [
        ("two", {"pair_rounds": 30}),
        ("two", {"rising": "x", "falling": "y", "balanced": True}),
        ("three", {"pair_rounds": 30}),
        ("size", {"pair_rounds": 30}),
    ],
)
def test_the_code_answers_as_the_learner(
    target: str, pins: dict[str, Any], tmp_path: Path, load: Any, laid_out: Any
) -> None:
    file = tmp_path / "table.csv"
    table()[["x", "y", "shop", target]].to_csv(file, index=False)
    problem = frame(read(str(file), target=target), target, seed=0, folds=0)
    if pins.get("balanced"):
        counts = np.random.default_rng(0).random(len(problem.data)) + 0.5
        problem = replace(problem, weights=counts, weights_column="y")
    learner, exporter = learners["ebm"], exporters["ebm"]
    config = default(learner.config, {"rounds": 60, **pins})
    assert exporter.refuses(problem, asdict(config)) == ""
    assert exporter.refuses(problem, {**asdict(config), "rounds": 0}) != ""
    how = reading(str(file), (str(file),), problem.data)
    found = measure(problem.metric, len(problem.classes))
    assert found is not None
    rows = how.table((str(file),))
    made = write(
        *(problem, how, rows, [(Part(exporter.recipe(problem, asdict(config)), 1), 1.0)]),
        metric=problem.metric,
        measure=found,
        version="test",
    )
    (tmp_path / "train.py").write_text(made.code)
    assert "interpret-core" in made.packages
    train = load(tmp_path)
    inputs, truth = train.prepare(rows), train.truth_of(rows)
    learned, held = problem.parts["train"], problem.parts["test"]
    counted = [] if problem.weights is None else [problem.weights[learned]]
    train.build().fit(inputs.iloc[learned], truth[learned], *counted).save(tmp_path)
    answers = train.build().load(tmp_path).scores(inputs.iloc[held])
    fitted = learner.fit(problem, config, 0, Watch(Clock(), lambda score, progress: True))
    assert np.allclose(answers, fitted.predict(problem.part("test")).array(), atol=1e-6)
    assert laid_out(tmp_path / "train.py") == ""
