"""Blending, the proof on rows kept apart, and fitting to all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.events import read_journal
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.learners import learners
from tunesmith.pipeline.blend import answer_test, blend, prove, refit, simplest, winner_reason
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import candidates, refit_seconds
from tunesmith.pipeline.tune import tune


def tuned(run: Run, problem: Problem) -> tuple:
    found, _ = plan(problem, wanted=["majority", "linear"], pins={}, clock=Clock(), offline=True)
    return tune(run, problem, found, pins={}, better=lambda results: None)[0]


def test_the_proof_is_on_test_rows_and_without_leaked_rows_besides(
    run: Run, problem: Problem
) -> None:
    results = tuned(run, problem)
    chosen = blend(problem, results)
    answers = answer_test(problem, chosen)
    assert len(answers) == len(problem.parts["test"])
    proof = prove(problem, answers, ["accuracy", "log_loss"], run.clock)
    assert proof.without_leaks is None
    assert proof.scores["accuracy"].rows == len(problem.parts["test"])
    leaked = replace(problem, leaked=problem.parts["test"][:5])
    apart = prove(leaked, answers, ["accuracy"], run.clock).without_leaks
    assert apart is not None
    assert apart.rows == len(problem.parts["test"]) - 5


def test_the_majority_is_never_a_member_beside_others(run: Run, problem: Problem) -> None:
    chosen = blend(problem, tuned(run, problem))
    assert all(result.trial.learner != "majority" for result in chosen.results)
    assert "linear" in winner_reason(problem, chosen, chosen.results)


def test_fitting_to_all_rows_leaves_the_scored_model_where_it_was(
    run: Run, problem: Problem
) -> None:
    chosen = blend(problem, tuned(run, problem))
    before = answer_test(problem, chosen).array()
    members, count = refit(run, problem, chosen)
    assert count == len(members)
    assert all(member.folder.name == "refit" for member in members)
    assert np.array_equal(answer_test(problem, chosen).array(), before)


@pytest.mark.parametrize("error", [MemoryError, ValueError, KeyboardInterrupt])
def test_a_fit_to_all_rows_that_goes_wrong_costs_nothing(
    run: Run, problem: Problem, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = blend(problem, tuned(run, problem))

    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr(type(learners["linear"]), "fit", fail)
    members, count = refit(run, problem, chosen)
    assert (members, count) == (chosen.members(), 0)
    told = [str(event.facts.get("text")) for event in read_journal(run.folder.journal)]
    named = "interrupted" if error is KeyboardInterrupt else error.__name__
    assert any(named in text for text in told)


def test_without_time_nothing_is_fitted_again(run: Run, problem: Problem) -> None:
    chosen = blend(problem, tuned(run, problem))
    late = replace(run, clock=Clock(0.001))
    members, count = refit(late, problem, chosen)
    assert count == 0
    assert members == chosen.members()


def test_of_probes_on_one_checkpoint_only_the_best_may_answer(problem: Problem) -> None:
    def made(number: int, learner: str, backbone: str) -> Result:
        config = {"backbone": backbone} if backbone else {}
        value = Score("accuracy", 1 - number / 10, 0.0, 1.0, 10)
        return Result(Trial(number, learner, config, "", 0), "done", score=value)

    ranked = [
        made(1, "probe", "one"),
        made(2, "neural", "one"),
        made(3, "probe", "one"),
        made(4, "linear", ""),
        made(5, "neural", "one"),
        made(6, "probe", "two"),
        made(7, "linear", ""),
    ]
    assert [result.trial.number for result in candidates(problem, ranked)] == [1, 2, 4, 5, 6, 7]


def test_what_is_stored_is_no_cost_of_fitting_again(problem: Problem) -> None:
    result = Result(Trial(1, "probe", {}, "", 0), "done", fit_seconds=30.0, stored_seconds=28.0)
    rows = sum(map(len, problem.parts.values())) / len(problem.parts["train"])
    assert refit_seconds(problem, result) == pytest.approx(1.2 * 2.0 * rows)


@pytest.mark.parametrize(("sure", "place"), [(0.9, 1), (0.53, 0)])
def test_the_smallest_of_the_tied_answers_if_it_is_as_likely(
    problem: Problem, sure: float, place: int
) -> None:
    """Both are right as often; a model that is hardly sure of anything is not as good."""
    truth = problem.truth("valid")

    def made(number: int, chance: float, size: int) -> Result:
        right = np.full(len(truth), chance)
        right[number] = 1 - chance  # one mistake each
        second = np.where(truth == 1, right, 1 - right)
        answers = ClassScores(problem.classes, np.stack([1 - second, second], axis=1))
        value = Score("accuracy", 1 - 1 / len(truth), 0.0, 1.0, len(truth))
        trial = Trial(number, "linear", {}, "", 0)
        return Result(trial, "done", score=value, prediction=answers, size_bytes=size)

    found, told = simplest(problem, [made(1, 0.9, 2_000), made(2, sure, 1_000)])
    assert found == place
    assert "2 models are tied" in told
