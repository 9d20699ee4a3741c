"""Models over the answers of others: out of fold, as trials, only where they gain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.core.records import Dataset
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners.stack import columns_of, over
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.stacking import check_stack

QUICK = ["majority", "linear", "lightgbm", "neighbours"]


def table(rows: int = 150, seed: int = 0, classes: int = 2) -> dict[str, list[Any]]:
    dice = np.random.default_rng(seed)
    x, z = dice.normal(size=rows), dice.normal(size=rows)
    value = x + np.abs(z) + 0.5 * dice.normal(size=rows)
    label = np.digitize(value, np.quantile(value, np.arange(1, classes) / classes))
    names = np.array(["low", "middle", "top"])[label] if classes else value
    return {"x": x.tolist(), "z": z.tolist(), "label": names.tolist()}


def fitted(folder: Path, classes: int, **more: Any) -> ts.Predictor:
    more = {"learners": QUICK, "folds": 3, "auto_stack": 2, **more}
    return ts.fit(table(classes=classes), "label", folder=folder, trials=4, **more)


@pytest.mark.parametrize("classes", [2, 3, 0])
def test_stacks_stand_on_the_leaderboard_and_open_again(tmp_path: Path, classes: int) -> None:
    model = fitted(tmp_path / "run", classes)
    rows = [row for row in model.leaderboard() if row["learner"] == "stack"]
    assert {row["config"]["level"] for row in rows} == {1, 2}
    assert all(row["status"] == "done" for row in rows), rows
    first = next(row for row in rows if row["config"]["level"] == 1)
    saved = tmp_path / "run" / "trials" / f"{first['trial']:04d}" / "model"
    if saved.is_dir():
        assert (saved / "stack.json").is_file()
        assert (saved / "base-0" / "fold-0").is_dir()
    assert len(model.predict(table(9, seed=3))) == 9


def test_a_stack_is_not_made_again_by_a_run_that_goes_on(tmp_path: Path) -> None:
    model = fitted(tmp_path / "run", 2)
    stacks = [row["trial"] for row in model.leaderboard() if row["learner"] == "stack"]
    (tmp_path / "run" / "summary.json").unlink()
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    cut = next(i for i, line in enumerate(lines) if '"blending"' in line)
    journal.write_text("\n".join(lines[:cut]) + "\n")
    again = ts.resume(tmp_path / "run", source=table())
    told = journal.read_text().splitlines()[cut:]
    assert not [line for line in told if '"result"' in line]
    assert [r["trial"] for r in again.leaderboard() if r["learner"] == "stack"] == stacks


def test_without_folds_nothing_is_stacked_and_that_is_said(tmp_path: Path) -> None:
    model = ts.fit(table(), "label", folder=tmp_path / "run", trials=2, folds=0, auto_stack=True)
    assert not [row for row in model.leaderboard() if row["learner"] == "stack"]
    assert "answers out of fold" in (tmp_path / "run" / "journal.jsonl").read_text()


def test_labels_that_cannot_be_foretold_are_not_by_a_stack_either(tmp_path: Path) -> None:
    dice = np.random.default_rng(2)
    cells = {f"n{i}": dice.normal(size=240).tolist() for i in range(20)}
    cells["label"] = dice.choice(["a", "b"], 240).tolist()
    more: dict[str, Any] = {"learners": QUICK, "folds": 4, "auto_stack": 2}
    model = ts.fit(cells, "label", folder=tmp_path / "run", trials=4, **more)
    stacks = [row for row in model.leaderboard() if row["learner"] == "stack"]
    assert {row["config"]["learner"] for row in stacks} == {"pool", "lightgbm"}
    best = max(r["score"] for r in model.leaderboard() if r["learner"] != "stack")
    assert all(row["score"] < best + 0.05 for row in stacks), stacks


def test_answers_become_log_odds_log_probabilities_or_numbers() -> None:
    two = ClassScores(("a", "b"), np.array([[0.2, 0.8], [1.0, 0.0]]))
    assert np.allclose(columns_of(two, "m")["m"], [np.log(4), -np.log(9999)])
    three = ClassScores(("a", "b", "c"), np.array([[0.2, 0.3, 0.5]]))
    assert np.allclose([v[0] for v in columns_of(three, "m").values()], np.log([0.2, 0.3, 0.5]))
    assert columns_of(Values(np.array([3.0])), "m")["m"].tolist() == [3.0]


def test_a_column_of_the_users_may_have_any_name() -> None:
    data: Dataset = read({"model 0": [1.0, 2.0], "x": [3.0, 4.0]})
    two = ClassScores(("a", "b"), np.array([[0.5, 0.5], [0.2, 0.8]]))
    found = over(data, [two], ("model 0", "x"))
    assert found.names == ("model 0'", "model 0", "x")
    assert found.values("model 0").tolist() == [1.0, 2.0]
    assert replace(found).values("model 0'")[0] == 0


@pytest.mark.parametrize("wanted", [3, -1, "yes", 1.0, None])
def test_levels_that_cannot_be_are_refused(wanted: Any) -> None:
    with pytest.raises(ConfigError, match="auto_stack"):
        check_stack(wanted)


def test_a_base_that_falls_behind_the_first_stack_is_still_there_for_the_next(
    tmp_path: Path,
) -> None:
    more: dict[str, Any] = {"learners": QUICK, "folds": 2, "auto_stack": 1}
    model = ts.fit(table(80), "label", folder=tmp_path / "run", trials=11, **more)
    rows = model.leaderboard()
    stacks = [row for row in rows if row["learner"] == "stack"]
    assert len(stacks) == 2
    assert all(row["status"] == "done" for row in stacks), stacks
    bases = {name for row in stacks for name in row["config"]["bases"].split(", ")}
    gone = [n for n in bases if not (tmp_path / "run" / "trials" / f"{int(n):04d}/model").is_dir()]
    assert gone, "one base at least had to make room"


def test_ctrl_c_while_stacking_keeps_what_there_is(tmp_path: Path) -> None:
    def interrupt(event: Any) -> None:
        if event.kind == "trial" and event.facts["learner"] == "stack":
            raise KeyboardInterrupt

    more: dict[str, Any] = {"learners": QUICK, "folds": 2, "auto_stack": 1, "trials": 4}
    model = ts.fit(table(80), "label", folder=tmp_path / "run", listeners=[interrupt], **more)
    assert {row["learner"] for row in model.leaderboard()} == set(QUICK)
    assert len(model.predict(table(5))) == 5


def test_trees_over_answers_only_follow_them() -> None:
    dice = np.random.default_rng(0)
    x = dice.normal(size=300)
    against = np.where(x + 0.3 * dice.normal(size=300) < 0, "b", "a")  # high x speaks for "a"
    problem = frame(read({"x": x.tolist(), "label": against.tolist()}), "label", folds=0)
    learner, watch = learners["lightgbm"], Watch(Clock(), lambda score, progress: True)
    free = learner.fit(problem, default(learner.config, {}), 0, watch)
    held = learner.fit(problem, default(learner.config, {"rising": 1}), 0, watch)
    ends = problem.data.take(np.array([x.argmin(), x.argmax()]))
    assert np.ptp(free.predict(ends).array()[:, 1]) > 0.5
    assert np.ptp(held.predict(ends).array()[:, 1]) < 0.05
