"""When a trial is taken to hang, and that the search then goes on."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.events import Event, Journal
from tunesmith.core.predictions import Values
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.learners import learners
from tunesmith.pipeline import hanging
from tunesmith.pipeline.hanging import limit_of
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import rank_key
from tunesmith.pipeline.tune import tune
from tunesmith.run._alarm import can_interrupt


def results_of(problem: Problem, *seconds: float) -> Results:
    """Trials of the linear model that took so long."""
    results = Results(rank_key(problem))
    for number, one in enumerate(seconds):
        score = Score("accuracy", 0.5, 0.4, 0.6, 10)
        trial = Trial(number, "linear", {}, "", 0)
        answers = Values(np.zeros(2))
        results.add(Result(trial, "done", score=score, prediction=answers, fit_seconds=one))
    return results


def test_without_a_deadline_only_what_is_far_beyond_all_trials_is_taken_to_hang(
    problem: Problem,
) -> None:
    def limit(*seconds: float, learner: str = "linear") -> hanging.Limit:
        return limit_of(problem, results_of(problem, *seconds), learner, UNLIMITED)

    assert limit().seconds == limit(1.0, 2.0).seconds == 3600.0
    assert limit(30.0, 400.0, 50.0).seconds == 8000.0
    assert "20 times the longest trial of this learner" in limit(30.0, 400.0, 50.0).reason
    assert limit(400.0, learner="neural").seconds == 3600.0
    rows = np.arange(5000)
    many = replace(problem, parts={**problem.parts, "train": rows})
    found = limit_of(many, results_of(many), "linear", UNLIMITED)
    assert found.seconds == 50_000.0
    assert "5,000 training rows" in found.reason


def test_under_a_deadline_a_trial_has_its_time_and_some_grace_more_while_there_is_no_model(
    problem: Problem,
) -> None:
    some, none = results_of(problem, 1.0), results_of(problem)
    assert limit_of(problem, some, "linear", 10.0).seconds == 13.0
    assert limit_of(problem, some, "linear", 100.0).seconds == 110.0
    assert limit_of(problem, none, "linear", 10.0).seconds == 70.0


@pytest.mark.skipif(not can_interrupt(), reason="Windows has no such signal")
def test_a_trial_that_hangs_fails_with_its_reason_and_the_search_goes_on(
    run: Run, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third; it alone has a short limit, so that no other can be too slow for it."""
    fits, real = [0], type(learners["linear"]).fit

    def stuck(*given: object) -> object:
        fits[0] += 1
        if fits[0] == 2:
            time.sleep(60.0)
        return real(*given)  # type: ignore[arg-type]

    def hear(event: Event) -> None:
        if event.kind == "result":
            hanging.LEAST_SECONDS = 0.5 if event.facts["trial"] == 2 else 3600.0

    monkeypatch.setattr(hanging, "LEAST_SECONDS", 3600.0)
    monkeypatch.setattr(hanging, "SECONDS_A_ROW", 0.0)
    monkeypatch.setattr(hanging, "TIMES_LONGEST", 0.0)
    run = replace(run, journal=Journal(run.folder.journal, run.clock, (hear,)))
    monkeypatch.setattr(type(learners["linear"]), "fit", stuck)
    found, _ = plan(problem, wanted=["majority", "linear"], pins={}, clock=Clock(), offline=True)
    results, interrupted = tune(run, problem, found, pins={}, better=lambda found: None)
    assert not interrupted
    failed = [result for result in results if result.status == "failed"]
    assert [result.score is not None for result in results] == [True, True, False, True]
    assert "taken to hang after" in failed[0].reason
    place = run.folder.trial(failed[0].trial.number)
    assert "in stuck" in (place / "error.txt").read_text()
