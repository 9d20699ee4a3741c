"""The script of an explainable boosting machine answers as the learner does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
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
    target: str, pins: dict[str, Any], tmp_path: Path, load: Any
) -> None:
    file = tmp_path / "table.csv"
    table()[["x", "y", "shop", target]].to_csv(file, index=False)
    problem = frame(read(str(file), target=target), target, seed=0, folds=0)
    learner, exporter = learners["ebm"], exporters["ebm"]
    config = default(learner.config, {"rounds": 60, **pins})
    assert exporter.refuses(problem, asdict(config)) == ""
    assert exporter.refuses(problem, {**asdict(config), "rounds": 0}) != ""
    how = reading(str(file), (str(file),))
    found = measure(problem.metric, len(problem.classes))
    assert found is not None
    rows = how.table((str(file),))
    made = write(
        *(problem, how, rows, [(exporter.recipe(problem, asdict(config)), 1.0)]),
        metric=problem.metric,
        measure=found,
        version="test",
    )
    (tmp_path / "train.py").write_text(made.code)
    assert "interpret-core" in made.packages
    train = load(tmp_path)
    inputs, truth = train.prepare(rows), train.truth_of(rows)
    learned, held = problem.parts["train"], problem.parts["test"]
    train.build().fit(inputs.iloc[learned], truth[learned]).save(tmp_path)
    answers = train.build().load(tmp_path).scores(inputs.iloc[held])
    fitted = learner.fit(problem, config, 0, Watch(Clock(), lambda score, progress: True))
    assert np.allclose(answers, fitted.predict(problem.part("test")).array(), atol=1e-6)
    tool = Path(sys.executable).with_name("ruff")
    for command in (["format", "--diff", "--line-length", "88"], ["check", "--select", "F,I,B,UP"]):
        ran = subprocess.run(
            [tool, *command, "--isolated", tmp_path / "train.py"], capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout
