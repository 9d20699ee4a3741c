"""The best fine-tuned network in one of half its blocks, and what that costs and saves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.fit import fit_lines
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem, Result, Score, Trial
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.worth import standing, verdict
from tunesmith.report.board import board_of
from tunesmith.report.history import STUDENT, history
from tunesmith.report.plots import plot
from tunesmith.tasks.classification import BAD, GOOD, PLAIN


def reviews(rows: int = 120) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(rows):
        good = dice.random() < 0.5
        words = [*dice.choice(GOOD if good else BAD, 2), *dice.choice(PLAIN, 4)]
        texts.append(" ".join(dice.permutation(words)))
        labels.append("good" if good else "bad")
    return pd.DataFrame({"text": texts, "label": labels})


def fitted(folder: Path, checkpoint: str, **more: Any) -> ts.Predictor:
    pins = {"backbone": checkpoint, "epochs": 2, "lr": 1e-3}
    return ts.fit(
        reviews(),
        "label",
        folder=folder,
        folds=0,
        **{"learners": ["neural"], "space": {"neural": pins}, "trials": 1, **more},
    )


def test_half_of_the_best_network_learns_from_it(tmp_path: Path, checkpoint: str) -> None:
    model = fitted(tmp_path / "run", checkpoint)
    small = model.distill(student="smaller", source=reviews())
    told = small.summary["distilled"]
    assert told["learner"] == "neural"
    assert told["config"]["blocks"] == 0.5
    assert told["size_mb"] < told["against_size_mb"]
    assert told["low"] <= told["gain"] <= told["high"]
    assert "distilled into one neural" in told["message"]
    opened = ts.load(tmp_path / "run" / "distilled")
    assert len(opened.predict(reviews(9).drop(columns="label"))) == 9


def test_a_search_of_architectures_for_speed_ends_with_a_smaller_network_and_says_so(
    tmp_path: Path, checkpoint: str
) -> None:
    model = fitted(
        tmp_path / "run",
        checkpoint,
        architecture=True,
        goals=["score", "latency"],
        trials=4,
        search="random",
    )
    board = model.leaderboard()
    tuned = [row for row in board if row["learner"] == "neural" and row["status"] == "done"]
    assert len(tuned) > 1
    assert all(row["predict_ms_per_row"] > 0 for row in tuned)
    assert len({row["size_mb"] for row in tuned}) > 1  # some are smaller
    assert any(row["pareto"] for row in board)
    told = model.summary["distilled"]
    assert told["learner"] in ("linear", "neural")
    kept = not told["among"]["beaten_by"]
    assert (tmp_path / "run" / "distilled").is_dir() == kept == bool(told["folder"])
    assert told["message"].startswith("distilled into" if kept else "no smaller model is kept: ")
    assert "on the validation rows, as quick and as small" in told["message"]
    assert told["message"] in fit_lines(model.summary)
    assert [row["status"] for row in board].count("distilled") == kept


def beside(among: dict[str, Any]) -> dict[str, Any]:
    """A summary of two trials and a student that stands among them so."""
    plain = {"learner": "neural", "backbone": "x", "status": "done", "predict_ms_per_row": 2.0}
    rows = [{**plain, "trial": n, "rank": n, "pareto": True, "score": 1 - n / 10} for n in (1, 2)]
    told = {"learner": "neural", "config": {}, "models": 2, "folder": "distilled", "size_mb": 1.0}
    score = {"score": 0.85, "interval": [0.8, 0.9], "rows": 50, "all_rows": True, "ms_per_row": 1.0}
    return {"leaderboard": rows, "distilled": {**told, "fit_seconds": 1.0, "among": score | among}}


def test_a_student_stands_on_the_leaderboard_where_its_score_puts_it() -> None:
    among = {"beaten_by": [], "beats": [2], "above": [2]}
    board = board_of(beside(among))
    assert [row["trial"] for row in board] == [1, None, 2]
    assert [row["pareto"] for row in board] == [True, True, False]
    assert board[1]["reason"] == "learned from 2 models"
    lowest = board_of(beside({"beaten_by": [1], "beats": [], "above": []}))
    assert [row["trial"] for row in lowest] == [1, 2, None]
    assert [row["pareto"] for row in lowest] == [True, True, False]
    some = board_of(beside({**among, "all_rows": False}))
    assert some[1]["reason"].endswith("its score is of 50 of the validation rows")
    for older in ({**beside(among)["distilled"], "folder": None}, {"message": "", "models": 1}):
        assert len(board_of({**beside(among), "distilled": older})) == 2


def test_who_is_as_good_as_quick_and_as_small_beats_a_student(problem: Problem, run: Run) -> None:
    truth = problem.truth("valid")
    right = problem.answer(np.eye(len(problem.classes))[truth] * 0.9 + 0.05)
    wrong = problem.answer(np.eye(len(problem.classes))[1 - truth] * 0.9 + 0.05)
    score = Score(problem.metric, 1.0, 1.0, 1.0, rows=len(truth))

    def result(number: int, answers: Prediction, seconds: float, size: int) -> Result:
        trial = Trial(number, "neural", {}, "", 0)
        more: dict[str, Any] = {"predict_seconds": seconds, "size_bytes": size}
        return Result(trial, "done", score=score, prediction=answers, **more)

    results = [
        result(1, right, 2.0, 10),  # slower
        result(2, wrong, 0.5, 5),  # answers worse
        result(3, wrong, 2.0, 20),  # all that
        Result(Trial(4, "neural", {}, "", 0), "failed", "no"),
    ]
    cost: dict[str, Any] = {"seconds": 1.0, "size_bytes": 10}
    told = standing(problem, problem, results, right, **cost)
    assert (told["beaten_by"], told["beats"], told["above"]) == ([], [1, 3], [2, 3])
    assert verdict(told).startswith("no trial is as good")
    better = [*results, result(5, right, 1.0, 10)]
    told = standing(problem, problem, better, right, **cost)
    assert told["beaten_by"] == [5]
    assert verdict(told).startswith("trial 5 is as good")
    half = problem.parts["valid"][::2]
    judged = replace(problem, parts={**problem.parts, "valid": half})
    told = standing(problem, judged, results, right.take(np.arange(len(truth))[::2]), **cost)
    assert (told["above"], told["rows"], told["all_rows"]) == ([2, 3], len(half), False)


def test_the_report_the_chart_and_pick_know_the_student(tmp_path: Path, checkpoint: str) -> None:
    model = fitted(tmp_path / "run", checkpoint)
    model.distill(student="smaller", source=reviews())
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    among = summary["distilled"]["among"]
    among |= {"beaten_by": [], "above": [], "ms_per_row": 1e-6}  # whatever the machine was at
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    row = model.leaderboard()[-1]
    assert (row["status"], row["trial"], row["pareto"]) == ("distilled", None, True)
    assert model.pick(max_latency_ms=1e-5).folder == tmp_path / "run" / "distilled"
    with pytest.raises(ConfigError, match="The quickest takes 1e-06 ms"):
        model.pick(max_latency_ms=1e-7)
    found = history(tmp_path / "run")
    assert found.front() >= {STUDENT}
    assert plot(found, tmp_path / "front.svg", ("pareto",)) == ("pareto",)
    assert "neural, distilled" in (tmp_path / "front.svg").read_text()
    told = model.report(tmp_path / "report.md").read_text()
    assert "learned from the model" in told


def test_nothing_is_halved_where_nothing_was_tuned(tmp_path: Path) -> None:
    model = ts.fit(
        reviews(), "label", folder=tmp_path / "run", folds=0, learners=["linear"], trials=1
    )
    with pytest.raises(ConfigError, match="none was fine-tuned"):
        model.distill(student="smaller", source=reviews())
