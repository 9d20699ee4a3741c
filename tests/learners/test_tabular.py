"""Networks for tables: every branch learns, what is saved answers the same, time is kept."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._tabular_inputs import TabularInputs
from tunesmith.learners.tabular import TabularModel, batch_size
from tunesmith.nn.tabular import bins
from tunesmith.pipeline.frame import frame

QUICK = {"epochs": 12, "lr": 5e-3, "batch_size": 64}
SMALL = {"network.TabM.members": 8, "network.TabM.width": 64}


def table(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Whether the product of two numbers is positive, turned round in one of the shops; a linear
    model sees nothing of it."""
    dice = np.random.default_rng(seed)
    first, second = dice.normal(size=(2, rows))
    shop = dice.choice(["north", "south", "west"], rows)
    product = first * second * np.where(shop == "west", -1.0, 1.0)
    first[::9] = np.nan
    return pd.DataFrame(
        {
            "first": first,
            "second": second,
            "shop": shop,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(dice.integers(0, 900, rows), "D"),
            "label": np.where(product > 0, "yes", "no"),
            "size": 100.0 + 50.0 * product,
        }
    )


def problem(target: str, rows: int = 400) -> Problem:
    other = "size" if target == "label" else "label"
    return frame(read(table(rows).drop(columns=other)), target, seed=0)


@pytest.fixture(scope="module")
def labels() -> Problem:
    return problem("label")


@pytest.fixture(scope="module")
def sizes() -> Problem:
    return problem("size")


def watch(clock: Clock | None = None) -> Watch:
    return Watch(clock or Clock(), lambda score, progress: True)


def fitted(given: Problem, pins: dict[str, Any], clock: Clock | None = None) -> TabularModel:
    config = default(learners["tabular"].config, {**QUICK, **pins})
    model = learners["tabular"].fit(given, config, 0, watch(clock))
    assert isinstance(model, TabularModel)
    return model


@pytest.mark.parametrize("target", ["label", "size"])
@pytest.mark.parametrize(
    "pins",
    [
        {**SMALL},
        {**SMALL, "network.TabM.numbers": "Periodic", "scaling": "quantile"},
        {**SMALL, "network.TabM.numbers": "Plain", "schedule": "constant", "clip": 0.0},
        {"network": "RealMLP", "schedule": "coslog4"},
        {"network": "ResNet"},
        {"network": "FTTransformer", "network.FTTransformer.width": 32, "epochs": 4},
    ],
)
def test_every_network_is_saved_whole(
    target: str, pins: dict[str, Any], labels: Problem, sizes: Problem, tmp_path: Path
) -> None:
    given = labels if target == "label" else sizes
    model = fitted(given, {**pins, "epochs": min(4, pins.get("epochs", 4))})
    rows = given.part("test")
    answers = model.predict(rows).array()
    assert np.isfinite(answers).all()
    model.save(tmp_path)
    opened = learners["tabular"].load(tmp_path)
    assert np.allclose(opened.predict(rows).array(), answers, atol=1e-5, rtol=1e-5)


def test_it_learns_what_no_linear_model_can() -> None:
    given = problem("label", rows=1500)
    rows, truth = given.part("test"), given.truth("test")
    linear = learners["linear"].fit(given, default(learners["linear"].config), 0, watch())
    known = ~np.isnan(rows.values("first"))

    def right(answers: Any) -> float:
        return float((answers.array().argmax(axis=1) == truth)[known].mean())

    assert right(linear.predict(rows)) < 0.65
    assert right(fitted(given, {**SMALL, "epochs": 16}).predict(rows)) > 0.85


def test_the_inputs_go_through_json_and_come_back_the_same(labels: Problem) -> None:
    train, test = labels.part("train"), labels.part("test")
    for scaling in ("robust", "quantile"):
        inputs = TabularInputs.fit(train, labels.inputs, scaling, 0)
        again = TabularInputs.restore(json.loads(json.dumps(inputs.state())), inputs.tensors())
        for mine, theirs in zip(inputs.arrays(test), again.arrays(test), strict=True):
            assert np.array_equal(mine, theirs)


def test_codes_stay_below_their_number_whatever_comes(labels: Problem) -> None:
    inputs = TabularInputs.fit(labels.part("train"), labels.inputs, "robust", 0)
    rows = labels.part("test").take(np.arange(3))
    cells = {name: values.copy() for name, values in rows.cells.items()}
    cells["shop"][0], cells["shop"][1] = None, "never seen"
    cells["day"][0] = np.datetime64("NaT")
    cells["first"][0], cells["second"][1], cells["second"][2] = np.nan, np.nan, np.inf
    numbers, codes = inputs.arrays(replace(rows, cells=cells))
    assert np.isfinite(numbers).all()
    assert (codes >= 0).all()
    assert (codes < np.array(inputs.cardinalities)).all()
    shop = codes[:, list(inputs.levels).index("shop")]
    assert len(set(shop[:2])) == 2  # missing is not the same as unknown


@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_scaling_keeps_the_order_and_bounds_what_is_far(scaling: str) -> None:
    values = np.concatenate([np.zeros(500), np.arange(1.0, 101.0) ** 4])
    data = read(pd.DataFrame({"value": values, "label": np.resize(["a", "b"], 600)}))
    inputs = TabularInputs.fit(data, ("value",), scaling, 0)
    numbers, _ = inputs.arrays(data)
    assert (np.diff(numbers[:, 0]) >= 0).all()
    assert np.abs(numbers).max() < 6


def test_bins_tell_apart_the_few_values_beside_one_that_most_rows_have() -> None:
    column = np.zeros((1000, 1), dtype=np.float32)
    column[:50, 0] = np.arange(50)
    (edges,) = bins(column, 32, np.random.default_rng(0))
    assert len(edges) > 10
    assert len(edges) <= 33


def test_numbers_that_never_vary_and_tables_of_categories_alone_are_learned() -> None:
    frame_ = table(200)[["shop", "label"]].assign(same=1.0)
    given = frame(read(frame_), "label", seed=0)
    model = fitted(given, {**SMALL, "epochs": 4})
    assert np.isfinite(model.predict(given.part("test")).array()).all()


def test_what_the_valid_rows_settled_is_trained_without_looking(labels: Problem) -> None:
    looks: list[float] = []
    settled = fitted(labels, SMALL).settled()
    config = default(learners["tabular"].config, {**QUICK, **SMALL, **settled})
    seen = Watch(Clock(), lambda score, progress: bool(looks.append(score)) or True)
    model = learners["tabular"].fit(labels, config, 0, seen)
    assert not looks
    assert model.settled() == settled


def test_it_ends_where_the_watch_says_so(labels: Problem) -> None:
    seen: list[float] = []
    config = default(learners["tabular"].config, {**QUICK, **SMALL})
    ended = Watch(Clock(), lambda score, progress: bool(seen.append(progress)))
    learners["tabular"].fit(labels, config, 0, ended)
    assert seen == [pytest.approx(1 / QUICK["epochs"])]


def test_it_ends_in_time_and_refuses_where_no_epoch_fits(labels: Problem) -> None:
    def ticking(seconds: float) -> Clock:
        ticks = itertools.count()
        return Clock(seconds, now=lambda: 0.01 * next(ticks))

    pins = {**SMALL, "batch_size": 32}
    with pytest.raises(BudgetError, match="epoch"):
        fitted(labels, pins, ticking(1.1))
    model = fitted(labels, {**pins, "epochs": 128, "patience": 1000}, ticking(2.5))
    assert 0 < model.stop_after < 20


def test_balanced_classes_make_the_rare_one_likelier() -> None:
    rows = table(600)
    rows = rows[(rows["label"] == "no") | (np.arange(len(rows)) % 8 == 0)]
    given = frame(read(rows.drop(columns="size")), "label", seed=0)
    place = given.classes.index("yes")

    def share(balanced: bool) -> float:
        model = fitted(given, {**SMALL, "balanced": balanced, "epochs": 6})
        return float(model.predict(given.part("test")).array()[:, place].mean())

    assert share(True) > 1.5 * share(False)


def test_batches_grow_with_the_rows() -> None:
    sizes = [batch_size(default(learners["tabular"].config), 10**power) for power in range(2, 7)]
    assert sizes == sorted(sizes)
    assert min(sizes) >= 32
    assert max(sizes) <= 1024


def test_it_says_why_it_is_left_out(labels: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    only = replace(
        labels,
        data=replace(
            labels.data,
            columns=tuple(
                replace(column, kind="text") if column.name != "label" else column
                for column in labels.data.columns
            ),
        ),
    )
    assert "only texts" in learners["tabular"].suits(only)
    assert learners["tabular"].suits(labels) == ""
    monkeypatch.setitem(sys.modules, "tabm", None)
    reason = learners["tabular"].suits(labels)
    assert "tabm" in reason
    assert 'pip install "tunesmith[tabular]"' in reason


def test_few_rows_get_few_bins() -> None:
    dice = np.random.default_rng(0)
    few, many = (
        bins(dice.normal(size=(rows, 1)).astype(np.float32), 1000, dice)[0] for rows in (200, 8000)
    )
    assert len(few) < 30
    assert len(many) > 500


def test_text_beside_the_numbers_is_read() -> None:
    dice = np.random.default_rng(0)
    good = dice.random(300) < 0.5
    words = [
        " ".join([*dice.choice(["kind", "warm"] if one else ["cold", "torn"], 2), "coat"])
        for one in good
    ]
    data = pd.DataFrame({"remark": words, "number": dice.normal(size=300)})
    kinds = read(data.assign(label=np.where(good, "yes", "no")))
    columns = tuple(replace(c, kind="text") if c.name == "remark" else c for c in kinds.columns)
    given = frame(replace(kinds, columns=columns), "label", seed=0)
    model = fitted(given, {**SMALL, "epochs": 8})
    answers = model.predict(given.part("test")).array().argmax(axis=1)
    assert (answers == given.truth("test")).mean() > 0.95
