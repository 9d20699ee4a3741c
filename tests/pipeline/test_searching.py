"""What the search does next, and why; trials side by side, and trials that are taken up again."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Curve
from tunesmith.core.errors import ConfigError
from tunesmith.core.events import Journal, read_journal
from tunesmith.core.predictions import Values
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.core.runfolder import RunFolder
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.pipeline.gain import gain_of_going_on, gain_of_one_more, improvement, told
from tunesmith.pipeline.goals import check_goals, goals_of
from tunesmith.pipeline.history import History
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.propose import CHEAP_SHARE
from tunesmith.pipeline.recorded import past, write_result
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.searching import Search
from tunesmith.pipeline.standing import front, keepers, rank, rank_key, resumable
from tunesmith.pipeline.trial import Job, run_trial
from tunesmith.pipeline.tune import tune
from tunesmith.search._own import OwnStudy
from tunesmith.tasks.classification import reviews


def made(number: int, learner: str, value: float, **facts: object) -> Result:
    score = Score("accuracy", value, value - 0.02, value + 0.02, 100)
    trial = Trial(number, learner, {}, "", 0)
    answers = Values(np.zeros(2))
    return Result(trial, "done", score=score, prediction=answers, **facts)  # type: ignore[arg-type]


def results_of(problem: Problem, *found: Result) -> Results:
    results = Results(rank_key(problem))
    for one in found:
        results.add(one)
    return results


def test_results_are_kept_in_order_and_a_later_leg_replaces_the_earlier(problem: Problem) -> None:
    results = results_of(
        problem, made(1, "linear", 0.8), made(2, "neural", 0.7), made(3, "linear", 0.6)
    )
    assert [r.trial.number for r in results.ranked()] == [1, 2, 3]
    assert results.since_best("linear") == 1
    results.add(made(2, "neural", 0.9))
    assert [r.trial.number for r in results] == [1, 2, 3]
    assert [r.trial.number for r in results.ranked()] == [2, 1, 3]
    assert len(results.of("neural")) == 1


def test_what_is_kept_up_to_date_is_what_would_be_computed_anew(problem: Problem) -> None:
    dice, results, latest = np.random.default_rng(0), results_of(problem), dict[int, Result]()
    for step in range(120):
        number = int(dice.integers(40)) if step > 60 else step
        name = "linear" if number % 3 else "neural"
        one = made(number, name, round(float(dice.random()), 2), fit_seconds=float(dice.random()))
        status = ("done", "stopped", "failed")[int(dice.integers(3))]
        score = None if status == "failed" else one.score
        size = int(dice.integers(3))
        latest[number] = replace(one, status=status, score=score, size_bytes=size)  # type: ignore[arg-type]
        results.add(latest[number])
        every = list(latest.values())
        assert keepers(problem, results) == keepers(problem, every)
        assert results.paused() == [r for r in rank(problem, every) if r.status == "stopped"]
        seconds = [r.fit_seconds for r in every if r.trial.learner == name and r.score is not None]
        assert results.fit_seconds(name) == sorted(seconds)
        assert results.numbered(number) is latest[number]
    goals = {r.trial.number: (r.score.value, -r.size_bytes) for r in every if r.score}
    beaten = {
        n
        for n, mine in goals.items()
        if any(o != mine and o[0] >= mine[0] and o[1] >= mine[1] for o in goals.values())
    }
    assert front(problem, every) == set(goals) - beaten


def test_the_better_learner_and_the_cheaper_one_gain_more_for_their_cost(problem: Problem) -> None:
    results = results_of(
        problem,
        *(made(number, "linear", 0.80 + number / 1000) for number in range(4)),
        *(made(number, "neural", 0.85 + number / 1000) for number in range(4, 8)),
    )
    linear = gain_of_one_more(problem, results, "linear", 1.0)
    neural = gain_of_one_more(problem, results, "neural", 1.0)
    assert neural.gain > 10 * linear.gain > 0
    assert gain_of_one_more(problem, results, "neural", 10.0).rate == pytest.approx(
        neural.rate / 10
    )
    assert "neural" not in told(neural, [linear], in_seconds=False)
    assert "more a trial than linear" in told(neural, [linear], in_seconds=False)
    part = replace(neural, cost=0.5)
    assert " s" not in told(part, [], in_seconds=False), "a part of a trial is no time"
    assert "in about 0.5 s" in told(part, [], in_seconds=True)


def test_a_trial_is_expected_to_rise_as_those_did_that_went_through(problem: Problem) -> None:
    stopped = replace(
        made(9, "neural", 0.80), status="stopped", progress=(0.25,), curve=(0.80,), fit_seconds=5.0
    )
    results = results_of(problem, made(1, "linear", 0.86), stopped)
    flat = [Curve(n, ((0.25, 0.7), (1.0, 0.7))) for n in range(3)]
    rising = [Curve(n, ((0.25, 0.7), (1.0, 0.78))) for n in range(3)]
    gains = [gain_of_going_on(problem, results, stopped, c, 10.0).gain for c in (flat, rising)]
    assert gains[1] > 10 * gains[0]
    assert improvement(1.0, 1e-9, 0.5) == pytest.approx(0.5)


def test_goals_are_the_score_first_and_each_higher_is_better(problem: Problem) -> None:
    assert check_goals(()) == check_goals(("score",)) == ()
    goals = check_goals(("size",))
    assert goals == ("score", "size")
    small, large = (made(1, "linear", 0.8, size_bytes=n * 10**6) for n in (1, 2))
    assert goals_of(problem, small, goals) == (0.8, -1.0)
    assert goals_of(problem, small, goals) > goals_of(problem, large, goals)
    with pytest.raises(ConfigError, match="Did you mean 'latency'"):
        check_goals(("latancy",))


@pytest.mark.parametrize("search", ["auto", "nsga2", "tpe"])
def test_a_search_for_several_goals_finds_a_front(run: Run, problem: Problem, search: str) -> None:
    found, _ = plan(problem, wanted=["linear"], pins={}, clock=Clock(), offline=True)
    results, _ = tune(
        replace(run, most_trials=14),
        problem,
        found,
        pins={},
        better=lambda r: None,
        search=search,
        goals=("score", "size"),
    )
    assert len({r.size_bytes for r in results}) > 2
    assert any("proposed by" in r.trial.reason for r in results)


def test_what_a_stopper_ended_goes_on_from_there(
    run: Run, problem: Problem, checkpoint: str
) -> None:
    pins = {"backbone": checkpoint, "epochs": 6, "patience": 6, "batch_size": 16}
    config = to_dict(default(learners["neural"].config, pins))
    better = tuple(Curve(n, ((0.1, 1e9), (1.0, 2e9))) for n in range(6))
    trial = Trial(1, "neural", config, "a test", 3)
    whole = run_trial(replace(run, folder=other(run)), problem, Job(trial), "none")
    first = run_trial(run, problem, Job(trial, others=better, place=9), "asha")
    assert first.status == "stopped"
    assert len(first.curve) < len(whole.curve)
    write_result(run.folder, first)
    results = results_of(problem, first)
    assert resumable(results) == [first]
    again = run_trial(run, problem, Job(replace(trial, leg=1)), "asha")
    assert "from a checkpoint" in again.notes["resumed"]
    assert again.status == "done"
    assert again.curve == whole.curve
    assert again.score == whole.score
    write_result(run.folder, again)
    recorded = past(run.folder, problem)
    assert [(n, leg) for n, leg in recorded.results] == [(1, 0), (1, 1)]
    assert recorded.count == 1
    assert not (run.folder.trial(1) / "checkpoint").exists()


def other(run: Run) -> RunFolder:
    return RunFolder.create(run.folder.path.with_name("other"))


def test_trials_side_by_side_make_one_run(tmp_path: Path) -> None:
    cells = reviews(np.random.default_rng(0), 200).cells
    table = pd.DataFrame({name: cells[name] for name in ("text", "age", "label")})
    folder = tmp_path / "run"
    model = ts.fit(
        table, "label", trials=6, folder=folder, learners=["majority", "linear"], workers=2
    )
    board = model.leaderboard()
    assert sorted(row["trial"] for row in board) == [1, 2, 3, 4, 5, 6]
    assert all(row["status"] == "done" for row in board)
    kinds = [event.kind for event in read_journal(folder / "journal.jsonl")]
    assert kinds.count("trial") == kinds.count("result") == 6
    assert len(ts.resume(folder, trials=2, source=table).leaderboard()) == 8


def test_a_proposal_that_is_under_way_already_is_told_how_that_ends(
    run: Run, problem: Problem
) -> None:
    pins = to_dict(default(learners["linear"].config))
    del pins["balanced"]
    history = History(run, problem, lambda found: None)
    search = Search(
        run, problem, {"linear": pins}, history, ["linear"], "random", "median", (), lambda: 0.0
    )

    def ended(number: int, balanced: bool, value: float) -> None:
        result = made(number, "linear", value)
        config = {**pins, "balanced": balanced}
        result = replace(result, trial=replace(result.trial, config=config))
        search.tell(result)
        history.results.add(result)

    ended(1, False, 0.6)
    move = search.next(())
    assert move is not None
    assert move.config["balanced"] is True
    search.credit(2, move)
    trial = Trial(2, "linear", move.config, "", 0)
    search.begin(trial)
    assert search.next((trial,)) is None, "nothing else is left"
    (study,) = search._studies.values()
    assert isinstance(study, OwnStudy)
    assert len(study.open) > 1, "the same was proposed again"
    ended(2, True, 0.7)
    assert not study.open
    told = {(one.values["balanced"], one.scores) for one in study.seen}
    assert told == {(False, (0.6,)), (True, (0.7,))}, "none of them has failed"


def test_workers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    rows = {"text": ["a", "b"] * 20, "label": ["x", "y"] * 20}
    for chosen in ({"workers": 0}, {"workers": 2, "metric": lambda truth, found: 0.5}):
        with pytest.raises(ConfigError, match=r"workers"):
            ts.fit(rows, "label", trials=1, folder=tmp_path / "run", **chosen)
        assert not (tmp_path / "run").exists()


def test_quick_models_are_searched_before_the_first_checkpoint_is_read(
    run: Run, problem: Problem, checkpoint: str
) -> None:
    clock = Clock(8000.0, count(1).__next__, 0.0)  # a second passes whenever somebody looks
    timed = replace(run, most_trials=12, clock=clock, journal=Journal(run.folder.journal, clock))
    pins = {"probe": {"backbone": checkpoint}}
    found, _ = plan(problem, wanted=["linear", "probe"], pins=pins, clock=clock, offline=True)
    results, _ = tune(timed, problem, found, pins=pins, better=lambda r: None)
    assert len(results) <= 12, "as many trials as were asked for"
    names = [result.trial.learner for result in results]
    before = results[: names.index("probe")]
    quick = [r.trial for r in before if r.trial.reason.startswith("proposed by auto")]
    assert quick
    spent = sum(result.fit_seconds for result in before[-len(quick) :])
    assert spent < 2 * CHEAP_SHARE * 8000
