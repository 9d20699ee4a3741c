"""One head over every kind of column: what each way of fusing does alike, and where they differ."""

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
from tunesmith.core.errors import BudgetError, DataError, WeightsError
from tunesmith.core.predictions import row_drift
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._blocks import Blocks, Reads
from tunesmith.metrics import get
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN

WAYS: dict[str, dict[str, Any]] = {
    "late": {"fusion": "Late"},
    "late, hidden layer": {"fusion": "Late", "fusion.Late.width": 64},
    "gated": {"fusion": "Gated"},
    "transformer": {"fusion": "Transformer"},
}


@pytest.fixture(autouse=True)
def _store() -> Iterator[None]:
    with using(Store(None, 10**8)):
        yield


@pytest.fixture
def reads(checkpoint: str, picture_checkpoint: str) -> dict[str, Any]:
    return {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint, "batch_size": 32}


def fitted(problem: Problem, pins: dict[str, Any]) -> Fitted:
    learner = learners["fusion"]
    assert not learner.suits(problem)
    watch = Watch(Clock(), lambda score, progress: True)
    return learner.fit(problem, default(learner.config, pins), 0, watch)


def accuracy(problem: Problem, model: Fitted) -> float:
    """Over the rows that nothing was fitted to."""
    rows = np.concatenate([problem.parts["valid"], problem.parts["test"]])
    truth = problem.encode(problem.data.values(problem.target)[rows])
    return get("accuracy").score(truth, model.predict(problem.data.take(rows)), None)


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_column_is_learned_from_and_the_model_opens_alone(
    way: str, mixed: Problem, reads: dict[str, Any], tmp_path: Path
) -> None:
    model = fitted(mixed, {**reads, **WAYS[way]})
    answers = model.predict(mixed.data).array()
    assert np.isfinite(answers).all()
    alone = fitted(replace(mixed, inputs=("title", "shop", "day")), {**reads, **WAYS[way]})
    assert accuracy(mixed, model) > accuracy(mixed, alone) + 0.05
    model.save(tmp_path)
    with using(None):
        again = learners["fusion"].load(tmp_path).predict(mixed.data).array()
    assert row_drift(again, answers) < 0.01


@pytest.mark.parametrize("way", WAYS)
def test_numbers_are_answered_in_their_own_units(
    way: str, mixed: Problem, reads: dict[str, Any]
) -> None:
    votes = np.where(mixed.data.values("label") == "yes", 1000.0, 900.0)
    data = replace(mixed.data, cells={**mixed.data.cells, "label": votes})
    problem = replace(mixed, data=data, classes=(), task="regression", metric="rmse")
    found = fitted(problem, {**reads, **WAYS[way]}).predict(problem.part("test")).array()
    assert get("rmse").score(problem.truth("test"), _values(found), None) < 50.0


def _values(found: np.ndarray) -> Any:
    from tunesmith.core.predictions import Values

    return Values(found)


@pytest.mark.parametrize("way", WAYS)
def test_a_row_with_nothing_in_it_is_answered(
    way: str, mixed: Problem, reads: dict[str, Any]
) -> None:
    model = fitted(mixed, {**reads, **WAYS[way]})
    rows = mixed.part("test").take(np.arange(3))
    gone: dict[str, Any] = {
        name: np.full(3, None, dtype=object) for name in ("front", "back", "said", "title", "shop")
    }
    gone |= {"age": np.full(3, np.nan), "day": np.full(3, np.datetime64("NaT"), "datetime64[s]")}
    empty = model.predict(replace(rows, cells={**rows.cells, **gone})).array()
    assert np.isfinite(empty).all()
    assert np.allclose(empty, empty[0], atol=1e-6)


def test_texts_are_one_block_or_one_each(mixed: Problem, reads: dict[str, Any]) -> None:
    watch = Watch(Clock(), lambda score, progress: True)
    names = {}
    for texts in ("together", "apart"):
        read = Reads(reads["text_backbone"], reads["picture_backbone"], texts=texts)
        blocks = Blocks.fit(mixed, read, watch, 0)
        names[texts] = blocks.names
        numbers, marks = blocks.arrays(mixed.data)
        assert numbers.shape == (len(mixed.data), sum(blocks.widths))
        assert marks.shape == (len(mixed.data), len(blocks.names))
    assert names["together"][:3] == ("texts", "front", "back")
    assert names["apart"][:4] == ("said", "title", "front", "back")
    gone = np.array([cell is None for cell in mixed.data.values("front")])
    assert (marks[:, 2] == ~gone).all()
    start = sum(blocks.widths[:2])
    assert not numbers[gone, start : start + blocks.widths[2]].any()


def test_components_are_few_and_no_larger_than_features(
    mixed: Problem, reads: dict[str, Any]
) -> None:
    read = Reads(reads["text_backbone"], reads["picture_backbone"], components=8)
    blocks = Blocks.fit(mixed, read, Watch(Clock(), lambda score, progress: True), 0)
    assert blocks.widths[:3] == (8, 8, 8)
    spread = blocks.arrays(mixed.part("train"))[0][:, :8].std(axis=0)
    assert 0.8 < spread[0] < 1.2
    assert (np.diff(spread) < 0.05).all()


def test_a_second_way_of_fusing_reads_nothing_again(mixed: Problem, reads: dict[str, Any]) -> None:
    fitted(mixed, reads)
    before = FROZEN.rows
    fitted(mixed, {**reads, **WAYS["gated"]})
    assert FROZEN.rows == before


def test_what_was_settled_is_fitted_the_same_again(mixed: Problem, reads: dict[str, Any]) -> None:
    for way in ("late", "transformer"):
        model = fitted(mixed, {**reads, **WAYS[way]})
        again = fitted(mixed, {**reads, **WAYS[way], **model.settled()})
        same = row_drift(again.predict(mixed.data).array(), model.predict(mixed.data).array())
        assert same < 0.02


@pytest.mark.parametrize("way", ["late", "gated"])
def test_rows_that_count_more_are_learned_from_more(
    way: str, mixed: Problem, reads: dict[str, Any]
) -> None:
    truth = mixed.encode(mixed.data.values("label"))
    means = []
    for factor in (1 / 8, 8):
        weights = np.where(truth == 1, factor, 1.0)
        problem = replace(mixed, weights=weights / weights.mean())
        model = fitted(problem, {**reads, **WAYS[way]})
        means.append(model.predict(mixed.part("test")).array()[:, 1].mean())
    assert means[0] < means[1]


def test_a_missing_column_is_named(mixed: Problem, reads: dict[str, Any]) -> None:
    model = fitted(mixed, reads)
    rows = mixed.part("test").with_columns(["front", "back", "said", "title", "age", "day"])
    with pytest.raises(DataError, match="'shop'"):
        model.predict(rows)


def test_without_a_checkpoint_it_says_what_is_missing(
    mixed: Problem, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.zoo.is_here", lambda card: False)
    with pytest.raises(WeightsError, match="for pictures"):
        fitted(mixed, {"text_backbone": checkpoint})


def test_columns_alone_are_not_for_it(mixed: Problem) -> None:
    plain = replace(mixed, inputs=("age", "shop"))
    assert "no input column" in learners["fusion"].suits(plain)


def test_where_there_is_no_time_pictures_are_read_smaller_or_left_out(
    mixed: Problem, reads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    slowest = [96]

    def read(base: Any, contents: Any, length: int, watch: Watch, share: float) -> None:
        if base.reader.kind == "image" and length >= slowest[0]:
            raise BudgetError(f"too slow at {length}")

    monkeypatch.setattr("tunesmith.learners._frozen.read_within", read)
    smaller = fitted(mixed, {**reads, "picture_size": 160})
    assert smaller.settled()["picture_size"] == 64
    slowest[0] = 0
    without = fitted(mixed, {**reads, "picture_size": 160})
    assert "front" not in without.blocks.names  # type: ignore[attr-defined]
    assert np.isfinite(without.predict(mixed.data).array()).all()
    with pytest.raises(BudgetError, match="too slow"):
        fitted(replace(mixed, inputs=("front", "back", "age")), reads)
