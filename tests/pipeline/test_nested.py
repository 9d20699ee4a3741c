"""Nested validation: the final number is that of runs that have not seen the rows."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.events import Event, read_journal
from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Budget, Problem
from tunesmith.core.runfolder import read_json
from tunesmith.data.read import read
from tunesmith.pipeline.blend import prove
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.nested import outer_folds
from tunesmith.pipeline.outer import Fold, pooled
from tunesmith.pipeline.request import Request
from tunesmith.report.history import history, runs

QUICK = {"learners": ["majority", "linear"], "folds": 2, "trials": 6, "nested": 2}


def table(rows: int = 120, seed: int = 0) -> dict[str, list[Any]]:
    dice = np.random.default_rng(seed)
    x, z = dice.normal(size=rows), dice.normal(size=rows)
    label = np.where(x + 0.5 * z + dice.normal(size=rows) > 0, "good", "bad")
    return {
        "x": x.tolist(),
        "z": z.tolist(),
        "who": [f"customer {n % 40}" for n in range(rows)],
        "day": dice.permutation(rows).astype(float).tolist(),
        "counts": dice.choice([1.0, 3.0], rows).tolist(),
        "label": label.tolist(),
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    ts.fit(table(), "label", folder=folder, weights="counts", **QUICK)
    return folder


def test_the_number_is_that_of_the_outer_answers_and_the_model_knows_all_rows(whole: Path) -> None:
    model = ts.load(whole)
    told = model.summary
    assert told["rows"] == {"train": 120, "valid": 120, "test": 120}
    assert told["score_rows"] == 120
    assert told["score_is"].startswith("nested")
    assert [one["trials"] for one in told["nested"]["folds"]] == [2, 2]
    low, high = told["interval"]
    assert low <= told["score"] <= high
    assert f"{told['nested']['inner']:.4f}" in told["nested"]["message"]
    assert "nested, 2 outer folds: stratified" in told["reasons"]["split"]
    each = [ts.load(whole / "nested" / name).summary for name in ("0", "1")]
    counts = np.array([one["score_rows"] for one in each])
    assert counts.tolist() == [60, 60]
    assert [one.state for one in runs(whole)] == ["finished"] * 3
    assert len(history(whole).courses) == 2
    with pytest.raises(ConfigError, match="cannot be given more"):
        ts.resume(whole, trials=4, source=table())
    with pytest.raises(ConfigError, match="To distil, fit a run without --nested"):
        model.distill(source=table())
    with pytest.raises(ConfigError, match="nested"):
        model.export_code(whole.parent / "code", source=table())


def framed(data: dict[str, list[Any]], nested: int, **more: Any) -> tuple[Problem, Any]:
    problem = frame(read(data), "label", nested=nested, **more)
    request = Request("", "label", Budget(), nested=nested, time_column=more.get("time"))
    return problem, outer_folds(problem, request)


def test_every_row_teaches_and_is_answered_once() -> None:
    problem, outer = framed(table(), 4)
    assert len(problem.parts["train"]) == 120
    assert not len(problem.parts["test"])
    assert sorted(np.concatenate([held for _, held in outer])) == list(range(120))
    for rest, held in outer:
        assert not set(rest) & set(held)
        assert abs(np.mean(problem.truth("train")[held]) - problem.truth("train").mean()) < 0.05


def test_groups_and_equal_rows_stay_on_one_side() -> None:
    problem, outer = framed(table(), 4, group="who")
    who = problem.data.values("who")
    for rest, held in outer:
        assert not set(who[rest]) & set(who[held])
    cells = table()
    twice = {name: values + values[:30] for name, values in cells.items()}
    again, outer = framed(twice, 3)
    x = again.data.values("x")
    for rest, held in outer:
        assert not set(x[rest]) & set(x[held])


def test_by_time_each_fold_answers_what_is_later_than_all_it_learned() -> None:
    problem, outer = framed(table(), 3, time="day")
    day = problem.data.values("day")
    assert day[problem.parts["train"]].max() < day[problem.parts["valid"]].min()
    for rest, held in outer:
        assert day[rest].max() < day[held].min()
    assert [len(held) for _, held in outer] == [30, 30, 30]


def test_what_cannot_be_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for asked, message in (
        ({"nested": 1}, "whole number from 2 to 20"),
        ({"nested": 3, "trials": 3}, "too few"),
        ({"nested": 3, "split": "who"}, "--split"),
        ({"nested": 3, "distill": True}, "a student"),
    ):
        with pytest.raises(ConfigError, match=message):
            ts.fit(table(), "label", folder=tmp_path / "run", **asked)  # type: ignore[arg-type]
    few = {**table(), "who": ["one", "two", "three"] * 40}
    with pytest.raises(DataError, match="3 group"):
        ts.fit(few, "label", group="who", nested=5, trials=6, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_answers_keep_the_threshold_of_their_own_fold() -> None:
    problem, outer = framed(table(), 2)
    shares = np.full((60, 2), [0.6, 0.4])
    summary = {"best": {"learner": ""}, "validation": {"score": 0.5}, "trials": 1}
    folds = [
        Fold(
            number,
            held,
            held[:0],
            ClassScores(problem.classes, shares),
            ClassScores(problem.classes, shares, weights=weights),
            summary,
        )
        for number, ((_, held), weights) in enumerate(zip(outer, [None, (0.3, 0.7)], strict=True))
    ]
    found = pooled(problem, folds, 2)
    assert isinstance(found.answers, ClassScores)
    assert (found.answers.codes() == found.places).all()
    assert (found.answers.take(np.arange(7)).codes() == found.places[:7]).all()


def test_all_scores_have_the_interval_of_answers_out_of_fold_also_without_leaks() -> None:
    problem, outer = framed(table(), 2)
    dice = np.random.default_rng(0)
    likely = dice.random(120)
    answers = ClassScores(problem.classes, np.stack([likely, 1 - likely], axis=1))
    summary = {"best": {"learner": ""}, "validation": {"score": 0.5}, "trials": 1}
    folds = [
        Fold(number, held, held[:3], answers.take(held), answers.take(held), summary)
        for number, (_, held) in enumerate(outer)
    ]
    found = pooled(problem, folds, 2)
    leaked = replace(found.problem, leaked=found.leaked, metric="log_loss")
    plain = prove(leaked, found.answers, ["log_loss"], Clock())
    wide = found.proof(plain)
    pairs = [(plain.scores["log_loss"], wide.scores["log_loss"])]
    assert plain.without_leaks is not None
    assert wide.without_leaks is not None
    for old, new in [*pairs, (plain.without_leaks, wide.without_leaks)]:
        assert old.rows == new.rows
        assert new.high - new.low >= np.sqrt(2) * (old.high - old.low) * 0.999
    assert wide.without_leaks.rows == 114


def test_a_stack_with_costs_and_groups_is_scored_so_too(tmp_path: Path) -> None:
    model = ts.fit(
        table(),
        "label",
        folder=tmp_path / "run",
        group="who",
        costs={"bad": {"good": 5}, "good": {"bad": 1}},
        auto_stack=True,
        sensitive=["who"],
        **QUICK,
    )
    assert model.summary["metric"] == "cost"
    assert model.summary["score_rows"] == 120
    assert 0 < model.summary["score"] < 2.5
    assert "fairness" in model.summary


def test_without_folds_and_by_time_there_is_a_number_too(tmp_path: Path) -> None:
    model = ts.fit(
        table(), "label", time="day", folder=tmp_path, **{**QUICK, "folds": None, "trials": 8}
    )
    assert model.summary["rows"] == {"train": 96, "valid": 24, "test": 80}
    assert "fitted again to all rows" in model.summary["model_is"]


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {here!r})
import tunesmith as ts
from test_nested import QUICK, table
from tunesmith.core.events import Journal
write, count = Journal.write, 0
def counted(self, kind, **facts):
    global count
    count += 1
    if count == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, kind, **facts)
Journal.write = counted
ts.fit(table(), "label", folder={folder!r}, weights="counts", **QUICK)
"""


def told(folder: Path) -> tuple[Any, ...]:
    summary = read_json(folder / "summary.json")
    golden = (folder / "best" / "golden.json").read_bytes()
    answers = [(folder / "nested" / k / "test.safetensors").read_bytes() for k in ("0", "1")]
    return summary["score"], summary["interval"], summary["nested"], golden, answers


@pytest.mark.parametrize("share", [0.45, 0.8])
def test_a_run_killed_in_an_outer_fold_goes_on_there_and_ends_as_if_undisturbed(
    whole: Path, tmp_path: Path, share: float
) -> None:
    journals = [whole / "journal.jsonl", *sorted(whole.glob("nested/*/journal.jsonl"))]
    events = sum(len(list(read_journal(one))) for one in journals)
    folder = tmp_path / "run"
    script = SCRIPT.format(
        here=str(Path(__file__).parent), at=int(share * events), folder=str(folder)
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    assert (folder / "nested" / "0").is_dir()
    assert not (folder / "summary.json").is_file()
    ts.resume(folder, source=table())
    assert told(folder) == told(whole)
    for journal in [folder / "journal.jsonl", *folder.glob("nested/*/journal.jsonl")]:
        ended = [e.facts["trial"] for e in read_journal(journal) if e.kind == "result"]
        assert len(ended) <= len(set(ended)) + 1, "only a result not yet written comes again"


def test_of_random_labels_the_search_thinks_well_and_the_outer_folds_do_not(
    tmp_path: Path,
) -> None:
    """The best of many trials looks good on the rows that chose it, where there is nothing."""
    dice = np.random.default_rng(7)
    data = {f"x{i}": dice.normal(size=60).tolist() for i in range(8)}
    data["label"] = dice.permutation(np.repeat(["a", "b"], 30)).tolist()
    quick = {**QUICK, "learners": ["neighbours"], "trials": 24}
    told = ts.fit(
        data, "label", metric="accuracy", folder=tmp_path, search="random", stopper="none", **quick
    ).summary
    assert told["validation"]["score"] > 0.58
    assert told["nested"]["inner"] > 0.55
    assert told["score"] < 0.53
    assert told["interval"][0] <= 0.5 <= told["interval"][1]


def test_ctrl_c_in_an_outer_fold_keeps_those_answered_and_resume_does_the_rest(
    whole: Path, tmp_path: Path
) -> None:
    def press(event: Event) -> None:
        if event.kind == "outer" and event.facts["fold"] == 1:
            raise KeyboardInterrupt

    model = ts.fit(table(), "label", folder=tmp_path, weights="counts", listeners=[press], **QUICK)
    assert model.summary["score_rows"] == 60
    assert model.summary["nested"]["message"].startswith("nested: 1 of 2 outer folds")
    ts.resume(tmp_path, source=table())
    assert told(tmp_path)[:3] == told(whole)[:3]
