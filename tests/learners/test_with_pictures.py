"""Frozen features of pictures beside columns: what every learner of tables does alike with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm")
pytest.importorskip("PIL")

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import DataError
from tunesmith.core.predictions import row_drift
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import _embedding, learners
from tunesmith.metrics import get
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN

TABLES = [name for name in learners if "pictures" in learners[name].config.__dataclass_fields__]


@pytest.fixture
def problem(mixed: Problem) -> Problem:
    """The label hangs on what one of two pictures shows, and on a number."""
    return replace(mixed, inputs=("front", "back", "age", "shop"))


@pytest.fixture
def _store() -> Iterator[None]:
    _embedding._PROJECTED.clear()
    with using(Store(None, 10**8)):
        yield


def fitted(problem: Problem, name: str, checkpoint: str, **more: Any) -> Fitted:
    pins = {"pictures": "embedding", "picture_backbone": checkpoint, **more}
    config = default(learners[name].config, pins)
    watch = Watch(Clock(), lambda score, progress: True)
    return learners[name].fit(problem, config, 0, watch)


def log_loss(problem: Problem, model: Fitted) -> float:
    answers = model.predict(problem.part("test"))
    return get("log_loss").score(problem.truth("test"), answers, None)


@pytest.mark.usefixtures("_store")
@pytest.mark.parametrize("name", TABLES)
def test_a_learner_of_tables_reads_pictures_with_gaps_and_opens_alone(
    problem: Problem, picture_checkpoint: str, tmp_path: Path, name: str
) -> None:
    if learners[name].suits(problem):
        pytest.skip("its package is not here")
    model = fitted(problem, name, picture_checkpoint)
    assert model.settled()["picture_backbone"] == picture_checkpoint
    answers = model.predict(problem.data).array()
    assert np.isfinite(answers).all()
    model.save(tmp_path)
    with using(None):
        again = learners[name].load(tmp_path).predict(problem.data).array()
    assert row_drift(again, answers) < 0.01


@pytest.mark.usefixtures("_store")
def test_pictures_tell_what_columns_do_not(problem: Problem, picture_checkpoint: str) -> None:
    plain = fitted(problem, "linear", picture_checkpoint, pictures="none")
    assert log_loss(problem, fitted(problem, "linear", picture_checkpoint)) < log_loss(
        problem, plain
    )


@pytest.mark.usefixtures("_store")
def test_each_column_of_pictures_has_numbers_of_its_own_and_gaps_where_it_has_none(
    problem: Problem, picture_checkpoint: str
) -> None:
    model = fitted(problem, "lightgbm", picture_checkpoint)
    names = model.model.inputs.names  # type: ignore[attr-defined]
    assert {"front: embedding 0", "back: embedding 0", "age"} <= set(names)
    assert "front" not in names
    (front, _) = model.embeddings  # type: ignore[attr-defined]
    gone = np.array([cell is None for cell in problem.data.values("front")])
    assert (np.isnan(front.numbers(problem.data)).all(axis=1) == gone).all()


@pytest.mark.usefixtures("_store")
def test_without_embedding_a_picture_is_not_looked_at(
    problem: Problem, picture_checkpoint: str
) -> None:
    before = FROZEN.rows
    model = fitted(problem, "lightgbm", picture_checkpoint, pictures="none")
    model.predict(problem.part("test").with_columns(["age", "shop"]))
    assert FROZEN.rows == before


@pytest.mark.usefixtures("_store")
def test_what_the_probe_has_read_trees_do_not_read_again(
    problem: Problem, picture_checkpoint: str
) -> None:
    one = replace(problem, inputs=("front", "age", "shop"))
    watch = Watch(Clock(), lambda score, progress: True)
    pins = {"backbone": picture_checkpoint, "size": 64}
    learners["probe"].fit(one, default(learners["probe"].config, pins), 0, watch)
    rows = FROZEN.rows
    fitted(one, "lightgbm", picture_checkpoint, picture_size=64)
    assert FROZEN.rows == rows
    fitted(one, "lightgbm", picture_checkpoint, picture_size=96)
    assert FROZEN.rows > rows


@pytest.mark.usefixtures("_store")
def test_a_column_with_hardly_a_picture_says_nothing(
    problem: Problem, picture_checkpoint: str
) -> None:
    cells = problem.data.values("front").copy()
    cells[5:] = None
    data = replace(problem.data, cells={**problem.data.cells, "front": cells})
    model = fitted(replace(problem, data=data), "lightgbm", picture_checkpoint)
    names = model.model.inputs.names  # type: ignore[attr-defined]
    assert "back: embedding 0" in names
    assert "front: embedding 0" not in names


@pytest.mark.usefixtures("_store")
def test_a_column_of_pictures_that_is_not_given_is_named(
    problem: Problem, picture_checkpoint: str
) -> None:
    model = fitted(problem, "lightgbm", picture_checkpoint)
    with pytest.raises(DataError, match="'front'"):
        model.predict(problem.part("test").with_columns(["back", "age", "shop"]))
