"""Which trials are run, what is kept of them, and what a failure leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.events import read_journal
from tunesmith.core.predictions import Values
from tunesmith.core.records import Candidate, Dataset, Problem, Result, Score, Trial
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.learners._steering import by_likelihood
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import check_wanted, plan
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import keepers, rank, spare_seconds
from tunesmith.pipeline.trial import Job, run_trial
from tunesmith.pipeline.tune import tune


def candidates(problem: Problem) -> tuple[Candidate, ...]:
    found, _ = plan(problem, wanted=["majority", "linear"], pins={}, clock=Clock(), offline=True)
    return found


def test_cheap_learners_come_first_and_every_candidate_has_a_reason(problem: Problem) -> None:
    found = candidates(problem)
    assert [c.learner for c in found][:2] == ["majority", "linear"]
    assert all(c.reason for c in found)


def test_trials_end_at_their_number_and_the_best_is_told(run: Run, problem: Problem) -> None:
    told: list[int] = []
    results, interrupted = tune(
        run, problem, candidates(problem), pins={}, better=lambda found: told.append(len(found))
    )
    assert not interrupted
    assert len(results) == 4
    assert told[0] == 1
    assert max(told) > 1, "the linear model must beat the majority answer"
    kinds = [event.kind for event in read_journal(run.folder.journal)]
    assert kinds.count("trial") == kinds.count("result") == 4


def test_no_config_is_tried_twice(run: Run, problem: Problem) -> None:
    run = replace(run, most_trials=12)
    results, _ = tune(run, problem, candidates(problem), pins={}, better=lambda found: None)
    tried = [(r.trial.learner, str(sorted(r.trial.config.items()))) for r in results]
    assert len(tried) == len(set(tried))


def test_the_same_seed_tries_and_scores_the_same(run: Run, problem: Problem) -> None:
    found = [
        tune(
            replace(run, folder=replace(run.folder, path=run.folder.path / str(i))),
            problem,
            candidates(problem),
            pins={},
            better=lambda found: None,
        )[0]
        for i in range(2)
    ]
    first, second = ([(r.trial.config, r.score) for r in results] for results in found)
    assert first == second


def test_without_text_only_what_matters_is_searched(run: Run, data: Dataset) -> None:
    table = frame(data.with_columns(("age", "shop", "label")), "label", seed=0)
    run = replace(run, most_trials=12)
    results, _ = tune(run, table, candidates(table), pins={}, better=lambda found: None)
    tried = [r.trial.config for r in results if r.trial.learner == "linear"]
    assert [config["balanced"] for config in tried] == [False, True]
    assert "plain columns" in results[1].trial.reason
    told = [
        event.facts["text"] for event in read_journal(run.folder.journal) if event.kind == "note"
    ]
    assert any("search has ended" in text for text in told)


def test_a_learner_that_fails_twice_running_is_left_alone(
    run: Run, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, real = [0], type(learners["linear"]).fit

    def tire(*given: object) -> object:
        fits[0] += 1
        if fits[0] > 3:
            raise BudgetError("no time")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(type(learners["linear"]), "fit", tire)
    run = replace(run, most_trials=20)
    results, _ = tune(run, problem, candidates(problem), pins={}, better=lambda found: None)
    assert [r.status for r in results][-2:] == ["failed", "failed"]
    assert fits[0] == 5


def test_one_model_is_fitted_however_late_it_is(run: Run, problem: Problem) -> None:
    late = replace(run, clock=Clock(0.001), most_trials=None)
    results, _ = tune(late, problem, candidates(problem), pins={}, better=lambda found: None)
    assert [r.trial.learner for r in results] == ["majority"]
    assert results[0].score is not None


def test_pins_hold_in_every_trial(run: Run, problem: Problem) -> None:
    pins = {"linear": {"words": 3}}
    found, _ = plan(problem, wanted=["linear"], pins=pins, clock=Clock(), offline=True)
    results, _ = tune(run, problem, found, pins=pins, better=lambda found: None)
    assert {r.trial.config["words"] for r in results} == {3}


def test_ctrl_c_keeps_what_there_is(run: Run, problem: Problem) -> None:
    def interrupt(results: object) -> None:
        if len(results) == 2:  # type: ignore[arg-type]
            raise KeyboardInterrupt

    results, interrupted = tune(run, problem, candidates(problem), pins={}, better=interrupt)
    assert interrupted
    assert len(results) == 2


def test_a_failure_is_a_result_with_its_reason(
    run: Run, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("the reason")

    monkeypatch.setattr(type(learners["linear"]), "fit", broken)
    config = to_dict(default(learners["linear"].config))
    trial = Trial(1, "linear", config, "a test", 0)
    result = run_trial(run, problem, Job(trial), "median")
    assert (result.status, result.score) == ("failed", None)
    assert "the reason" in result.reason
    assert "RuntimeError" in (run.folder.trial(1) / "error.txt").read_text()


def made(number: int, learner: str, value: float) -> Result:
    score = Score("rmse", value, value, value, 10)
    return Result(
        Trial(number, learner, {}, "", 0), "done", score=score, prediction=Values(np.zeros(2))
    )


def test_the_best_of_every_learner_is_kept_for_the_blend(problem: Problem) -> None:
    problem = replace(problem, metric="rmse")
    results = [made(i, "linear", 0.1 + i / 100) for i in range(12)] + [made(20, "probe", 9.0)]
    assert [r.trial.number for r in rank(problem, results)][:2] == [0, 1]
    kept = [r.trial.number for r in keepers(problem, results)]
    assert 20 in kept
    assert 0 in kept
    assert len(kept) == 8


def test_unknown_learners_and_fields_are_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'linear'"):
        check_wanted(["liner"], {})
    with pytest.raises(ConfigError, match="Did you mean 'lr'"):
        check_wanted(None, {"neural": {"lrr": 1e-4}})
    with pytest.raises(ConfigError):
        check_wanted(None, {"neural": {"depth": "deep"}})


def test_learners_without_their_weights_are_left_out_with_the_command_to_fetch(
    problem: Problem, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    found, notes = plan(problem, wanted=None, pins={}, clock=Clock(), offline=True)
    assert not {"probe", "neural"} & {c.learner for c in found}
    assert any("tunesmith weights fetch" in note for note in notes)


def test_a_checkpoint_that_cannot_be_read_in_the_time_is_not_opened(
    run: Run, problem: Problem, checkpoint: str
) -> None:
    pins = {"backbone": checkpoint}
    config = to_dict(default(learners["probe"].config, pins))
    dear = Candidate("probe", config, "frozen features", 14.0)
    late = replace(run, clock=Clock(13.0), most_trials=None)
    results, _ = tune(
        late, problem, [*candidates(problem), dear], pins={"probe": pins}, better=lambda found: None
    )
    assert all(result.trial.learner != "probe" for result in results)
    told = [str(event.facts.get("text")) for event in read_journal(run.folder.journal)]
    assert any(f"probe on {checkpoint} is left out" in text for text in told)


def test_a_refit_that_cannot_be_done_any_more_keeps_no_time_back(
    run: Run, problem: Problem
) -> None:
    def spare(fit_seconds: float) -> float:
        late = replace(run, clock=Clock(100.0, lambda: 0.0), most_trials=None)
        result = replace(made(1, "linear", 0.5), fit_seconds=fit_seconds)
        return spare_seconds(late, replace(problem, metric="rmse"), [result])

    assert spare(10.0) < spare(0.0) - 10.0
    assert spare(90.0) == spare(0.0)


def test_few_valid_rows_steer_more_by_likelihood() -> None:
    assert by_likelihood(300) == by_likelihood(10) > by_likelihood(3000) > by_likelihood(10**9) > 0
