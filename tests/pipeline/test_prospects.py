"""What is told at the end of a fit of more time and more rows: from this run alone, in its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.events import Journal, read_journal
from tunesmith.core.records import Dataset, Problem, Result
from tunesmith.core.runfolder import RunFolder, read_json, write_json
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.prospects import nested, prospects
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import rank
from tunesmith.pipeline.tune import tune

Results = tuple[Result, ...]


@pytest.fixture
def problem(data: Dataset) -> Problem:
    """Reviews of which some have the wrong label, so that no model knows them all."""
    labels = data.cells["label"].copy()
    labels[::7] = "good"
    return frame(replace(data, cells={**data.cells, "label": labels}), "label", seed=0)


@pytest.fixture
def results(run: Run, problem: Problem) -> Results:
    return tuned(run, problem)


def tuned(run: Run, problem: Problem) -> Results:
    """Four trials: the majority answer and three linear models."""
    found, _ = plan(problem, wanted=["majority", "linear"], pins={}, clock=Clock(), offline=True)
    return tune(run, problem, found, pins={}, better=lambda r: None)[0]


def timed(run: Run, seconds: float, now: Callable[[], float] = time.monotonic) -> Run:
    """The same run under a deadline so many seconds from now."""
    clock = Clock(seconds, now)
    return replace(run, clock=clock, journal=Journal(run.folder.journal, clock), most_trials=None)


def test_with_a_budget_of_trials_the_same_is_told_each_time_whatever_the_clock_says(
    run: Run, problem: Problem, results: Results, tmp_path: Path
) -> None:
    first = prospects(run, problem, results, interrupted=False)
    folder = RunFolder.create(tmp_path / "other")
    slow = Clock(now=lambda: 50 * time.monotonic())
    other = replace(run, folder=folder, clock=slow, journal=Journal(folder.journal, slow))
    again = prospects(other, problem, tuned(other, problem), interrupted=False)
    assert again == first
    assert (first["budget"]["of"], first["budget"]["spent"]) == ("trials", 4)
    assert [one["factor"] for one in first["budget"]["expected"]] == [2, 5]


def test_the_journal_and_the_answer_tell_the_same(
    run: Run, problem: Problem, results: Results
) -> None:
    told = prospects(run, problem, results, interrupted=False)
    (event,) = (e for e in read_journal(run.folder.journal) if e.kind == "prospects")
    assert event.facts["budget"] == told["budget"]
    assert event.facts["rows"] == told["rows"]
    assert event.facts["metric"] == problem.metric


def test_rows_are_told_of_the_model_that_was_fitted_to_parts_of_them(
    run: Run, problem: Problem, results: Results
) -> None:
    rows = prospects(run, problem, results, interrupted=False)["rows"]
    train = len(problem.parts["train"])
    assert [point["rows"] for point in rows["curve"]] == [train // 4, train // 2, train]
    assert rows["model"] == "the linear model on words"
    chosen = next(r for r in results if r.trial.number == rows["trial"])
    assert chosen.score is not None
    assert rows["curve"][-1]["score"] == pytest.approx(chosen.score.value)
    assert all(one["low"] <= one["expected"] <= one["high"] <= 1 for one in rows["expected"])


def test_every_beginning_of_the_rows_holds_the_classes_in_their_shares(problem: Problem) -> None:
    order = nested(problem, seed=3)
    assert sorted(order) == sorted(problem.parts["train"])
    truth = problem.data.values(problem.target) == problem.classes[0]
    share = truth[order].mean()
    for count in (10, 30, 60, 110):
        assert abs(truth[order[:count]].sum() - share * count) <= 1
    assert (nested(problem, seed=3) == order).all()
    assert (nested(problem, seed=4) != order).any()


def test_what_could_not_be_tried_is_named_instead_of_a_number(
    run: Run, problem: Problem, results: Results
) -> None:
    planned = [{"learner": name} for name in ("majority", "linear", "probe", "neural", "neural")]
    write_json(run.folder.path / "candidates.json", {"candidates": planned})
    told = prospects(run, problem, results, interrupted=False)["budget"]
    assert told["expected"] == []
    assert told["reason"] == "cannot be told: probe and neural could not be tried yet"


def test_a_search_that_ended_before_its_trials_would_gain_nothing_by_more(
    run: Run, problem: Problem, results: Results
) -> None:
    told = prospects(replace(run, most_trials=9), problem, results, interrupted=False)
    assert {one["high"] for one in told["budget"]["expected"]} == {told["score"]}
    assert "ended by itself" in told["budget"]["reason"]


def test_the_more_of_the_time_went_into_trials_the_less_there_is_to_gain_by_twice_of_it(
    run: Run, problem: Problem, results: Results
) -> None:
    """What comes before and after the trials does not grow with the budget."""
    busy = tuple(replace(one, fit_seconds=1e6) for one in results)
    ended = [e.seconds for e in read_journal(run.folder.journal) if e.kind in ("trial", "result")]
    told = [
        prospects(timed(run, share * (ended[-1] - ended[0])), problem, busy, interrupted=False)
        for share in (0.5, 1.0)
    ]
    few, many = (one["budget"]["expected"][0] for one in told)
    assert [one["budget"]["of"] for one in told] == ["seconds", "seconds"]
    assert few["factor"] == many["factor"] == 2
    assert few["high"] < many["high"]


def test_a_learner_that_has_long_gained_nothing_would_get_few_trials_more(
    run: Run, problem: Problem, results: Results
) -> None:
    best, highs = rank(problem, results)[0], []
    assert best.score is not None
    for vain in (1, 6, 8):
        lower = [
            replace(
                best,
                trial=replace(best.trial, number=number),
                score=replace(best.score, value=best.score.value - 0.01 * number),
            )
            for number in range(2, 2 + vain)
        ]
        every = (replace(best, trial=replace(best.trial, number=1)), *lower)
        many = replace(run, most_trials=len(every))
        told = prospects(many, problem, every, interrupted=False)["budget"]
        highs.append(told["expected"][1]["high"] if told["expected"] else float("inf"))
    assert highs[0] == float("inf"), "of two models nothing is known"
    assert highs[1] > highs[2] == best.score.value
    assert "ended by itself" in told["reason"]


def test_at_the_deadline_no_row_is_fitted_again(
    run: Run, problem: Problem, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(learners["linear"]), "fit", None)
    late = timed(run, 1.2)
    told = prospects(late, problem, results, interrupted=False)
    assert told["rows"]["expected"] == []
    assert told["rows"]["reason"] == (
        "cannot be told: no time was left to fit a model to parts of them"
    )
    stages = [e.facts["name"] for e in read_journal(late.folder.journal) if e.kind == "stage"]
    assert "fitting to parts of the rows" not in stages


def test_a_fit_that_takes_longer_than_thought_is_the_last(
    run: Run, problem: Problem, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fits, late = type(learners["linear"]).fit, [0], [0.0]

    def slow(*given: object) -> object:
        fits[0] += 1
        late[0] += 30.0
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(type(learners["linear"]), "fit", slow)
    limited = timed(run, 100.0, lambda: late[0])
    told = prospects(limited, problem, results, interrupted=False)
    assert fits[0] == 1
    assert told["rows"]["expected"] == []
    assert limited.clock.left() > limited.reserve_seconds()


def test_a_model_that_cannot_be_fitted_to_a_part_costs_nothing(
    run: Run, problem: Problem, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise ValueError("one class only")

    monkeypatch.setattr(type(learners["linear"]), "fit", broken)
    told = prospects(run, problem, results, interrupted=False)
    assert told["rows"]["reason"] == "cannot be told: ValueError: one class only"
    assert told["budget"]["expected"]


def test_an_interrupted_fit_is_over_at_once(
    run: Run, problem: Problem, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(learners["linear"]), "fit", None)
    told = prospects(replace(run, most_trials=9), problem, results, interrupted=True)
    assert "interrupted" in told["rows"]["reason"]
    assert told["budget"]["expected"][0]["expected"] >= told["score"]


def test_of_a_constant_answer_alone_nothing_is_told(run: Run, problem: Problem) -> None:
    results = tuned(replace(run, most_trials=1), problem)
    told = prospects(replace(run, most_trials=1), problem, results, interrupted=False)
    assert told["budget"]["expected"] == told["rows"]["expected"] == []
    assert "0 models were scored" in told["budget"]["reason"]


def test_a_fit_tells_it_and_a_resumed_one_tells_it_again(problem: Problem, tmp_path: Path) -> None:
    cells = {name: problem.data.cells[name] for name in ("text", "age", "label")}
    chosen = {"learners": ["majority", "linear"], "offline": True}
    table = pd.DataFrame(cells)
    first, whole = tmp_path / "first", tmp_path / "whole"
    ts.fit(table, "label", trials=4, folder=first, **chosen)
    before = read_json(first / "summary.json")["prospects"]
    ts.resume(first, trials=2, source=table)
    ts.fit(table, "label", trials=6, folder=whole, **chosen)
    after = read_json(first / "summary.json")["prospects"]
    assert before["budget"]["spent"] == 4
    assert after == read_json(whole / "summary.json")["prospects"]
