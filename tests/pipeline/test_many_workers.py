"""A search over many workers, which are simulated: they are kept busy, nothing is lost, nothing is
tried twice. The workers are those of `benchmarks/simulated.py`, on a clock that only they move."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import UNLIMITED
from tunesmith.core.events import read_journal
from tunesmith.pipeline import history
from tunesmith.pipeline.recorded import past
from tunesmith.pipeline.run import Run

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
simulated: Any = importlib.import_module("simulated")


def run_of(folder: Path, trials: int, workers: int, seconds: float = UNLIMITED) -> Run:
    now = simulated.Time(counts_real=False)
    made: Run = simulated.run_of(folder, now, 0, workers=workers, trials=trials, seconds=seconds)
    return made


def configs(results: Any) -> set[str]:
    return {str(sorted(result.trial.config.items(), key=str)) for result in results}


def test_fifty_workers_are_kept_busy_and_every_trial_is_recorded(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", 300, 50)
    results, places = simulated.searched(run, "auto", "median")
    assert sorted(result.trial.number for result in results) == list(range(1, 301))
    assert places.most_under_way == 50
    assert places.busy() > 0.999
    assert len(configs(results)) == 300, "none is tried twice, under way or ended"
    kinds = [event.kind for event in read_journal(run.folder.journal)]
    assert kinds.count("trial") == kinds.count("result") == 300
    assert past(run.folder, simulated.problem_of(0)).count == 300


def test_such_a_search_finds_what_chance_does_not(tmp_path: Path) -> None:
    best = {}
    for search in ("auto", "random"):
        run = run_of(tmp_path / search, 120, 40)
        results, _ = simulated.searched(run, search, "none")
        best[search] = np.mean(sorted(r.score.value for r in results)[:10])
    assert best["auto"] < best["random"] - 0.02


def test_failures_here_and_there_do_not_end_a_search(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", 200, 40)
    results, places = simulated.searched(run, "random", "median", failing=0.3)
    failed = [result for result in results if result.status == "failed"]
    assert len(results) == 200
    assert 30 < len(failed) < 90
    assert all(result.reason for result in failed)
    assert places.busy() > 0.99


def test_a_small_space_is_gone_through_once(tmp_path: Path) -> None:
    pins = {"lr": 1e-3, "width": 64, "dropout": 0.1, "optimizer": "Adaptive"}
    pins |= {"optimizer.Adaptive.beta": 0.05}
    run = run_of(tmp_path / "run", 100, 20)
    results, places = simulated.searched(run, "auto", "none", pins=pins)
    assert 13 <= len(results) <= 15
    assert len(configs(results)) == len(results)
    assert places.most_under_way >= 13


def test_a_trial_is_compared_with_those_that_ended_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_CURVES", 20)
    run = run_of(tmp_path / "run", 120, 10)
    _, places = simulated.searched(run, "random", "asha")
    others = [job.others for job in places.jobs]
    assert max(map(len, others)) <= 20 + 4
    ended = {one.number for one in others[-1]}
    assert len(ended & set(range(60, 120))) >= 20


def test_a_deadline_holds_and_a_run_goes_on(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", 0, 20, seconds=900.0)
    results, places = simulated.searched(run, "random", "hyperband")
    assert places.busy() > 0.95
    assert max(end for _, end in places.spans) - run.clock.start < 900
    recorded = past(run.folder, simulated.problem_of(0))
    assert recorded.count == len(results) > 100
    more = run_of(tmp_path / "run", len(results) + 30, 20)
    again, places = simulated.searched(more, "random", "hyperband", recorded=recorded)
    assert len(again) == len(results) + 30
    assert len({job.trial.number for job in places.jobs if not job.trial.leg}) == 30
