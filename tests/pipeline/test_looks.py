"""Trials that look at a part of the training rows first, and are taken up again on all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Curve
from tunesmith.core.events import Journal, read_journal
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.pipeline import propose, searching
from tunesmith.pipeline.finish import finish
from tunesmith.pipeline.gain import gain_of_going_on, gain_of_one_more
from tunesmith.pipeline.history import History
from tunesmith.pipeline.parts import fewer, nested
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.recorded import NOTHING, Recorded, past, write_result
from tunesmith.pipeline.results import Results, again_seconds
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import candidates, rank, rank_key, refit_seconds, resumable
from tunesmith.pipeline.trial import Job, run_trial
from tunesmith.pipeline.tune import tune

CONFIG = to_dict(default(learners["linear"].config, {}))


def test_a_part_of_the_rows_holds_every_class_in_its_share(problem: Problem) -> None:
    whole, part = problem.truth("train"), fewer(problem, 0.25).truth("train")
    assert len(part) == round(0.25 * len(whole))
    for code, rows in Counter(whole.tolist()).items():
        assert abs(np.sum(part == code) - 0.25 * rows) <= 1
    assert set(fewer(problem, 0.1).parts["train"]) < set(fewer(problem, 0.25).parts["train"])
    assert sorted(nested(problem, 0)) == sorted(problem.parts["train"])
    for name in ("valid", "test"):
        assert np.array_equal(fewer(problem, 0.25).parts[name], problem.parts[name])


def test_a_look_is_taken_up_on_all_rows_and_both_are_one_trial(run: Run, problem: Problem) -> None:
    trial = Trial(1, "linear", CONFIG, "a test", 3, share=0.25)
    history = History(run, problem, lambda results: None)
    look = run_trial(run, problem, Job(trial), "none")
    assert look.status == "stopped"
    assert "25% of the training rows" in look.reason
    history.add(look)
    assert [one.trial for one in resumable(history.results)] == [trial]
    whole = run_trial(run, problem, Job(replace(trial, leg=1, share=1.0)), "none")
    history.add(whole)
    (both,) = history.results
    assert both.status == "done"
    assert both.progress == (0.25, 1.0)
    assert both.curve == (look.score.value, whole.score.value)
    assert both.fit_seconds == pytest.approx(look.fit_seconds + whole.fit_seconds)
    alone = run_trial(run, problem, Job(replace(trial, number=2, share=1.0)), "none")
    assert np.array_equal(alone.prediction.array(), both.prediction.array())
    recorded = past(run.folder, problem)
    shares = [result.trial.share for result in recorded.results.values()]
    assert shares == [0.25, 1.0]
    assert recorded.count == 1


def test_a_look_that_goes_on_and_fails_stays_a_look(run: Run, problem: Problem) -> None:
    trial = Trial(1, "linear", CONFIG, "a test", 3, share=0.25)
    history = History(run, problem, lambda results: None)
    look = history.add(run_trial(run, problem, Job(trial), "none"))
    later = replace(trial, leg=1, share=1.0)
    both = history.add(Result(later, "failed", "no time was left", fit_seconds=0.1))
    assert (both.status, both.trial.share, both.trial.leg) == ("done", 0.25, 1)
    assert both.curve == look.curve
    assert "no time was left" in both.reason
    assert refit_seconds(problem, both) >= refit_seconds(problem, look)
    assert not resumable(history.results)


def test_a_model_that_went_on_after_the_end_is_saved_anew(run: Run, problem: Problem) -> None:
    trial = Trial(1, "linear", CONFIG, "a test", 3, share=0.25)
    history = History(run, problem, lambda results: None)

    def saved() -> bytes:
        finish(run, problem, history.results, may_refit=False)
        (file,) = (run.folder.path / "best").rglob("model.safetensors")
        return file.read_bytes()

    history.add(run_trial(run, problem, Job(trial), "none"))
    first = saved()
    history.add(run_trial(run, problem, Job(replace(trial, leg=1, share=1.0)), "none"))
    second = saved()
    assert second != first
    assert second == (run.folder.trial(1) / "model" / "model.safetensors").read_bytes()
    assert saved() == second


def test_what_a_look_took_is_not_counted_for_once_more(run: Run, problem: Problem) -> None:
    trial = Trial(1, "linear", CONFIG, "a test", 3, share=0.25)
    history = History(run, problem, lambda results: None)
    look = run_trial(run, problem, Job(trial), "none")
    history.add(replace(look, fit_seconds=2.0))
    whole = run_trial(run, problem, Job(replace(trial, leg=1, share=1.0)), "none")
    both = history.add(replace(whole, fit_seconds=7.0, stored_seconds=0.0))
    assert both.fit_seconds == 9.0
    assert again_seconds(both) == 7.0


def test_a_best_that_falls_gives_way_to_another_and_who_was_deleted_is_not_blended(
    run: Run, problem: Problem
) -> None:
    told: list[int] = []
    history = History(run, problem, lambda found: told.append(rank(problem, found)[0].trial.number))

    def made(number: int, value: float, leg: int = 0, share: float = 1.0) -> Result:
        folder = run.folder.trial(number) / "model"
        folder.mkdir(parents=True, exist_ok=True)
        score = Score("accuracy", value, value - 0.02, value + 0.02, 40)
        trial = Trial(number, "linear", CONFIG, "", 0, leg=leg, share=share)
        status = "done" if share == 1 else "stopped"
        answers = ClassScores(problem.classes, np.full((40, 2), 0.5))
        return Result(trial, status, score=score, prediction=answers, folder=str(folder))

    history.add(made(1, 0.90, share=0.25))
    for number in range(2, 10):
        history.add(made(number, 0.90 - number / 100))
    history.add(made(1, 0.70, leg=1))
    assert told == [1, 2], "the best is another now"
    kept = candidates(problem, history.results)
    assert kept[0].trial.number == 2
    assert all(Path(result.folder).is_dir() for result in kept)
    assert 9 not in {result.trial.number for result in kept}


def test_the_best_of_the_looks_is_believed_to_be_above_the_usual(problem: Problem) -> None:
    results = Results(rank_key(problem))
    for number, (value, share) in enumerate(
        [(0.80, 1.0), (0.81, 1.0), (0.60, 0.25), (0.61, 0.25), (0.62, 0.25), (0.70, 0.25)], 1
    ):
        score = Score("accuracy", value, value - 0.02, value + 0.02, 100)
        status = "done" if share == 1 else "stopped"
        trial = Trial(number, "linear", CONFIG, "", 0, share=share)
        results.add(Result(trial, status, score=score, curve=(value,), progress=(share,)))
    looks = [one for one in results.ranked() if one.trial.share < 1]
    gains = [gain_of_going_on(problem, results, look, (), 1.0).gain for look in looks]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 2 * gain_of_one_more(problem, results, "linear", 1.0).gain
    rise = (Curve(0, ((0.25, 0.6), (1.0, 0.65))),)
    known = gain_of_going_on(problem, results, looks[0], rise, 1.0).gain
    assert known < gains[0] / 2, "one that was taken up has risen by less"


def test_a_fit_to_all_rows_is_foretold_from_a_look(problem: Problem) -> None:
    trial = Trial(1, "linear", CONFIG, "a test", 3)
    whole = Result(trial, "done", fit_seconds=8.0)
    look = Result(replace(trial, share=0.25), "stopped", fit_seconds=2.0)
    assert refit_seconds(problem, look) == pytest.approx(refit_seconds(problem, whole))


def searched(
    run: Run, problem: Problem, search: str, reads: int, recorded: Recorded = NOTHING
) -> list[Trial]:
    """The trials of the linear model, each leg, within a time that passes by a second whenever
    somebody looks at the clock, however busy the machine is."""
    clock = Clock(float(reads), count(1).__next__, 0.0)
    timed = replace(run, most_trials=None, clock=clock, journal=Journal(run.folder.journal, clock))
    found, _ = plan(problem, wanted=["linear"], pins={}, clock=clock, offline=True)
    tune(timed, problem, found, pins={}, better=lambda r: None, search=search, recorded=recorded)
    return past(run.folder, problem).trials


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every trial took a good part of the time, and few rows were many."""
    monkeypatch.setattr(searching, "MANY_TRIALS", 10**9)
    monkeypatch.setattr(searching, "LOOK_ROWS", 10)
    monkeypatch.setattr(searching, "LOOK_ROWS_A_CLASS", 1)
    monkeypatch.setattr(searching, "PATIENCE_TRIALS", 2)


@pytest.mark.usefixtures("dear")
def test_where_trials_are_dear_configs_are_looked_at_first(run: Run, problem: Problem) -> None:
    trials = searched(run, problem, "auto", 3000)
    looks = [trial for trial in trials if trial.share < 1]
    assert looks
    assert all("a look at 25% of the rows first" in trial.reason for trial in looks)
    taken_up = [trial for trial in trials if trial.leg]
    assert {trial.number for trial in taken_up} <= {trial.number for trial in looks}
    assert all(trial.share == 1 for trial in taken_up)
    assert taken_up, "the best of them is worth all rows"


@pytest.mark.usefixtures("dear")
def test_a_search_that_knows_no_shares_fits_all_rows(run: Run, problem: Problem) -> None:
    assert all(trial.share == 1 for trial in searched(run, problem, "random", 300))


def test_of_very_many_rows_the_first_model_sees_a_part(
    run: Run, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propose, "MANY_ROWS", 50)
    monkeypatch.setattr(propose, "FIRST_ROWS", 40)
    first, second, *_ = searched(run, problem, "auto", 2000)
    assert first.share == pytest.approx(40 / len(problem.parts["train"]))
    assert "to have a model soon" in first.reason
    assert (second.number, second.leg, second.share) == (first.number, 1, 1.0)
    began = [event.facts for event in read_journal(run.folder.journal) if event.kind == "trial"]
    assert began[0]["share"] == first.share
    assert "share" not in began[1]


def test_a_run_cut_short_after_its_first_look_fits_all_rows_when_it_goes_on(
    run: Run, problem: Problem
) -> None:
    look = Trial(1, "linear", CONFIG, "to have a model soon", 3, share=0.25)
    write_result(run.folder, run_trial(run, problem, Job(look), "none"))
    trials = searched(run, problem, "auto", 1000, past(run.folder, problem))
    shares = [trial.share for trial in trials if dict(trial.config) == CONFIG]
    assert shares[0] == 0.25
    assert 1.0 in shares[1:]
