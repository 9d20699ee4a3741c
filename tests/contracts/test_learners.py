"""The contract of every learner: it beats the majority, is saved whole, repeats itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.records import Problem
from tunesmith.core.space import check_pins, default, leaves
from tunesmith.learners import learners
from tunesmith.metrics import get

WITH_WEIGHTS = ("tabicl", "tabpfn")
"""Those whose weights no package carries: see `tests/learners/test_in_context.py`."""
PROPOSED = [name for name in learners if learners[name].is_proposed and name not in WITH_WEIGHTS]
SAFE = {".json", ".safetensors", ".txt", ".ubj"}
"""What is saved: JSON, arrays, and the own formats of LightGBM and XGBoost, which hold no code."""


TREES = ("lightgbm", "xgboost", "catboost", "forest")


def needs_its_library(name: str, example: Problem) -> None:
    """Skip where the package of a learner is not there, or the example has words and it has no use
    for them; the learner says so itself."""
    reason = learners[name].suits(example)
    if any(one in reason for one in ("is not installed", "a scorecard", "an explainable")):
        pytest.skip(reason)


def watch() -> Watch:
    return Watch(Clock(), lambda score, progress: True)


def config_of(name: str, checkpoint: str, **more: Any) -> Any:
    kind = learners[name].config
    fields = ("backbone", "text_backbone")
    pins = {field: checkpoint for field in fields if field in kind.__dataclass_fields__}
    if name == "neural":
        pins |= {"epochs": 3, "lr": 1e-3, "batch_size": 8}
    return default(kind, pins | more)


def fitted(name: str, example: Problem, checkpoint: str, **more: Any) -> Fitted:
    needs_its_library(name, example)
    return learners[name].fit(example, config_of(name, checkpoint, **more), 0, watch())


def quality(example: Problem, model: Fitted) -> float:
    metric = get(example.metric)
    value = metric.score(example.truth("test"), model.predict(example.part("test")), None)
    return value if metric.higher_is_better else -value


@pytest.mark.parametrize("name", [*learners])
@pytest.mark.parametrize("side", [-1, 4097])
def test_no_learner_reads_pictures_of_sides_that_there_are_not(name: str, side: int) -> None:
    kind = learners[name].config
    for field in {"size", "picture_size"} & {*leaves(kind())}:
        with pytest.raises(ConfigError, match=field):
            check_pins(kind, {field: side})


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("cell", field) for field in ("width", "layers", "every", "quarters", "depth")),
        *(("neural", field) for field in ("head", "adapter.LoRA.rank", "adapter.Bottleneck.width")),
    ],
)
def test_no_network_is_so_large_that_it_fills_the_memory(name: str, field: str) -> None:
    with pytest.raises(ConfigError, match=field.rpartition(".")[2]):
        check_pins(learners[name].config, {field: 10**12})


@pytest.mark.parametrize("name", PROPOSED)
def test_every_learner_keeps_its_contract(
    name: str, example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    needs_its_library(name, example)
    assert learners[name].suits(example) == ""
    model = fitted(name, example, checkpoint)
    if name != "majority":
        assert quality(example, model) > quality(example, fitted("majority", example, checkpoint))
    answers = model.predict(example.part("test")).array()
    assert np.isfinite(answers).all()
    if model.heat_methods():  # credit of which one asks whether it hangs on what was learned
        drawn = model.redrawn(0)
        assert drawn is not None
        assert not np.allclose(drawn.predict(example.part("test")).array(), answers, atol=1e-3)
    model.save(tmp_path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= SAFE
    opened = learners[name].load(tmp_path)
    assert np.allclose(opened.predict(example.part("test")).array(), answers, atol=2e-3)
    assert dict(opened.settled()) == dict(model.settled())


@pytest.mark.parametrize("name", PROPOSED)
def test_the_same_seed_gives_the_same_model(name: str, example: Problem, checkpoint: str) -> None:
    first, second = (fitted(name, example, checkpoint) for _ in range(2))
    test = example.part("test")
    assert np.array_equal(first.predict(test).array(), second.predict(test).array())


@pytest.mark.parametrize("name", PROPOSED)
def test_empty_cells_and_new_categories_are_answered(
    name: str, example: Problem, checkpoint: str
) -> None:
    model = fitted(name, example, checkpoint)
    rows = example.part("test").take(np.arange(3))
    cells = {key: values.copy() for key, values in rows.cells.items()}
    cells["text"][0], cells["shop"][1], cells["age"][2] = None, "a new shop", np.nan
    answers = model.predict(replace(rows, cells=cells)).array()
    assert np.isfinite(answers).all()


@pytest.mark.parametrize("name", [name for name in PROPOSED if name != "majority"])
def test_what_selection_settled_can_be_pinned_to_fit_all_rows(
    name: str, example: Problem, checkpoint: str
) -> None:
    settled = fitted(name, example, checkpoint).settled()
    rows = np.concatenate(list(example.parts.values()))
    whole = replace(example, parts={**example.parts, "train": rows})
    again = fitted(name, whole, checkpoint, **settled)
    assert dict(again.settled()) == dict(settled)
    majority = fitted("majority", example, checkpoint)
    assert quality(example, again) > quality(example, majority)


@pytest.mark.parametrize("name", [name for name in PROPOSED if name != "majority"])
def test_a_target_far_from_zero_loses_no_precision(
    name: str, example: Problem, checkpoint: str
) -> None:
    if example.classes:
        pytest.skip("a class has no size")
    far = example.data.values(example.target) + 1.7e9
    data = replace(example.data, cells={**example.data.cells, example.target: far})
    test = example.part("test")
    near = fitted(name, example, checkpoint).predict(test).array()
    there = fitted(name, replace(example, data=data), checkpoint).predict(test).array()
    most = 0.25 if name in TREES else 1e-3  # which of two like splits is taken hangs on a digit
    assert np.allclose(there - 1.7e9, near, atol=most)


@pytest.mark.parametrize("name", [name for name in PROPOSED if name != "majority"])
def test_a_missing_column_is_named(name: str, example: Problem, checkpoint: str) -> None:
    model = fitted(name, example, checkpoint)
    with pytest.raises(DataError, match="'age'"):
        model.inputs.check(example.part("test").with_columns(("text", "shop")))  # type: ignore[attr-defined]
