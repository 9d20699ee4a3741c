"""The script of a scorecard cuts and answers as the learner does."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

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


def test_a_card_as_code_gives_the_points_of_the_learner(
    data: Path, tmp_path: Path, load: Any, laid_out: Any
) -> None:
    target = "'''label"
    rows = read(data, target=target)
    kept = [name for name in rows.names if name not in ("first", "second")]
    problem = frame(rows.with_columns(kept), target, seed=0, folds=0)
    learner, exporter = learners["scorecard"], exporters["scorecard"]
    config = default(learner.config, {"strength": 5.0})
    assert exporter.refuses(problem, asdict(config)) == ""
    assert exporter.refuses(problem, asdict(replace(config, strength=0.0))) != ""
    how = reading(str(data), (str(data),), problem.data)
    found = measure(problem.metric, len(problem.classes))
    assert found is not None
    recipe = exporter.recipe(problem, asdict(config))
    table = how.table((str(data),))
    made = write(
        *(problem, how, table, [(Part(recipe, 1), 1.0)]),
        metric=problem.metric,
        measure=found,
        version="test",
    )
    (tmp_path / "train.py").write_text(made.code)
    train = load(tmp_path)
    inputs, truth = train.prepare(table), train.truth_of(table)
    learned, held = problem.parts["train"], problem.parts["test"]
    train.build().fit(inputs.iloc[learned], truth[learned]).save(tmp_path)
    answers = train.build().load(tmp_path).scores(inputs.iloc[held])
    fitted = learner.fit(problem, config, 0, Watch(Clock(), lambda score, progress: True))
    assert np.allclose(answers, fitted.predict(problem.part("test")).array(), atol=0.03)
    assert laid_out(tmp_path / "train.py") == ""
