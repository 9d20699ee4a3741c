"""Several labels a row from framing to answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError, DataWarning
from tunesmith.core.multilabel import LabelForm
from tunesmith.core.records import Problem
from tunesmith.data.read import read
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.scouting import cards_here, scout_problem
from tunesmith.tasks import tasks

NAMES = ["red", "round", "soft"]
ROWS = 240
CHOSEN: dict[str, Any] = {
    "trials": 3,
    "learners": ["majority", "linear", "forest"],
    "space": {"forest": {"trees": 10}},
    "offline": True,
}


def made(form: str) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(ROWS, 4))
    there = (rows[:, :3] + 0.4 * dice.normal(size=(ROWS, 3)) > (0.0, 0.4, 0.8)).astype(int)
    found = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
    lists = [[n for n, one in zip(NAMES, row, strict=True) if one] for row in there]
    if form == "columns":
        return found.join(pd.DataFrame(there, columns=NAMES))
    found["labels"] = lists if form == "lists" else [";".join(one) or "[]" for one in lists]
    return found


def framed(form: str, **more: Any) -> Problem:
    target = NAMES if form == "columns" else "labels"
    return frame(read(made(form)), target, seed=0, **more)


FORMS = {
    "lists": LabelForm(),
    "delimited": LabelForm(";"),
    "columns": LabelForm(columns=tuple(NAMES)),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_the_same_problem(form: str) -> None:
    problem = framed(form)
    assert problem.task == "multilabel"
    assert problem.label_form == FORMS[form]
    assert problem.classes == ("red", "round", "soft")
    assert problem.inputs == ("a", "b", "c", "d")
    assert problem.metric == "f1_micro"
    assert problem.truth("test").shape == (len(problem.parts["test"]), 3)
    same = framed("lists")
    assert np.array_equal(problem.truth("train"), same.truth("train"))


def test_every_part_has_about_the_same_share_of_each_label() -> None:
    problem = framed("lists", folds=0)
    shares = [problem.truth(part).mean(axis=0) for part in ("train", "valid", "test")]
    assert np.ptp(shares, axis=0).max() < 0.06


def test_a_class_with_a_comma_in_its_name_stays_one_class() -> None:
    names = ["Books", "Home, Garden & Tools", "Music, Movies & Games"]
    table = made("lists").assign(labels=[names[i % 3] for i in range(ROWS)])
    problem = frame(read(table, target="labels"), "labels", seed=0)
    assert problem.task == "classification"
    assert problem.classes == tuple(names)
    assert "--task multilabel parts them all the same" in problem.reasons["task"]
    parted = frame(read(table, target="labels"), "labels", task="multilabel", seed=0)
    assert "Garden & Tools" in parted.classes
    assert frame(read(made("delimited")), "labels", task="classification", seed=0).classes


def test_a_delimiter_that_is_stated_is_taken() -> None:
    table = made("delimited")
    table["labels"] = table["labels"].str.replace(";", "/")
    plain = frame(read(table, target="labels"), "labels", seed=0)
    assert plain.task == "classification"
    problem = frame(read(table, target="labels"), "labels", label_delimiter="/", seed=0)
    assert problem.classes == ("red", "round", "soft")
    assert "as stated" in problem.reasons["task"]


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        ("columns", {"task": "regression"}, "several labels a row"),
        ("columns", {"label_delimiter": ";"}, "no delimiter"),
        ("lists", {"metric": "accuracy"}, "a row may have several"),
        ("lists", {"costs": {"red": {"round": 1}}}, "Costs are of one label"),
        ("lists", {"label_delimiter": " "}, "not blank"),
    ],
)
def test_what_does_not_go_together_is_refused(
    form: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        framed(form, **options)


def test_a_label_column_without_a_row_is_named() -> None:
    with pytest.raises(DataError, match=r"'never' .* is 0 in every row"):
        frame(read(made("columns").assign(never=0)), [*NAMES, "never"], seed=0)
    with pytest.raises(DataError, match="no column 'gone'"):
        frame(read(made("columns")), ["red", "gone"], seed=0)


@pytest.fixture(scope="module", params=FORMS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    form = request.param
    target = NAMES if form == "columns" else "labels"
    folder = tmp_path_factory.mktemp(form) / "run"
    return ts.fit(made(form), target, folder=folder, **CHOSEN)


def form_of(model: ts.Predictor) -> str:
    return next(name for name, form in FORMS.items() if form == model.model.label_form)


def test_a_fit_answers_as_the_target_is_written(model: ts.Predictor) -> None:
    form, rows = form_of(model), made(form_of(model))
    answers = model.predict(rows.head(20))
    shares = model.predict_proba(rows.head(20))
    assert list(shares.columns) == NAMES
    least = model.summary["after"]["thresholds"]
    chosen = shares.to_numpy() >= np.array([least[name] for name in NAMES])
    if form == "columns":
        assert np.array_equal(answers, chosen)
    else:
        wanted = [[n for n, one in zip(NAMES, row, strict=True) if one] for row in chosen]
        assert answers.tolist() == wanted


def test_a_fit_is_scored_and_told(model: ts.Predictor) -> None:
    summary, rows = model.summary, made(form_of(model))
    assert summary["metric"] == "f1_micro"
    assert summary["score"] > 0.8
    assert "threshold" in summary["reasons"]
    found = model.evaluate(rows)
    assert {"f1_micro", "f1_macro", "f1_samples", "average_precision"} <= set(found)
    assert found["subset_accuracy"].low < found["subset_accuracy"].value
    assert found.confusion is None
    assert {row["learner"] for row in model.leaderboard()} == {"majority", "linear", "forest"}
    with pytest.raises(ConfigError, match="several labels a row"):
        model.confusion(rows)
    with pytest.raises(ConfigError, match="several labels a row"):
        model.predict_set(rows)
    with pytest.raises(ConfigError, match="several labels a row"):
        model.predict(rows, threshold=0.3)


def test_labels_that_are_new_are_told_and_missed(model: ts.Predictor) -> None:
    if form_of(model) == "columns":
        pytest.skip("a column has one name")
    rows = made("lists")
    rows["labels"] = [[*one, "new"] for one in rows["labels"]]
    with pytest.warns(DataWarning, match="'new'"):
        assert model.evaluate(rows)["subset_accuracy"].value == 0


def test_another_model_of_the_run_has_thresholds_of_its_own(model: ts.Predictor) -> None:
    board = {row["learner"]: row for row in model.leaderboard()}
    picked = model.pick(max_size_mb=board["linear"]["size_mb"] + 1e-3)
    assert picked.predict_proba(made(form_of(model)).head(2)).shape == (2, 3)


def test_what_is_not_built_for_it_is_refused_before_any_work(tmp_path: Path) -> None:
    rows = made("lists")
    for more in ({"sensitive": ["a"]}, {"distill": True}, {"interpretable": "ebm"}):
        with pytest.raises(ConfigError, match="several labels a row"):
            ts.fit(rows, "labels", folder=tmp_path / "run", **CHOSEN, **more)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_and_outer_folds_answer(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    made("delimited").to_csv(file, index=False)
    model = ts.fit(file, "labels", folder=tmp_path / "run", **{**CHOSEN, "trials": 2})
    again = ts.resume(model.folder, trials=1)
    assert len(again.leaderboard()) == 3
    nested = ts.fit(file, "labels", folder=tmp_path / "nested", nested=2, **{**CHOSEN, "trials": 6})
    assert nested.summary["nested"]["asked"] == 2
    told = json.loads((tmp_path / "run" / "problem.json").read_text())
    assert told["label_form"] == {"delimiter": ";", "columns": []}
    for work in (again.distill, lambda: again.export_code(tmp_path / "code")):
        with pytest.raises(ConfigError, match="several labels a row"):
            work()


def test_rows_count_by_their_weights(tmp_path: Path) -> None:
    rows = made("lists").assign(often=np.where(np.arange(ROWS) % 2, 3.0, 1.0))
    model = ts.fit(rows, "labels", folder=tmp_path / "run", weights="often", **CHOSEN)
    assert model.summary["score"] > 0.8
    assert "f1_macro" in model.evaluate(rows)


def test_the_scout_ranks_by_the_strata_of_the_labels(checkpoint: str) -> None:
    data, target = tasks["multilabel"].example(np.random.default_rng(0))
    cards, _ = cards_here([checkpoint])
    found = scout_problem(frame(data, target, seed=0), cards, clock=Clock(60.0), seed=0)
    assert found.ranking.order


def test_texts_are_probed_and_tuned(checkpoint: str, tmp_path: Path) -> None:
    data, _ = tasks["multilabel"].example(np.random.default_rng(0))
    reads = {"backbone": checkpoint, "max_length": 64}
    model = ts.fit(
        pd.DataFrame(dict(data.cells)),
        "labels",
        folder=tmp_path / "run",
        trials=4,
        learners=["majority", "linear", "probe", "neural"],
        space={"probe": reads, "neural": {**reads, "epochs": 1}, "linear": {"words": 1}},
        offline=True,
    )
    board = model.leaderboard()
    assert {row["learner"] for row in board} == {"majority", "linear", "probe", "neural"}
    assert all(row["status"] == "done" for row in board)
    assert model.predict_proba(data.with_columns(("text", "age", "shop"))).shape == (len(data), 3)
