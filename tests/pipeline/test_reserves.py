"""What comes after the saved model has its share of the time kept, or is left out with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.events import read_journal
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.folds import crossed
from tunesmith.pipeline.interpretable import with_interpretable
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import (
    SLACK,
    answer_seconds,
    closing_seconds,
    later_seconds,
    refit_seconds,
    spare_seconds,
)
from tunesmith.pipeline.suspecting import look_for_suspects


def tried(problem: Problem, learner: str, seconds: float, folder: str = "") -> Result:
    truth = problem.truth("valid")
    sure = np.where(np.arange(len(truth)) % 7, truth, 1 - truth)  # every seventh looks mislabelled
    shares = 0.02 + 0.96 * np.eye(2)[sure]
    score = Score(problem.metric, 0.8, 0.7, 0.9, len(truth))
    number = {"linear": 1, "scorecard": 2}[learner]
    return Result(
        Trial(number, learner, {}, "", 0),
        "done",
        score=score,
        prediction=ClassScores(problem.classes, shares),
        fit_seconds=seconds,
        folder=folder,
    )


def within(run: Run, seconds: float) -> Run:
    return replace(run, clock=Clock(seconds, lambda: 0.0, 0.0))


def test_rows_that_several_read_by_the_same_frozen_checkpoints_are_read_once() -> None:
    def taking(number: int, learner: str, seconds: float, **config: str) -> Result:
        trial = Trial(number, learner, config, "", 0)
        return Result(trial, "done", predict_seconds=seconds)

    both = {"text_backbone": "all-MiniLM-L6-v2", "picture_backbone": "mobilenet-v2"}
    fused = [taking(1, "fusion", 2.0, **both), taking(2, "fusion", 2.5, **both)]
    assert answer_seconds(fused) == 2.5
    tuned = [taking(n, "neural", 3.0, backbone="all-MiniLM-L6-v2") for n in (3, 4)]
    words = taking(5, "linear", 0.1)
    assert answer_seconds([*fused, *tuned, words]) == pytest.approx(2.5 + 3.0 + 3.0 + 0.1)


def test_time_is_kept_for_what_was_tried_and_can_be_done_in_its_share(
    run: Run, problem: Problem
) -> None:
    whole = crossed(problem, count=5)
    linear, card = tried(whole, "linear", 2.0), tried(whole, "scorecard", 4.0)
    timed = within(run, 1000)
    draws = len(whole.folds) / 5
    assert later_seconds(timed, whole, [linear]) == pytest.approx(SLACK * 2 * 2.0 / draws)
    both = later_seconds(timed, whole, [linear, card])
    assert both == pytest.approx(SLACK * (4.0 / draws + 0.3 + 1.5 * 4.0 / len(whole.folds)))
    short = later_seconds(within(run, 20), whole, [linear, card])
    assert short == pytest.approx(
        SLACK * (0.3 + 1.5 * 4.0 / len(whole.folds))
    )  # the card alone can be done
    assert later_seconds(within(run, 5), whole, [linear, card]) == 0
    assert later_seconds(run, whole, [linear, card]) == 0  # no deadline, nothing to keep
    alone = spare_seconds(timed, whole, [tried(whole, "linear", 0.0)])
    assert alone - spare_seconds(timed, whole, [linear]) >= 2 * 2.0 / draws


def test_time_is_kept_to_fit_to_all_rows_what_folds_knew_little_of_and_to_save_it(
    run: Run, problem: Problem
) -> None:
    whole = crossed(problem, count=5)
    results = [tried(whole, "linear", 20.0), tried(whole, "scorecard", 400.0)]
    again = [refit_seconds(whole, result) for result in results]

    def kept(seconds: float) -> float:
        timed = within(run, seconds)
        rest = closing_seconds(timed, whole, results) + later_seconds(timed, whole, results)
        return seconds - rest - spare_seconds(timed, whole, results)

    assert again[1] > 10 * again[0] > 10.0
    assert kept(1000.0) == pytest.approx(sum(again) + 1.0)
    assert kept(100.0) == pytest.approx(again[0] + 1.0), "the other would be too much"
    assert kept(4.0) == 0.0, "so would both"


def test_without_time_the_reason_is_told(run: Run, problem: Problem, tmp_path: Path) -> None:
    whole = crossed(problem, count=5)
    linear = tried(whole, "linear", 1000.0)
    card = tried(whole, "scorecard", 1000.0, str(tmp_path))
    timed = within(run, 20)
    assert linear.prediction is not None
    chosen = Blend((linear,), (1.0,), "", linear.prediction)
    told, finding = look_for_suspects(timed, whole, [linear, card], chosen)
    assert finding is not None
    assert told["left_out"] is None
    assert "fitting linear to all folds takes" in told["left_out_reason"]
    facts = with_interpretable(
        timed, whole, [linear, card], linear.prediction, {"reasons": {"winner": "it won"}}
    )
    assert "no scorecard beside the model" in facts["reasons"]["interpretable"]
    assert facts["reasons"]["winner"] == "it won"
    stages = [e.facts for e in read_journal(run.folder.journal) if e.kind == "stage"]
    (looked,) = (s for s in stages if s["name"] == "looking for suspect labels")
    assert looked["planned_seconds"] == 0
