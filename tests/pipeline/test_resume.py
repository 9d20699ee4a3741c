"""A run that is cut short goes on where it stopped: nothing that was scored is computed again, and
with a budget of work it ends as if nothing had been."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.events import Event, Journal, read_journal
from tunesmith.core.records import Budget, Problem, Trial
from tunesmith.core.space import Log
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.recorded import Recorded, past, write_result
from tunesmith.pipeline.request import Request
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.tune import tune
from tunesmith.tasks.classification import reviews

TRIALS = 8


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = reviews(np.random.default_rng(0), 240)
    file = tmp_path_factory.mktemp("data") / "reviews.csv"
    pd.DataFrame({name: made.cells[name] for name in ("text", "age", "label")}).to_csv(
        file, index=False
    )
    return file


def space(checkpoint: str) -> dict[str, dict[str, object]]:
    return {
        "neural": {"backbone": checkpoint, "epochs": 2, "batch_size": 16, "max_length": 64},
        "probe": {"backbone": checkpoint, "max_length": 64},
    }


@pytest.fixture(scope="module")
def whole(table: Path, checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    ts.fit(table, "label", trials=TRIALS, folder=folder, offline=True, space=space(checkpoint))
    return folder


def saved(run: Path) -> dict[str, str]:
    """The hash of every file of the artifact that holds weights or answers."""
    return {
        str(file.relative_to(run / "best")): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((run / "best").rglob("*"))
        if file.suffix == ".safetensors" or file.name == "golden.json"
    }


def scores(run: Path) -> list[tuple[int, str, float]]:
    told = json.loads((run / "leaderboard.json").read_text())
    return [(one["trial"], one["learner"], one["score"]) for one in told]


COUNTED = ("trial", "score", "result", "best", "candidate", "stage", "note")


@pytest.mark.parametrize("share", [0.03, 0.25, 0.5, 0.7, 0.85, 0.95, 0.999])
def test_a_run_stopped_at_an_event_and_resumed_ends_as_if_undisturbed(
    table: Path, checkpoint: str, whole: Path, tmp_path: Path, share: float
) -> None:
    folder = tmp_path / "run"
    at = 1 + int(share * sum(e.kind in COUNTED for e in read_journal(whole / "journal.jsonl")))
    script = (
        "import os, signal, sys, tunesmith as ts\n"
        "count = 0\n"
        "def listen(event):\n"
        "    global count\n"
        f"    count += event.kind in {COUNTED}\n"
        f"    if count == {at}: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"ts.fit({str(table)!r}, 'label', trials={TRIALS}, folder={str(folder)!r}, offline=True,\n"
        f"       space={space(checkpoint)!r}, listeners=[listen])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    before = [e for e in read_journal(folder / "journal.jsonl") if e.kind == "result"]
    ts.resume(folder)
    assert scores(folder) == scores(whole)
    assert saved(folder) == saved(whole)
    events = list(read_journal(folder / "journal.jsonl"))
    resumed = next(i for i, event in enumerate(events) if event.kind == "resumed")
    again = {event.facts["trial"] for event in events[resumed:] if event.kind == "result"}
    written = {one.facts["trial"] for one in before}
    assert len(again & written) <= 1, "only a result that was not yet on the disk comes again"


def test_a_finished_run_says_so_and_goes_on_with_more_trials(
    table: Path, checkpoint: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    pins = {"linear": {"words": 1}}
    ts.fit(table, "label", trials=3, folder=folder, learners=["majority", "linear"], space=pins)
    with pytest.raises(ConfigError, match="come to its end"):
        ts.resume(folder)
    first = scores(folder)
    model = ts.resume(folder, trials=3)
    assert len(model.leaderboard()) == 6
    assert set(first) <= set(scores(folder))
    ts.load(folder).predict(table)


def test_a_run_goes_on_with_the_data_that_it_began_with_alone(table: Path, tmp_path: Path) -> None:
    folder, moved = tmp_path / "run", tmp_path / "moved.csv"
    frame = pd.read_csv(table)
    ts.fit(frame, "label", trials=2, folder=folder, learners=["majority", "linear"])
    with pytest.raises(ConfigError, match="object in memory"):
        ts.resume(folder, trials=1)
    frame.iloc[:-5].to_csv(moved, index=False)
    with pytest.raises(DataError, match="240 rows then, 235 now"):
        ts.resume(folder, trials=1, source=moved)
    ts.resume(folder, trials=1, source=frame)


def test_one_process_at_a_time_works_in_a_run(table: Path, tmp_path: Path) -> None:
    from tunesmith.core.runfolder import RunFolder

    folder = tmp_path / "run"
    ts.fit(table, "label", trials=1, folder=folder, learners=["majority"])
    place = RunFolder.open(folder)
    assert not place.is_held()
    with place.held():
        assert place.is_held()
        with pytest.raises(ConfigError, match="Another process is at work"):
            ts.resume(folder, trials=1)


def test_a_run_that_is_refused_stays_as_it_is(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ts.fit(table, "label", trials=1, folder=folder, learners=["majority"])
    before = (folder / "journal.jsonl").read_bytes()
    other = tmp_path / "other.csv"
    pd.read_csv(table).iloc[::-1].to_csv(other, index=False)
    told: list[str] = []
    with pytest.raises(DataError, match="does not hold what this run began with"):
        ts.resume(folder, trials=1, source=other, listeners=[lambda event: told.append(event.kind)])
    assert (folder / "journal.jsonl").read_bytes() == before
    assert told == ["stage", "stage"]
    ts.resume(folder, trials=1)
    added = list(read_journal(folder / "journal.jsonl"))[len(before.splitlines()) :]
    assert [event.kind for event in added[:3]] == ["stage", "stage", "resumed"]


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run folder"):
        ts.resume(tmp_path / "none")
    with pytest.raises(DataError, match="is not a run folder"):
        ts.resume(tmp_path)


def test_an_interrupted_run_goes_on_without_being_given_more(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def interrupt(event: Event) -> None:
        if event.kind == "result" and event.facts["trial"] == 3:
            raise KeyboardInterrupt

    chosen = {"learners": ["majority", "linear"], "trials": 5, "folder": folder}
    model = ts.fit(table, "label", listeners=[interrupt], **chosen)
    assert len(model.leaderboard()) == 2
    assert len(ts.resume(folder).leaderboard()) == 5
    with pytest.raises(ConfigError, match="come to its end"):
        ts.resume(folder)


def test_under_a_deadline_no_trial_that_is_recorded_is_run_again(
    run: Run, problem: Problem
) -> None:
    """Also where who was left out for want of time is tried after all."""
    found, _ = plan(problem, wanted=["majority", "linear"], pins={}, clock=Clock(), offline=True)
    majority, words, pairs = found
    first = replace(run, most_trials=4)
    results, _ = tune(first, problem, (majority, pairs), pins={}, better=lambda r: None)
    recorded = Recorded(
        {(result.trial.number, 0): result for result in results},
        {0: majority, 1: None, 2: pairs},
        under_way=(Trial(5, "linear", {**words.config, "rarest": 4}, "proposed", 7),),
    )
    clock = Clock(600.0)
    later = replace(run, clock=clock, journal=Journal(run.folder.journal, clock), most_trials=7)
    again, _ = tune(later, problem, found, pins={}, better=lambda r: None, recorded=recorded)
    assert [result.trial.number for result in again] == [1, 2, 3, 4, 5, 6, 7]
    assert all(one is other for one, other in zip(again, results, strict=False))
    assert again[4].trial.config["rarest"] == 4, "the one that was under way"
    assert again[5].trial.config == words.config, "the one that was left out"
    configs = [str(result.trial.config) + result.trial.learner for result in again]
    assert len(set(configs)) == len(configs)


def test_a_trial_that_a_full_disk_ended_is_run_again(run: Run, problem: Problem) -> None:
    found, _ = plan(problem, wanted=["majority"], pins={}, clock=Clock(), offline=True)
    (result,), _ = tune(run, problem, found, pins={}, better=lambda r: None)
    failed = replace(result, status="failed", reason="[Errno 28] No space left on device")
    write_result(run.folder, failed)
    assert past(run.folder, problem).results == {}
    write_result(run.folder, result)
    assert list(past(run.folder, problem).results) == [(1, 0)]


def test_more_trials_lift_the_deadline_and_numbers_of_numpy_are_written(tmp_path: Path) -> None:
    asked = Request(
        "table.csv",
        "label",
        Budget(60.0),
        seed=np.int64(3),
        pins={"neural": {"lr": Log(np.float64(1e-5), np.float64(1e-3)), "depth": np.float64(1)}},
    )
    asked.write(tmp_path)
    read = Request.read(tmp_path)
    assert read.seed == 3
    assert read.pins == {"neural": {"lr": Log(1e-5, 1e-3), "depth": 1.0}}
    more = read.extended(Budget(trials=5), spent=60.0, trials=4).budget
    assert (more.has_deadline(), more.trials) == (False, 9)
    assert read.extended(Budget(30.0), spent=61.0, trials=4).budget == Budget(91.0)
