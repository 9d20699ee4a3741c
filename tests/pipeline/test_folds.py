"""Cross-validation through a whole fit: nobody answers for a row that it has learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.runfolder import read_json
from tunesmith.core.space import default, from_dict
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._folded import (
    Folded,
    fit_again,
    fit_whole,
    open_model,
    with_own_valid,
)
from tunesmith.metrics import get
from tunesmith.pipeline.blend import learned_again, models_each
from tunesmith.pipeline.folds import crossed, fold_count
from tunesmith.pipeline.frame import frame


def table(rows: int = 120, seed: int = 0) -> dict[str, list[Any]]:
    dice = np.random.default_rng(seed)
    x, z = dice.normal(size=rows), dice.normal(size=rows)
    good = x + 0.5 * z + dice.normal(size=rows) > 0
    shop = dice.choice(["north", "south"], rows)
    label = np.where(good, "good", "bad")
    return {"x": x.tolist(), "z": z.tolist(), "shop": shop.tolist(), "label": label.tolist()}


@pytest.fixture
def problem() -> Problem:
    return frame(read(table()), "label")


def watch(seconds: float = 60.0) -> Watch:
    return Watch(Clock(seconds), lambda score, progress: True)


def test_a_small_table_is_crossed_and_one_with_words_or_a_time_is_not() -> None:
    found = frame(read(table()), "label")
    assert fold_count(found) == 5
    assert len(found.folds) == 15
    assert (found.parts["train"] == found.parts["valid"]).all()
    assert not set(found.parts["train"]) & set(found.parts["test"])
    assert "5 folds over the 96 rows" in found.reasons["split"]
    assert "drawn 3 times" in found.reasons["split"]
    assert not frame(read(table()), "label", time="x").folds
    texts = {**table(), "text": [f"some words of row {n} and more of them" for n in range(120)]}
    assert not frame(read(texts), "label").folds
    assert len(frame(read(texts), "label", folds=4).folds) == 4 * 3
    assert not frame(read(table()), "label", folds=0).folds


@pytest.mark.parametrize(("folds", "more"), [(1, {}), (51, {}), (True, {}), (5, {"time": "x"})])
def test_folds_that_cannot_be_are_refused(folds: Any, more: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="folds"):
        frame(read(table()), "label", folds=folds, **more)


def test_no_row_is_answered_by_a_model_that_has_learned_it(problem: Problem) -> None:
    """Labels that are drawn cannot be foretold; one that has seen them would do better."""
    dice = np.random.default_rng(1)
    names = [f"n{i}" for i in range(60)]
    cells = {name: dice.normal(size=300).tolist() for name in names}
    random = frame(read({**cells, "label": dice.choice(["a", "b"], 300).tolist()}), "label")
    learner = learners["linear"]
    fitted, unseen = fit_whole(learner, random, default(learner.config, {}), 0, watch())
    assert unseen is not None
    truth = random.truth("valid")
    seen = fitted.predict(random.part("valid"))
    assert (seen.codes() == truth).mean() > 0.7  # type: ignore[union-attr]
    assert (unseen.codes() == truth).mean() < 0.6  # type: ignore[union-attr]


def test_answers_are_the_mean_of_the_draws_in_the_order_of_the_rows(problem: Problem) -> None:
    learner = learners["linear"]
    config = default(learner.config, {})
    fitted, unseen = fit_whole(learner, problem, config, 0, watch())
    assert isinstance(fitted, Folded)
    assert unseen is not None
    row = problem.parts["valid"][7]
    own = [
        model.predict(problem.data.take(np.array([row]))).array()[0]
        for model, (_, held) in zip(fitted.models, problem.folds, strict=True)
        if row in held
    ]
    assert len(own) == 3
    assert np.allclose(unseen.array()[7], np.mean(own, axis=0), atol=1e-6)


def test_it_opens_as_it_was_saved(problem: Problem, tmp_path: Path) -> None:
    learner = learners["linear"]
    fitted, _ = fit_whole(learner, problem, default(learner.config, {}), 0, watch())
    fitted.save(tmp_path)
    opened = open_model("linear", tmp_path)
    assert isinstance(opened, Folded)
    test = problem.part("test")
    assert np.allclose(opened.predict(test).array(), fitted.predict(test).array())


def test_folds_that_do_not_all_fit_the_time_are_given_up(problem: Problem) -> None:
    learner = learners["linear"]
    seconds = iter(float(n) for n in range(10_000))
    slow = replace(watch(), clock=Clock(12.0, lambda: next(seconds)))
    with pytest.raises(BudgetError, match="folds took"):
        fit_whole(learner, problem, default(learner.config, {}), 0, slow)


def test_equal_rows_and_groups_stay_in_one_fold() -> None:
    cells = table()
    twice = {name: values + values[:40] for name, values in cells.items()}
    found = frame(read(twice), "label", folds=5)
    x = found.data.values("x")
    for train, held in found.folds:
        assert not set(x[train]) & set(x[held])
    groups = np.arange(160) // 8
    again = crossed(replace(found, groups=groups), count=4)
    for train, held in again.folds:
        assert not set(groups[train]) & set(groups[held])


def test_a_class_of_one_row_does_not_break_a_fold() -> None:
    cells = table()
    cells["label"][5] = "odd"
    cells["label"][6] = "odd"
    found = frame(read(cells), "label", folds=3)
    learner = learners["linear"]
    _, unseen = fit_whole(learner, found, default(learner.config, {}), 0, watch())
    assert unseen is not None
    assert unseen.array().shape == (len(found.parts["valid"]), 3)


def test_what_folds_settled_is_fitted_to_nine_tenths_of_all_rows_four_times(
    tmp_path: Path,
) -> None:
    """Nothing is selected any more: trees have as many rounds as the folds had in the middle."""
    ts.fit(table(), "label", folder=tmp_path / "run", trials=1, learners=["lightgbm"])

    def rounds(folder: Path) -> list[int]:
        return [read_json(file)["rounds"] for file in sorted(folder.glob("fold-*/model.json"))]

    of_folds = rounds(tmp_path / "run" / "trials" / "0001" / "model")
    assert len(of_folds) == 15
    assert len({*of_folds}) > 1
    assert rounds(tmp_path / "run" / "best" / "members" / "0") == [median_low(of_folds)] * 4


def test_models_of_all_rows_are_other_models_each(problem: Problem) -> None:
    learner = learners["linear"]
    config = from_dict(learner.config, {"strength": 5.0})
    found = crossed(problem, count=10, rows=problem.rows).folds[:3]
    parts = [train for train, _ in found]
    assert {*map(len, parts)} == {108}, "each leaves out a tenth"
    every, test = fit_again(learner, problem, config, parts, 0, watch()), problem.part("test")
    assert isinstance(every, Folded)
    own = [model.predict(test).array() for model in every.models]
    alone = [fit_again(learner, problem, config, [rows], 0, watch()) for rows in parts]
    for one, other in zip(own, alone, strict=True):
        assert np.allclose(one, other.predict(test).array())
    assert not np.allclose(own[0], own[1])
    assert np.allclose(every.predict(test).array(), np.mean(own, axis=0))


@pytest.mark.parametrize(
    ("seconds", "models"),
    [(0.5, [0, 0]), (1.5, [1, 0]), (4.5, [1, 1]), (6.5, [3, 1]), (7.5, [4, 1]), (99.0, [4, 4])],
)
def test_each_member_is_fitted_to_all_rows_before_any_is_again(
    problem: Problem, seconds: float, models: list[int]
) -> None:
    """A model takes a second, or three."""
    rows = 1.2 * len(problem.rows) / (0.8 * len(problem.parts["train"]))
    results = [
        Result(Trial(n, "linear", {}, "", 0), "done", fit_seconds=15 * each / rows)
        for n, each in ((1, 1.0), (2, 3.0))
    ]
    assert models_each(problem, results, seconds) == models
    whole = replace(
        problem, folds=(), parts={**problem.parts, "train": problem.parts["train"][:60]}
    )
    assert set(models_each(whole, results, 1e6)) == {1}, "as many as were scored"


def test_each_model_of_all_rows_leaves_out_another_tenth_unless_groups_are_too_few(
    problem: Problem,
) -> None:
    parts = learned_again(problem, 4)
    gone = [{*problem.rows} - {*rows} for rows in parts]
    assert [len(rows) for rows in gone] == [12] * 4
    assert len(set().union(*gone)) == 48
    for groups, models in ((np.arange(120) // 4, 4), (np.arange(120) // 40, 1)):
        found = learned_again(replace(problem, groups=groups), 4)
        assert len(found) == models
    assert np.array_equal(found[0], problem.rows)
    assert [len(rows) for rows in learned_again(problem, 1)] == [120]


def test_a_fit_with_folds_is_saved_proven_refitted_and_resumed_alike(tmp_path: Path) -> None:
    both = []
    for name in ("one", "two"):
        model = ts.fit(
            table(), "label", folder=tmp_path / name, trials=3, learners=["majority", "linear"]
        )
        both.append(model.predict_proba(table(30, seed=5)).to_numpy())
    assert np.array_equal(*both)
    assert model.summary["folds"] == 15
    assert model.summary["score_rows"] == 24
    assert "fitted again to all rows" in model.summary["model_is"]
    members = tmp_path / "two" / "best" / "members"
    assert sorted(place.name for place in (members / "0").iterdir()) == [
        f"fold-{n}" for n in range(4)
    ]
    more = ts.resume(tmp_path / "two", source=table(), trials=2)
    assert more.summary["trials"] == 3, "a linear model of numbers has two configs"
    assert np.array_equal(more.predict_proba(table(30, seed=5)).to_numpy(), both[0])


@pytest.mark.parametrize("name", ["lightgbm", "linear"])
def test_rows_that_are_answered_out_of_fold_end_no_training(name: str) -> None:
    """Who stops where those rows are answered best answers random labels better than chance."""
    aucs = []
    for seed in range(3):
        dice = np.random.default_rng(seed)
        cells = {f"n{i}": dice.normal(size=250).tolist() for i in range(12)}
        cells["label"] = dice.choice(["a", "b"], 250).tolist()
        random = frame(read(cells), "label", folds=5, metric="roc_auc")
        learner = learners[name]
        _, unseen = fit_whole(learner, random, default(learner.config, {}), 0, watch())
        assert unseen is not None
        aucs.append(get("roc_auc").score(random.truth("valid"), unseen, None))
    assert np.mean(aucs) < 0.55, aucs


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost", "forest"])
def test_folds_side_by_side_are_those_one_after_the_other(
    name: str, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name if name != "forest" else "sklearn")
    learner, answers = learners[name], []
    for beside in (1, 3):
        monkeypatch.setattr("tunesmith.learners._folded.most_threads", lambda n=beside: n)
        monkeypatch.setenv("TUNESMITH_THREADS", "1")
        _, unseen = fit_whole(learner, problem, default(learner.config, {}), 0, watch(1e6))
        assert unseen is not None
        answers.append(unseen.array())
    assert np.array_equal(*answers)


@pytest.mark.parametrize("folds", [0, 5])
def test_a_group_is_in_one_part_and_one_fold_also_where_all_rows_are_fitted(folds: int) -> None:
    cells = table(400)
    cells["who"] = [f"customer {n % 90}" for n in range(400)]
    found = frame(read(cells), "label", group="who", folds=folds)
    who = found.data.values("who")
    assert "by group" in found.reasons["split"]
    assert not set(who[found.parts["test"]]) & set(who[found.parts["train"]])
    everything = crossed(found, count=5, rows=found.rows)  # as the refit and the suspects draw them
    for train, held in (*found.folds, *everything.folds):
        assert not set(who[train]) & set(who[held])
    assert len(found.folds) == (10 if folds else 0)


def test_a_time_holds_out_the_latest_rows_and_says_why() -> None:
    cells = table()
    cells["day"] = list(np.random.default_rng(3).permutation(120).astype(float))
    found = frame(read(cells), "label", time="day")
    day = {part: found.data.values("day")[rows] for part, rows in found.parts.items()}
    assert day["train"].max() < day["valid"].min()
    assert day["valid"].max() < day["test"].min()
    assert not found.folds
    assert "the model will answer for the future" in found.reasons["split"]


@pytest.mark.parametrize(("rows", "draws"), [(200, 3), (375, 3), (376, 2), (1_250, 2), (1_251, 1)])
def test_folds_are_drawn_anew_the_oftener_the_fewer_rows_there_are(rows: int, draws: int) -> None:
    found = frame(read(table(rows)), "label")
    assert len(found.folds) == 5 * draws
    times = np.zeros(rows)
    for _, held in found.folds:
        times[held] += 1
    assert (times[found.parts["valid"]] == draws).all()


def test_rows_that_end_training_keep_groups_whole_and_time_in_order() -> None:
    cells = table()
    cells["shop"] = [f"shop {number % 24}" for number in range(120)]
    grouped = frame(read(cells), "label", group="shop", folds=4)
    for number in range(len(grouped.folds)):
        part = with_own_valid(grouped.fold(number), number)
        shops = grouped.data.values("shop")
        assert not set(shops[part.parts["train"]]) & set(shops[part.parts["valid"]])
        assert not set(part.parts["valid"]) & set(grouped.folds[number][1])
    cells = {**table(), "day": [f"2024-{1 + n % 12:02}-{1 + n // 12:02}" for n in range(120)]}
    dated = crossed(frame(read(cells), "label", time="day"), count=4)
    assert dated.times is not None
    part = with_own_valid(dated.fold(0), 0)
    latest = dated.times[part.parts["valid"]].min()
    assert dated.times[part.parts["train"]].max() <= latest
