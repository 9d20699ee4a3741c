"""A run folder tells its course while it runs and after, in words and in pictures."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.events import Event, follow, read_journal
from tunesmith.core.runfolder import RunFolder
from tunesmith.report.history import Course, History, courses, history, runs
from tunesmith.report.plots import PICTURES, _distribution, importances, plot
from tunesmith.tasks.classification import reviews


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    made = reviews(np.random.default_rng(0), 200)
    return pd.DataFrame({name: made.cells[name] for name in ("text", "age", "label")})


@pytest.fixture(scope="module")
def run(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "one"
    ts.fit(table, "label", trials=14, folder=folder, learners=["majority", "linear"])
    return folder


def test_the_course_of_every_trial_is_told_in_its_order(run: Path) -> None:
    told, board = history(run), ts.load(run).leaderboard()
    assert told.state == "finished"
    assert len(told.courses) == len(board)
    scores = {one["trial"]: one["score"] for one in board}
    assert {one.trial: one.score for one in told.courses} == scores
    for one, after in zip(told.courses, told.courses[1:], strict=False):
        assert one.start_seconds <= one.end_seconds <= after.start_seconds
    values = [score for _, score in told.bests()]
    assert values == sorted(set(values))
    assert values[-1] == max(scores.values())
    assert told.final == ts.load(run).summary["score"]


def test_a_trial_that_is_begun_again_counts_from_there() -> None:
    def trial(at: float) -> Event:
        return Event("trial", at, {"trial": 1, "learner": "linear"})

    score = Event("score", 1.5, {"trial": 1, "score": 0.5, "progress": 0.5})
    (one,) = courses([trial(1.0), score, trial(3.0)])
    assert (one.start_seconds, one.curve, one.status) == (3.0, (), "running")


def _course(number: int, score: float, predict_ms: float) -> Course:
    end = float(number + 1)
    return Course(number, "linear", "", {}, "", end - 1, end, "done", score, predict_ms=predict_ms)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_no_trial_on_the_front_is_beaten_and_every_other_is(higher_is_better: bool) -> None:
    dice = np.random.default_rng(0)
    some = tuple(_course(i, *dice.integers(0, 20, 2).astype(float)) for i in range(200))
    told = History(Path(), "finished", "m", higher_is_better, some, 200.0)
    sign = 1.0 if higher_is_better else -1.0

    def beats(a: Course, b: Course) -> bool:
        goals = (sign * a.score, -a.predict_ms), (sign * b.score, -b.predict_ms)
        return goals[0] != goals[1] and all(x >= y for x, y in zip(*goals, strict=True))

    front = told.front()
    for one in some:
        is_beaten = any(beats(other, one) for other in some)
        if one.trial in front:
            assert not is_beaten
        else:  # or as good as one that stands there
            goals = {(o.score, o.predict_ms) for o in some if o.trial in front}
            assert is_beaten or (one.score, one.predict_ms) in goals


def test_a_search_of_thousands_is_thinned_and_keeps_what_was_best(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    some = tuple(_course(i, float(dice.random()), 1.0) for i in range(3_000))
    told = History(Path(), "finished", "m", True, some, 3_000.0)
    few = told.thinned(300)
    assert 200 <= len(few.courses) <= 320
    assert few.best() == told.best()
    assert few.bests() == told.bests()
    assert told.thinned(3_000) is told


def test_runs_are_found_with_their_state(run: Path, tmp_path: Path) -> None:
    (found,) = runs(run.parent)
    assert (found.folder, found.state) == (run, "finished")
    assert runs(tmp_path) == []
    broken = RunFolder.create(tmp_path / "broken")
    (broken.path / "problem.json").write_text("{")
    assert runs(tmp_path) == []
    place = RunFolder.open(run)
    with place.held():
        assert history(run).state == "running"


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_every_picture_is_drawn_into_every_kind_of_file(
    run: Path, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / "deeper" / f"search.{ending}"
    assert plot(history(run), file) == tuple(PICTURES)
    content = file.read_bytes()
    assert len(content) > 20_000
    if ending == "html":
        text = content.decode()
        assert text.count("<svg") == len(PICTURES)
        assert "<script" not in text


def test_what_decided_most_is_what_varied(run: Path) -> None:
    found = importances(history(run))
    assert sum(found.values()) == pytest.approx(1.0)
    assert set(found) <= {"words", "rarest", "sublinear", "characters", "balanced", "strength"}


def test_a_picture_that_cannot_be_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'timeline'"):
        plot(history(run), tmp_path / "a.png", ("timelin",))
    with pytest.raises(ConfigError, match=r"must end in one of \.png"):
        plot(history(run), tmp_path / "a.jpeg")
    RunFolder.create(tmp_path / "new")
    with pytest.raises(DataError, match="no trial with a score"):
        plot(history(tmp_path / "new"), tmp_path / "a.png")


def test_a_run_under_way_is_watched_to_its_end(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    folder = tmp_path / "run"
    arguments = ["fit", str(tmp_path / "table.csv"), "--target", "label", "--trials", "6"]
    arguments += ["--learners", "majority,linear", "--folder", str(folder), "--quiet"]
    command = [sys.executable, "-m", "tunesmith"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL) as fit:
        while not (folder / "journal.jsonl").is_file():
            assert fit.poll() is None
            time.sleep(0.05)
        ran = subprocess.run(
            [*command, "watch", str(folder)], capture_output=True, text=True, check=False
        )
        assert fit.wait() == 0
    assert ran.returncode == 0
    assert "trial 6" in ran.stderr
    assert "come to its end" in ran.stdout
    assert "with more trials: " in ran.stdout or "with twice the trials" in ran.stdout
    assert f"saved in {folder}" in ran.stdout


def test_a_journal_is_followed_line_by_whole_line(tmp_path: Path) -> None:
    path, looks = tmp_path / "journal.jsonl", iter([False, False, True])
    parts = iter(['{"event": "a", "seconds": 1}\n{"event"', ': "b", "seconds": 2}\n'])
    path.write_text("")

    def wait() -> None:
        with path.open("a") as file:
            file.write(next(parts))

    found = list(follow(path, lambda: next(looks), wait=wait))
    assert [event.kind for event in found] == ["a", "b"]
    assert found == list(read_journal(path))


def test_whole_numbers_of_many_values_are_a_range_and_of_few_are_names() -> None:
    from optuna import distributions

    assert isinstance(_distribution(list(range(16, 116))), distributions.IntDistribution)
    assert isinstance(_distribution([1, 2, 4]), distributions.CategoricalDistribution)
    assert isinstance(_distribution([True, False]), distributions.CategoricalDistribution)
