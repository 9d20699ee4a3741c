"""Frozen features of texts beside columns: what every learner of tables does alike with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError, DataError, WeightsError
from tunesmith.core.predictions import row_drift
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.learners import _embedding, learners
from tunesmith.learners._folded import fit_whole
from tunesmith.learners._frozen import TIMED_ROWS
from tunesmith.metrics import get
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import BAD, GOOD, PLAIN

ROWS = 240
TABLES = [name for name in learners if "text" in learners[name].config.__dataclass_fields__]


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Two text columns, some cells missing, and a number; the words of one tell the label."""
    dice = np.random.default_rng(0)
    is_good = dice.random(ROWS) < 0.5
    words = [dice.choice(GOOD if good else BAD, 2) for good in is_good]
    said = [f"{dice.choice(PLAIN)} {' '.join(pair)}" for pair in words]
    title = [" ".join(dice.choice(PLAIN, 3)) for _ in range(ROWS)]
    cells: dict[str, Any] = {
        "said": np.array([None if row % 20 == 7 else t for row, t in enumerate(said)], object),
        "title": np.array([None if row % 9 == 4 else t for row, t in enumerate(title)], object),
        "age": dice.normal(size=ROWS),
        "label": np.where(is_good, "good", "bad").astype(object),
    }
    kinds: dict[str, Any] = {"said": "text", "title": "text", "age": "number", "label": "category"}
    columns = tuple(Column(name, kind, "made up") for name, kind in kinds.items())
    return frame(Dataset("made up", columns, cells, np.arange(ROWS)), "label", folds=0)


@pytest.fixture
def _store() -> Iterator[None]:
    _embedding._PROJECTED.clear()
    with using(Store(None, 10**8)):
        yield


def fitted(
    problem: Problem, name: str, checkpoint: str, text: str = "embedding", **clock: Any
) -> Fitted:
    config = default(learners[name].config, {"text": text, "text_backbone": checkpoint})
    watch = Watch(Clock(**clock), lambda score, progress: True)
    return learners[name].fit(problem, config, 0, watch)


def score(problem: Problem, model: Fitted) -> float:
    answers = model.predict(problem.part("test"))
    return get("accuracy").score(problem.truth("test"), answers, None)


@pytest.mark.usefixtures("_store")
@pytest.mark.parametrize("name", TABLES)
def test_a_learner_of_tables_learns_from_an_encoder_and_opens_alone(
    problem: Problem, checkpoint: str, tmp_path: Path, name: str
) -> None:
    if learners[name].suits(problem):
        pytest.skip("its package is not here")
    model = fitted(problem, name, checkpoint)
    assert score(problem, model) > 0.8
    assert model.settled()["text_backbone"] == checkpoint
    model.save(tmp_path)
    with using(None):
        again = learners[name].load(tmp_path).predict(problem.part("test")).array()
    assert row_drift(again, model.predict(problem.part("test")).array()) < 0.01


@pytest.mark.usefixtures("_store")
def test_what_one_trial_has_read_no_other_reads_again(problem: Problem, checkpoint: str) -> None:
    first = fitted(problem, "lightgbm", checkpoint)
    first.predict(problem.part("test"))
    rows = FROZEN.rows
    assert rows > 0
    fitted(problem, "forest", checkpoint, "both").predict(problem.part("test"))
    assert FROZEN.rows == rows


@pytest.mark.usefixtures("_store")
def test_folds_share_what_is_read_and_answer_every_row(problem: Problem, checkpoint: str) -> None:
    folded = frame(problem.data, "label", folds=2)
    before = FROZEN.rows
    pins = {"text": "embedding", "text_backbone": checkpoint, "rounds": 20}
    learner = learners["lightgbm"]
    watch = Watch(Clock(), lambda score, progress: True)
    _, answers = fit_whole(learner, folded, default(learner.config, pins), 0, watch)
    assert answers is not None
    accuracy = get("accuracy").score(folded.truth("valid"), answers, None)
    assert accuracy > 0.75
    assert FROZEN.rows - before <= len(problem.data)


@pytest.mark.usefixtures("_store")
def test_test_rows_are_not_looked_at(problem: Problem, checkpoint: str) -> None:
    fitted(problem, "lightgbm", checkpoint)
    rows = FROZEN.rows
    data = problem.data
    for part, is_read in (("valid", False), ("test", True)):
        fitted(replace(problem, data=data), "lightgbm", checkpoint).predict(problem.part(part))
        assert (FROZEN.rows > rows) is is_read


@pytest.mark.usefixtures("_store")
def test_embedding_stands_for_texts_or_beside_their_topics(
    problem: Problem, checkpoint: str
) -> None:
    told = {}
    for text in ("embedding", "both"):
        model = fitted(problem, "lightgbm", checkpoint, text)
        told[text] = model.model.inputs.names  # type: ignore[attr-defined]
    assert not [name for name in told["embedding"] if "topic" in name]
    assert set(told["embedding"]) < set(told["both"])
    assert {"said: topic 0", "title: topic 0", "texts: embedding 0"} <= set(told["both"])


@pytest.mark.usefixtures("_store")
def test_a_row_without_a_text_is_answered_and_a_missing_column_refused(
    problem: Problem, checkpoint: str
) -> None:
    model = fitted(problem, "lightgbm", checkpoint)
    rows = problem.part("test").take(np.arange(3))
    gone = np.full(3, None, dtype=object)
    empty = replace(rows, cells={**rows.cells, "said": gone, "title": gone})
    assert np.isfinite(model.predict(empty).array()).all()
    with pytest.raises(DataError, match="'title'"):
        model.predict(rows.with_columns(["said", "age"]))


@pytest.mark.usefixtures("_store")
def test_texts_that_take_too_long_to_read_are_not_begun(problem: Problem, checkpoint: str) -> None:
    ticks, before = itertools.count(), FROZEN.rows
    with pytest.raises(BudgetError, match="texts, and"):
        fitted(problem, "lightgbm", checkpoint, limit_seconds=4, now=lambda: float(next(ticks)))
    assert FROZEN.rows - before <= TIMED_ROWS


def test_without_a_checkpoint_for_the_language_texts_are_topics(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.zoo.is_here", lambda card: False)
    assert "text" in learners["lightgbm"].idle(problem)
    with pytest.raises(WeightsError, match="no pretrained weights"):
        fitted(problem, "lightgbm", "")
