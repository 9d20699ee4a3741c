"""One trial: fit, score, save, open again, time; and that as work which any runner can do."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.architecture import Measured
from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.contracts import Curve, Fitted, Overdue, Tell, Watch, Work
from tunesmith.core.errors import TunesmithError
from tunesmith.core.events import Passing
from tunesmith.core.predictions import Prediction, row_drift
from tunesmith.core.records import Dataset, Problem, Result, Score, Trial
from tunesmith.core.runfolder import RunFolder, replace_folder
from tunesmith.core.space import from_dict
from tunesmith.evaluate.out_of_fold import out_of_fold
from tunesmith.evaluate.scores import score
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_whole, open_model
from tunesmith.metrics import get
from tunesmith.nn import memory
from tunesmith.nn.shards import MEMORY_BYTES, Store, active, open_store, use
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline import architectures
from tunesmith.pipeline.hanging import Limit, said
from tunesmith.pipeline.labelling import compared
from tunesmith.pipeline.parts import fewer
from tunesmith.pipeline.run import Run
from tunesmith.stoppers import stoppers

TIMED_ROWS = 32
MOST_TIMES, TIMED_SECONDS = 3, 0.2
TRIAL_RESAMPLES = 300
SAVED_TOLERANCE = 0.02


@dataclass(frozen=True)
class Job:
    """A trial to be run within so many seconds, and what is known by then: the curves of trials of
    its learner, of which it is the one of that number. Beyond `limit` it is taken to hang."""

    trial: Trial
    seconds: float = UNLIMITED
    others: tuple[Curve, ...] = ()
    place: int = 0
    limit: Limit = field(default_factory=Limit)


@dataclass
class Fitting(Work[Job, Result]):
    """What a runner does with a job: all that a trial needs to know of its run. `cache` says
    whether a process of its own opens the user's activation store."""

    problem: Problem
    folder: RunFolder
    seed: int
    offline: bool
    depths: tuple[float, ...] = ()
    stopper: str = "median"
    cache: bool = True
    now: Callable[[], float] = time.monotonic
    _is_away: bool = False

    def begin(self) -> None:
        self._is_away = True
        use(open_store() if self.cache else Store(None, MEMORY_BYTES))

    def do(self, job: Job, tell: Tell) -> Result:
        clock = Clock(job.seconds, self.now)
        journal = Passing(tell, clock)
        run = Run(self.folder, journal, clock, self.seed, self.offline, depths=self.depths)
        frozen, store = replace(FROZEN), active()
        counts = replace(store.counts) if store is not None else None
        result = run_trial(run, self.problem, job, self.stopper)
        if self._is_away and store is not None and counts is not None:
            tell("tally", {"frozen": since(frozen, FROZEN), "store": since(counts, store.counts)})
        return result

    def lost(self, job: Job, reason: str, seconds: float) -> Result:
        return Result(job.trial, "failed", reason, fit_seconds=seconds)

    def hung(self, job: Job, seconds: float) -> Result:
        return self.lost(job, f"taken to hang after {said(seconds)}: {job.limit.reason}", seconds)

    def limit_seconds(self, job: Job) -> float:
        return job.limit.seconds


def since(before: Any, now: Any) -> dict[str, float]:
    """By how much the counts of a record have grown."""
    return {name: value - getattr(before, name) for name, value in vars(now).items()}


def run_trial(run: Run, problem: Problem, job: Job, stopper: str) -> Result:
    """Fit, score and save one trial. The one place where a trial's exception is caught: a failure
    is a result with its reason."""
    trial, clock = job.trial, run.clock
    backbone = str(trial.config.get("backbone", ""))
    named = {"trial": trial.number, "learner": trial.learner, "backbone": backbone}
    more: dict[str, float] = {"leg": trial.leg} if trial.leg else {}
    more |= {"share": trial.share} if trial.share < 1 else {}
    run.journal.write("trial", **named, **more, reason=trial.reason, config=dict(trial.config))
    curve: list[tuple[float, float]] = []
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    stopped = False
    notes: dict[str, str] = {}
    course: list[Mapping[str, Any]] = []
    before = replace(FROZEN)
    rule = stoppers[stopper]
    if trial.leg and not rule.promotes:
        rule = stoppers["none"]  # it was taken up again for being likely to gain

    def report(value: float, progress: float) -> bool:
        nonlocal stopped
        curve.append((progress, value))
        run.journal.write(
            "score", trial=trial.number, score=sign * value, progress=round(progress, 4)
        )
        stopped = not rule.keeps(curve, job.others, job.place)
        return not stopped

    place = run.folder.trial(trial.number)
    checkpoint = place / "checkpoint"
    _clear(place, checkpoint, trial.leg)
    began = clock.now()
    try:
        learner = learners[trial.learner]
        config = from_dict(learner.config, trial.config)
        watch = Watch(
            clock,
            report,
            run.offline,
            lambda a, t: notes.update({a: t}),
            run.depths,
            checkpoint,
            lambda p, w: course.append({"progress": p, "weights": w}),
        )
        rows = fewer(problem, trial.share) if trial.share < 1 else problem
        fitted, unseen = fit_whole(learner, rows, config, trial.seed, watch)
        seconds = clock.now() - began
        result = scored(run, problem, trial, fitted, unseen, seconds)
    except Overdue:
        _write_traceback(run, trial)  # it says where
        raise
    except TunesmithError as error:
        result = Result(trial, "failed", str(error), fit_seconds=clock.now() - began)
    except Exception as error:
        _write_traceback(run, trial)
        reason = f"{type(error).__name__}: {error}"
        result = Result(trial, "failed", reason, fit_seconds=clock.now() - began)
    if stopped and result.status == "done":
        reason = f"the {stopper} rule: others were better by then"
        result = replace(result, status="stopped", reason=reason)
    if trial.share < 1 and result.score is not None:
        curve = [(trial.share, sign * result.score.value)]
        reason = f"a look, fitted to {trial.share:.0%} of the training rows"
        result = replace(result, status="stopped", reason=reason)
    frozen = FROZEN.rows - before.rows
    notes |= {"frozen_rows": f"{frozen:,} rows run through frozen blocks"} if frozen else {}
    return replace(
        result,
        curve=tuple(sign * value for _, value in curve),
        progress=tuple(place for place, _ in curve),
        stored_seconds=min(result.fit_seconds, FROZEN.stored_seconds - before.stored_seconds),
        notes=notes,
        architecture_course=tuple(course),
    )


KEPT = ("model", "result.json", "config.json", "predictions.safetensors")


def _clear(place: Path, checkpoint: Path, leg: int) -> None:
    """Take away what a trial that was killed has left, but for the state it may go on from, and for
    what its last leg came to."""
    kept = (checkpoint, checkpoint.with_name(f".{checkpoint.name}.old"))
    for inner in place.glob("*") if place.is_dir() else ():
        is_earlier = inner.name in KEPT or inner.name.startswith("result-")
        if inner in kept or (leg and is_earlier):
            continue
        shutil.rmtree(inner) if inner.is_dir() else inner.unlink()


def scored(
    run: Run,
    problem: Problem,
    trial: Trial,
    fitted: Fitted,
    unseen: Prediction | None,
    fit_seconds: float,
) -> Result:
    """Score a model on the valid rows, save it, open it again, and time its answers. With folds its
    answers for rows that it has not seen are given."""
    valid = problem.part("valid")
    answers = fitted.predict(valid) if unseen is None else unseen
    prediction = compared(problem, problem.priced("valid", answers))
    if not np.isfinite(prediction.array()).all():
        raise TunesmithError("it answers with numbers that are not finite; it has diverged")
    value = unknown(problem)
    if not problem.is_unproven:
        truth, weights = problem.truth("valid"), problem.weight("valid")
        value = score(
            *(problem.metric, truth, prediction),
            seed=run.seed,
            resamples=TRIAL_RESAMPLES,
            weights=weights,
        )
        if unseen is not None:
            value = out_of_fold(value, truth, prediction, weights)
    model = run.folder.trial(trial.number) / "model"
    folder = model.with_name(".model.new") if trial.leg else model
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fitted.save(folder)
    rows = np.arange(min(TIMED_ROWS, len(valid)))
    with FROZEN.checking(), memory.growth() as grown:
        opened = open_model(trial.learner, folder)
        opened.predict(valid.take(rows[:1]))  # the first call allots memory
        again, seconds = timed(opened, valid.take(rows))
    same = prediction.take(rows) if unseen is None else fitted.predict(valid.take(rows))
    wanted = same.array()
    drift = row_drift(again.array(), wanted)
    if drift > SAVED_TOLERANCE * max(1.0, np.abs(wanted).max()):
        raise TunesmithError("its saved form answers otherwise than the model that was saved")
    taken = grown()
    told = opened.architecture()
    measured = Measured(
        None if told is None else told.measured.parameters,
        1000 * seconds,
        None if taken is None else taken / 1e6,
        None if problem.is_unproven else value.value,
        problem.metric,
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    architectures.write(folder, opened, measured)
    if folder != model:
        replace_folder(folder, model)
    return Result(
        trial,
        "done",
        score=value,
        prediction=prediction,
        fit_seconds=fit_seconds,
        predict_seconds=seconds,
        size_bytes=size,
        memory_bytes=taken or 0,
        parameters=measured.parameters or 0,
        folder=str(model),
    )


def timed(model: Fitted, data: Dataset) -> tuple[Prediction, float]:
    """Answers and the seconds that a row takes: of quick ones the quickest of a few times, as other
    work of the machine only makes them longer."""
    took: list[float] = []
    while True:
        began = time.monotonic()
        found = model.predict(data)
        took.append(time.monotonic() - began)
        if len(took) == MOST_TIMES or sum(took) > TIMED_SECONDS:
            return found, min(took) / len(data)


def unknown(problem: Problem) -> Score:
    """The score where nothing can be validated."""
    return Score(problem.metric, float("nan"), float("nan"), float("nan"), rows=0)


def _write_traceback(run: Run, trial: Trial) -> None:
    folder = run.folder.trial(trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
