"""An explainable boosting machine: tables that add up to the library's answer, and can be read."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import ConfigError, UnsafeArtifact
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._additive import Additive
from tunesmith.learners._glassbox import Inputs, terms_of
from tunesmith.metrics import get
from tunesmith.pipeline.frame import frame

glassbox = pytest.importorskip("interpret.glassbox")
EBM = learners["ebm"]
TARGETS = ("label", "grade", "loss")


def loans(rows: int = 500) -> pd.DataFrame:
    """Loans with holes; the loss hangs on months, and on amount and purpose together."""
    dice = np.random.default_rng(0)
    months = dice.integers(4, 61, rows).astype(float)
    amount = dice.lognormal(8, 0.7, rows).round(2)
    purpose = dice.choice(["car", "radio", "school", "repairs"], rows).astype(object)
    since = np.datetime64("2020-01-01") + dice.integers(0, 900, rows).astype("timedelta64[D]")
    both = (np.log(amount) - 8) * (purpose == "school") * 4
    loss = 0.1 * (months - 30) + both + dice.normal(size=rows)
    table = pd.DataFrame({"months": months, "amount": amount, "purpose": purpose, "since": since})
    table.loc[dice.random(rows) < 0.1, "months"] = np.nan
    table.loc[dice.random(rows) < 0.1, "purpose"] = None
    return table.assign(
        label=np.where(loss > 0, "bad", "good"),
        grade=np.digitize(loss, [-1.5, 1.5]).astype(str),
        loss=10_000 + 100 * loss,
    )


def problem_of(target: str, **more: Any) -> Problem:
    table = loans()
    kept = table[[*table.columns[:4], target]]
    return frame(read(kept, target=target), target, folds=0, **more)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of("label", metric="roc_auc")


def fitted(problem: Problem, seconds: float = 60.0, **pins: Any) -> Additive:
    watch = Watch(Clock(seconds), lambda score, progress: True)
    found = EBM.fit(problem, default(EBM.config, pins), 0, watch)
    assert isinstance(found, Additive)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_the_tables_give_the_answers_of_the_library(target: str) -> None:
    problem = problem_of(target)
    train, test = problem.part("train"), problem.part("test")
    inputs = Inputs.of(train, problem.inputs)
    kind = "Classifier" if problem.classes else "Regressor"
    settings = {"outer_bags": 1, "n_jobs": 1, "max_rounds": 100, "max_interaction_bins": 8}
    model = getattr(glassbox, f"ExplainableBoosting{kind}")(
        feature_types=inputs.types, interactions=[(0, 1), (1, 2)], **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(inputs.matrix(train), problem.truth("train"))
    intercept, terms = terms_of(model, inputs)
    assert {len(key) for key in terms} == {1, 2}
    mine = Additive(problem.classes, intercept, tuple(terms.values()), {})
    rows = inputs.matrix(test)
    theirs = model.predict_proba(rows) if problem.classes else model.predict(rows)
    assert np.allclose(mine.predict(test).array(), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_it_learns_is_saved_as_tables_and_opens_the_same(target: str, tmp_path: Path) -> None:
    problem = problem_of(target)
    found, test = fitted(problem), problem.part("test")
    metric, truth = get(problem.metric), problem.truth("test")
    guess = learners["majority"].fit(
        problem, default(learners["majority"].config, {}), 0, Watch(Clock(), lambda s, p: True)
    )
    sign = 1 if metric.higher_is_better else -1
    least = metric.score(truth, guess.predict(test), None)
    assert sign * metric.score(truth, found.predict(test), None) > sign * least
    found.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors"}
    opened = EBM.load(tmp_path)
    assert np.array_equal(opened.predict(test).array(), found.predict(test).array())
    assert opened.settled() == found.settled()


def test_a_pair_is_found_where_two_columns_tell_together() -> None:
    names = [term.name for term in fitted(problem_of("loss")).terms]
    assert "amount & purpose" in names
    assert not [term for term in fitted(problem_of("loss"), pairs=0).terms if len(term.bins) > 1]


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_terms_add_is_the_answer_and_stands_in_the_table(target: str) -> None:
    problem = problem_of(target)
    found, test = fitted(problem), problem.part("test")
    each = np.stack([*found.contributions(test).values()], axis=1)
    outputs = len(found.outputs())
    assert np.allclose(each.reshape(len(test), -1, outputs).sum(axis=1), found.margins(test))
    lines = {(line["feature"], line["bin"]): line for line in found.table()}
    for term in found.terms:
        label = term.labels()[
            np.ravel_multi_index([c[0] for c in term.codes(test)], term.shares.shape)
        ]
        said = [lines[term.name, label][name] for name in found.outputs()]
        assert np.allclose(said, term.of(test)[0])
    assert np.isclose(sum(t.shares.sum() for t in found.terms), len(found.terms))


def test_a_shorter_table_has_the_same_rows_and_mean() -> None:
    for term in fitted(problem_of("loss")).terms:
        short = term.condensed(4)
        assert max(one.count for one in short.bins) <= 5
        assert short.scores.shape[:-1] == tuple(one.count for one in short.bins)
        assert np.isclose(short.shares.sum(), 1)
        means = [(one.scores[..., 0] * one.shares).sum() for one in (term, short)]
        assert np.isclose(*means, atol=1e-6)
        assert term.scores.min() <= short.scores.min() < short.scores.max() <= term.scores.max()


def test_along_named_columns_the_answer_only_rises_or_falls() -> None:
    problem = problem_of("loss")
    found = {
        term.name: term for term in fitted(problem, rising="months,amount", falling="since").terms
    }
    for name, sign in (("months", 1), ("amount", 1), ("since", -1)):
        steps = np.diff(found[name].scores[:-1, 0]) if name in found else np.zeros(1)
        assert (sign * steps >= -1e-9).all()
    assert not [name for name in found if " & " in name]


def test_columns_that_cannot_rise_are_refused(problem: Problem) -> None:
    with pytest.raises(ConfigError, match=r"no column of numbers or dates 'month'.*'months'"):
        fitted(problem, rising="month")
    with pytest.raises(ConfigError, match="no column of numbers or dates 'purpose'"):
        fitted(problem, falling="purpose")
    with pytest.raises(ConfigError, match="named twice"):
        fitted(problem, rising="months", falling="months")
    with pytest.raises(ConfigError, match="more than two classes"):
        fitted(problem_of("grade"), rising="months")


def test_settled_rounds_give_the_same_rounds_again(problem: Problem) -> None:
    found = fitted(problem)
    rows = np.union1d(problem.parts["train"], problem.parts["valid"])
    whole = replace(problem, parts={**problem.parts, "train": rows, "valid": rows})
    again = fitted(whole, **found.settled())
    assert again.settled() == found.settled()
    test = problem.part("test")
    assert np.corrcoef(again.margins(test)[:, 0], found.margins(test)[:, 0])[0, 1] > 0.95


def test_a_deadline_ends_it_with_what_it_has(problem: Problem) -> None:
    ticks = iter(range(1000))
    clock = Clock(8.0, lambda: float(next(ticks)))
    found = EBM.fit(problem, default(EBM.config, {}), 0, Watch(clock, lambda s, p: True))
    assert 0 < found.settled()["rounds"] < fitted(problem).settled()["rounds"]


def test_rows_that_count_more_move_the_answer(problem: Problem) -> None:
    truth = np.full(len(problem.data), -1)
    for part in ("train", "valid"):
        truth[problem.parts[part]] = problem.truth(part)
    weighed = replace(problem, weights=np.where(truth == 1, 8.0, 1.0))
    plain, heavy = (fitted(one).margins(one.part("test")).mean() for one in (problem, weighed))
    assert heavy - plain > 1


def test_a_class_that_no_row_teaches_is_answered_as_unlikely() -> None:
    problem = problem_of("grade")
    rows = problem.parts["train"]
    kept = rows[problem.truth("train") != 1]
    less = replace(problem, parts={**problem.parts, "train": kept})
    answers = fitted(less).predict(problem.part("test")).array()
    assert answers[:, 1].max() < 0.01
    one = rows[problem.truth("train") == 1]
    alone = fitted(replace(problem, parts={**problem.parts, "train": one}))
    assert alone.predict(problem.part("test")).array()[:, 1].min() > 0.99


def test_holes_and_new_levels_are_answered_as_missing(problem: Problem) -> None:
    found, rows = fitted(problem), problem.part("test").take(np.arange(4))
    cells = {name: values.copy() for name, values in rows.cells.items()}
    cells["months"][0], cells["purpose"][1], cells["amount"][2] = np.nan, "boat", np.inf
    cells["since"][3] = np.datetime64("NaT")
    answers = found.predict(replace(rows, cells=cells)).array()
    cells["purpose"][1] = None
    assert np.isfinite(answers).all()
    assert np.array_equal(answers[1], found.predict(replace(rows, cells=cells)).array()[1])


def test_texts_are_refused_and_tables_that_do_not_fit_their_bins(
    problem: Problem, tmp_path: Path
) -> None:
    words = loans(100)[["months", "label"]].assign(
        note=[f"the customer number {i} wrote a letter" for i in range(100)]
    )
    kinds: Any = {"note": "text"}
    assert "texts" in EBM.suits(frame(read(words, target="label", kinds=kinds), "label"))
    assert EBM.suits(problem) == ""
    fitted(problem).save(tmp_path)
    saved = read_json(tmp_path / "model.json")
    saved["terms"][0][0]["edges"] = saved["terms"][0][0]["edges"][1:]
    write_json(tmp_path / "model.json", saved)
    with pytest.raises(UnsafeArtifact, match="does not fit its bins"):
        EBM.load(tmp_path)
