"""A scorecard: bins that can be read, points that add up to the answer, order that is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._bins import Bins, cut_column
from tunesmith.learners.scorecard import Scorecard, rising
from tunesmith.metrics import get
from tunesmith.pipeline.frame import frame

CARD = learners["scorecard"]


def credits(rows: int = 600) -> pd.DataFrame:
    """Loans that are bad where they are long and large, and of strangers."""
    dice = np.random.default_rng(0)
    months = dice.integers(4, 61, rows).astype(float)
    amount = dice.lognormal(8, 0.7, rows)
    purpose = dice.choice(["car", "radio", "school", "repairs"], rows)
    since = np.datetime64("2020-01-01") + dice.integers(0, 900, rows).astype("timedelta64[D]")
    risk = 0.06 * months + 0.4 * np.log(amount) + (purpose == "school") * 1.2 - 6.2
    bad = dice.random(rows) < 1 / (1 + np.exp(-risk))
    months[dice.random(rows) < 0.1] = np.nan
    table = pd.DataFrame({"months": months, "amount": amount, "purpose": purpose, "since": since})
    return table.assign(label=np.where(bad, "bad", "good"))


@pytest.fixture(scope="module")
def problem() -> Problem:
    return frame(read(credits(), target="label"), "label", folds=0, metric="roc_auc")


def card(problem: Problem, **pins: Any) -> Scorecard:
    watch = Watch(Clock(), lambda score, progress: True)
    found = CARD.fit(problem, default(CARD.config, pins), 0, watch)
    assert isinstance(found, Scorecard)
    return found


def test_a_card_ranks_about_as_well_as_what_made_the_data(problem: Problem) -> None:
    test = problem.part("test")
    found = get("roc_auc").score(problem.truth("test"), card(problem).predict(test), None)
    assert found > 0.75


def test_points_are_whole_and_add_up_to_the_answer(problem: Problem) -> None:
    found, test = card(problem), problem.part("test")
    points = found.points(test)
    assert points.dtype == np.int64
    assert points.shape == (len(test), len(found.features))
    answers = found.predict(test).array()[:, problem.classes.index(found.speaks_for)]
    odds = np.log(answers / (1 - answers))
    assert np.allclose(points.sum(axis=1), found.scale.offset + found.scale.factor * odds)
    lines = {(line["feature"], line["bin"]): line["points"] for line in found.table()}
    for row in range(5):
        said = [
            lines[one.bins.name, one.bins.labels()[one.bins.codes(test.values(one.bins.name))[row]]]
            for one in found.features
        ]
        assert sum(said) == points[row].sum()


def test_points_mean_what_the_config_says(problem: Problem) -> None:
    found = card(problem, base_points=500.0, base_odds=1.0, double_odds=40.0)
    assert found.scale.offset == 500.0
    assert np.isclose(found.scale.factor * np.log(2), 40)
    assert np.allclose(found.predict(problem.part("test")).array().sum(axis=1), 1)


def test_along_a_number_points_only_rise_or_only_fall(problem: Problem) -> None:
    for feature in card(problem, bins=12, least_share=0.01).features:
        if feature.bins.kind == "number":
            steps = np.diff(feature.evidence[:-1])
            assert (steps >= 0).all() or (steps <= 0).all()


def test_a_card_is_saved_as_json_and_opens_the_same(problem: Problem, tmp_path: Path) -> None:
    found = card(problem)
    found.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]
    opened = CARD.load(tmp_path)
    assert opened == found
    test = problem.part("test")
    assert np.array_equal(opened.predict(test).array(), found.predict(test).array())


def test_missing_cells_and_new_levels_have_a_bin(problem: Problem) -> None:
    found, rows = card(problem), problem.part("test").take(np.arange(4))
    cells = {name: values.copy() for name, values in rows.cells.items()}
    cells["months"][0], cells["purpose"][1], cells["amount"][2] = np.nan, "boat", np.inf
    cells["since"][3] = np.datetime64("NaT")
    assert np.isfinite(
        found.predict(type(rows)("x", rows.columns, cells, rows.lines)).array()
    ).all()
    labels = {one.bins.name: one.bins.labels()[-1] for one in found.features}
    assert labels["months"] == "missing"
    assert labels["purpose"] == "missing or new"


def test_what_it_cannot_learn_is_refused_with_the_reason() -> None:
    table = credits(100)
    three = table.assign(label=["a", "b", "c", "d"] * 25)
    assert (
        CARD.suits(frame(read(three, target="label"), "label")) == "a scorecard is for two classes"
    )
    words = table.assign(note=[f"the customer number {i} wrote a letter" for i in range(100)])
    kinds = {"note": "text"}
    assert "text" in CARD.suits(frame(read(words, target="label", kinds=kinds), "label"))  # type: ignore[arg-type]
    assert CARD.suits(frame(read(table, target="label"), "label")) == ""


def test_columns_of_chance_give_a_card_that_opens(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    table = pd.DataFrame({"a": dice.normal(size=60), "label": ["x", "y"] * 30})
    found = card(frame(read(table, target="label"), "label", folds=0), strength=1e-6)
    found.save(tmp_path)
    assert CARD.load(tmp_path) == found


def test_bins_hold_enough_rows_and_are_few() -> None:
    dice = np.random.default_rng(1)
    values = dice.normal(size=2_000)
    good = dice.random(2_000) < 1 / (1 + np.exp(-2 * values))
    cut = cut_column("x", "number", values, good, np.ones(2_000), most=5, least=0.1, monotone=True)
    assert cut.bins.count == 6
    assert min(cut.shares[:-1]) >= 0.1
    assert list(cut.rates[:-1]) == sorted(cut.rates[:-1])
    rare = np.array([*"aaaaabbbbbccccc" * 100, *"defgh"], dtype=object)
    cut = cut_column(
        "x",
        "category",
        rare,
        np.arange(1505) % 2 == 0,
        np.ones(1505),
        most=6,
        least=0.05,
        monotone=True,
    )
    assert sorted(level for group in cut.bins.groups for level in group) == [*"abcdefgh"]
    assert min(cut.shares[:-1]) >= 0.05


def test_edges_belong_to_the_bin_above() -> None:
    bins = Bins("x", "number", (1.0, 2.5), ())
    assert bins.codes(np.array([0.9, 1.0, 2.4, 2.5, np.nan])).tolist() == [0, 1, 1, 2, 3]
    assert bins.labels() == ["below 1", "1 to below 2.5", "from 2.5", "missing"]


def test_weights_are_those_of_logistic_regression_where_none_would_be_negative() -> None:
    from sklearn.linear_model import LogisticRegression

    dice = np.random.default_rng(0)
    features = dice.normal(size=(400, 3))
    good = dice.random(400) < 1 / (1 + np.exp(-(features @ [1.0, 0.5, -0.8])))
    weights, _ = rising(features, good, 1.0)
    assert weights[2] == 0
    assert (weights[:2] > 0).all()
    weights, bias = rising(features[:, :2], good, 1.0)
    model = LogisticRegression(C=1.0, tol=1e-8).fit(features[:, :2], good)
    assert np.allclose(weights, model.coef_[0], atol=1e-3)
    assert np.isclose(bias, model.intercept_[0], atol=1e-3)


def test_a_row_that_counts_twice_is_a_row_twice(problem: Problem) -> None:
    rows = problem.parts["train"]
    twice = np.where(np.arange(len(problem.data)) % 3 == 0, 2.0, 1.0)
    weighed = replace(problem, weights=twice)
    again = np.sort(np.concatenate([rows, rows[twice[rows] == 2]]))
    repeated = replace(problem, parts={**problem.parts, "train": again})
    test = problem.part("test")
    pair = [card(one, strength=1.0).predict(test).array() for one in (weighed, repeated)]
    assert np.corrcoef(pair[0][:, 0], pair[1][:, 0])[0, 1] > 0.98
