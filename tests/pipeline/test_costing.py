"""Costs and weights as users write them, and whole fits that go by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError, DataError, DataWarning
from tunesmith.core.records import Dataset, Problem
from tunesmith.pipeline.costing import read_costs
from tunesmith.pipeline.fit import fingerprint
from tunesmith.pipeline.frame import frame

CLASSES = ("bad", "good")


def bank(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """One in ten is fraud, told weakly by two numbers; amounts and weights have nothing to do with
    it."""
    dice = np.random.default_rng(seed)
    fraud = dice.random(rows) < 0.1
    return pd.DataFrame(
        {
            "x": dice.normal(size=rows) + 1.2 * fraud,
            "y": dice.normal(size=rows) + 0.8 * fraud,
            "amount": np.exp(dice.normal(3, 1, rows)).round(2),
            "weight": dice.choice([0.5, 1.0, 4.0], rows),
            "label": np.where(fraud, "fraud", "ok"),
        }
    )


SPEC = {"fraud": {"ok": "amount"}, "ok": {"fraud": 5}}


@pytest.mark.parametrize(
    ("spec", "fixed", "amounts"),
    [
        ({"good": {"bad": 5}, "bad": {"good": 1}}, ((0, 1), (5, 0)), ()),
        ({"good": {"bad": "5"}, "bad": {"good": 1, "bad": -2}}, ((-2, 1), (5, 0)), ()),
        ({"*": {"*": 1}, "good": {"*": 3}}, ((0, 1), (3, 0)), ()),
        ([[0, 1], [5, 0]], ((0, 1), (5, 0)), ()),
        (np.array([[0, 1], [5, 0]]), ((0, 1), (5, 0)), ()),
        ([[0, "amount"], [5, 0]], ((0, 0), (5, 0)), ((0, 1, 1.0, "amount"),)),
        ([[0, "0.5*amount"], [5, 0]], ((0, 0), (5, 0)), ((0, 1, 0.5, "amount"),)),
        ([[0, "-1e2 * a * b"], [5, 0]], ((0, 0), (5, 0)), ((0, 1, -100.0, "a * b"),)),
        (
            [["-amount", "amount * 2"], [5, 0]],
            ((0, 0), (5, 0)),
            ((0, 0, -1, "amount"), (0, 1, 2, "amount")),
        ),
    ],
)
def test_costs_may_be_written_so(spec: Any, fixed: Any, amounts: Any) -> None:
    costs = read_costs(spec, CLASSES, ("amount", "a * b"))
    assert (costs.fixed, costs.amounts) == (fixed, amounts)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"god": {"bad": 5}, "bad": {"good": 1}}, "label 'god'.*Did you mean 'good'"),
        ({"good": {"bat": 5}, "bad": {"good": 1}}, "label 'bat'.*Did you mean 'bad'"),
        ({"good": {"bad": 5}}, "answer 'good' where 'bad' is true"),
        ({"good": 5, "bad": {"good": 1}}, "5 is no table"),
        ({"good": {"bad": "amout"}, "bad": {"good": 1}}, "'amout'.*Did you mean 'amount'"),
        ({"good": {"bad": True}, "bad": {"good": 1}}, "not True"),
        ({"good": {"bad": float("nan")}, "bad": {"good": 1}}, "not nan"),
        ([[0, 1, 2], [1, 0, 2]], r"2 labels \(bad, good\).*rows of \[3, 3\]"),
        ([[0, 1]], "has 1 rows"),
        ("5", "cannot be read from '5'"),
        ([[0, 0], [3, 3]], "no answer is better"),
    ],
)
def test_costs_that_cannot_be_meant_are_refused(spec: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_costs(spec, CLASSES, ("amount", "age"))


def test_labels_that_are_numbers_or_truths_are_found() -> None:
    assert read_costs({0: {1: 2}, 1.0: {0: 3}}, ("0", "1"), ()).fixed == ((0, 2), (3, 0))
    spec = {True: {False: 2}, False: {True: 3}}
    assert read_costs(spec, ("False", "True"), ()).fixed == ((0, 3), (2, 0))


def framed(**options: Any) -> Problem:
    from tunesmith.data.read import read

    return frame(read(bank(), target="label"), "label", **options)


def test_costs_choose_the_metric_and_an_amount_stays_an_input() -> None:
    problem = framed(costs=SPEC)
    assert problem.metric == "cost"
    assert "amount" in problem.inputs
    assert framed(costs=SPEC, metric="roc_auc").metric == "roc_auc"


def test_weights_are_no_input_and_in_units_of_their_mean() -> None:
    problem = framed(weights="weight")
    assert "weight" not in problem.inputs
    assert problem.weights is not None
    assert problem.weights.mean() == pytest.approx(1.0)
    for part in problem.parts:
        assert np.array_equal(problem.weight(part), problem.weights[problem.parts[part]])
    assert framed().weight("train") is None
    heavier = changed("weight", 0, 9.0)
    assert fingerprint(problem) != fingerprint(frame(heavier, "label", weights="weight"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "cost"}, "--costs FILE"),
        ({"costs": SPEC, "weights": "amount"}, "'amount' is no input"),
        ({"costs": {"fraud": {"ok": "label"}, "ok": {"fraud": 1}}}, "'label' is the target"),
        ({"weights": "label"}, "'label' is the target"),
        ({"weights": "weigth"}, "Did you mean 'weight'"),
        ({"weights": "weight", "metric": lambda t, p: 1.0}, "knows no row weights"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        framed(**options)


def changed(column: str, row: int, value: Any) -> Dataset:
    from tunesmith.data.read import read

    data = bank()
    data[column] = data[column].astype(object)
    data.loc[row, column] = value
    return read(data, target="label")


def test_a_weight_or_an_amount_that_is_none_is_named_with_its_row() -> None:
    for value, words in ((None, "no number"), (-1.0, "-1")):
        for column, options in (("weight", {"weights": "weight"}), ("amount", {"costs": SPEC})):
            line = changed(column, 7, value).lines[7]
            with pytest.raises(DataError, match=f"line {line}, column '{column}': {words}"):
                frame(changed(column, 7, value), "label", **options)  # type: ignore[arg-type]


def test_weights_that_are_all_zero_are_refused() -> None:
    from tunesmith.data.read import read

    with pytest.raises(DataError, match="have weight 0 in column 'weight'"):
        frame(read(bank().assign(weight=0), target="label"), "label", weights="weight")


def test_words_are_no_weights() -> None:
    from tunesmith.data.read import read

    data = read(bank().assign(weight="heavy " + bank()["label"]), target="label")
    with pytest.raises(DataError, match="no cell of 'weight'"):
        frame(data, "label", weights="weight")


def mean_cost(data: pd.DataFrame, answers: Any) -> float:
    missed = (data["label"] == "fraud") & (answers == "ok")
    alarm = (data["label"] == "ok") & (answers == "fraud")
    return float((data["amount"] * missed + 5 * alarm).mean())


def test_a_fit_by_costs_decides_scores_and_is_saved_by_them(tmp_path: Path) -> None:
    train, new = bank(1500), bank(1500, seed=1)
    model = ts.fit(
        train, "label", costs=SPEC, trials=2, learners=["majority", "linear"], folder=tmp_path / "r"
    )
    assert model.summary["metric"] == "cost"
    shares = model.predict_proba(new)["fraud"].to_numpy()
    wanted = np.where(shares * new["amount"] > (1 - shares) * 5, "fraud", "ok")
    answers = ts.load(tmp_path / "r" / "best").predict(new)
    assert np.array_equal(answers, wanted)
    found = model.evaluate(new)
    assert found["cost"].value == pytest.approx(mean_cost(new, answers))
    assert found["cost"].low < found["cost"].value < found["cost"].high
    likeliest = np.where(shares > 0.5, "fraud", "ok")
    for other in (likeliest, "ok", "fraud"):
        assert mean_cost(new, answers) < mean_cost(new, other)
    with pytest.raises(DataError, match="column 'amount': no number"):
        model.predict(new.assign(amount=None))
    ts.resume(tmp_path / "r", trials=1, source=train)
    assert ts.load(tmp_path / "r").summary["metric"] == "cost"


def test_a_stack_decides_by_costs_and_learns_by_weights(tmp_path: Path) -> None:
    options: dict[str, Any] = {"costs": SPEC, "weights": "weight", "learners": ["linear"]}
    model = ts.fit(
        bank(600), "label", trials=3, folds=3, auto_stack=1, folder=tmp_path / "r", **options
    )
    stacks = [row for row in model.leaderboard() if row["learner"] == "stack"]
    assert stacks
    assert all(row["score"] is not None for row in stacks)


def test_a_fit_by_weights_scores_by_them(tmp_path: Path) -> None:
    train, new = bank(600), bank(600, seed=1)
    options: dict[str, Any] = {
        "trials": 2,
        "learners": ["majority", "neighbours"],
        "metric": "accuracy",
    }
    model = ts.fit(train, "label", weights="weight", folder=tmp_path / "r", **options)
    told = model.summary["row_weights"]
    assert told["column"] == "weight"
    assert "not in the audit, the training of trial 2 (neighbours)" in told["message"]
    assert model.model.after.known().weights
    right = model.predict(new.drop(columns="weight")) == new["label"]
    found = model.evaluate(new)["accuracy"]
    assert found.value == pytest.approx(np.average(right, weights=new["weight"]))
    with pytest.warns(DataWarning, match="lacks 'weight'"):
        plain = model.evaluate(new.drop(columns="weight"))["accuracy"]
    assert plain.value == pytest.approx(right.mean())
    assert json.loads((tmp_path / "r" / "request.json").read_text())["weights"] == "weight"


def test_the_command_line_takes_both(tmp_path: Path) -> None:
    from tunesmith.cli.options import costs

    (tmp_path / "costs.yaml").write_text("no: {yes: 1}\nyes: {no: 0.5 * amount}\n")
    wanted = {"no": {"yes": "1"}, "yes": {"no": "0.5 * amount"}}
    assert costs(str(tmp_path / "costs.yaml")) == wanted
    assert costs(json.dumps(wanted)) == wanted
    assert costs(None) is None
    for text, words in (("gone.yaml", "cannot be read"), ("{a: ", "not YAML")):
        with pytest.raises(ConfigError, match=words):
            costs(text)
    (tmp_path / "costs.yaml").write_text("5")
    with pytest.raises(ConfigError, match="must hold a table"):
        costs(str(tmp_path / "costs.yaml"))
