"""One trial: fit, score, save, open again, time."""

from __future__ import annotations

import shutil
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Curve, Fitted, Watch
from tunesmith.core.errors import TunesmithError
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.space import from_dict
from tunesmith.evaluate.scores import score
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import facts
from tunesmith.stoppers import stoppers

TIMED_ROWS = 32
TRIAL_RESAMPLES = 300
SAVED_TOLERANCE = 0.02


def run_trial(
    run: Run,
    problem: Problem,
    trial: Trial,
    clock: Clock,
    stopper: str,
    others: list[Curve],
) -> Result:
    """Fit, score and save one trial. The one place where a trial's exception is caught: a failure
    is a result with its reason."""
    backbone = str(trial.config.get("backbone", ""))
    named = {"trial": trial.number, "learner": trial.learner, "backbone": backbone}
    run.journal.write("trial", **named, reason=trial.reason, config=dict(trial.config))
    curve: list[tuple[float, float]] = []
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    stopped = False
    notes: dict[str, str] = {}
    before = replace(FROZEN)

    def report(value: float, progress: float) -> bool:
        nonlocal stopped
        curve.append((progress, value))
        run.journal.write(
            "score", trial=trial.number, score=sign * value, progress=round(progress, 4)
        )
        stopped = not stoppers[stopper].keeps(curve, others, trial.number)
        return not stopped

    checkpoint = run.folder.trial(trial.number) / "checkpoint"
    _clear(checkpoint)
    began = time.monotonic()
    try:
        learner = learners[trial.learner]
        config = from_dict(learner.config, trial.config)
        watch = Watch(
            clock, report, run.offline, lambda a, t: notes.update({a: t}), run.depths, checkpoint
        )
        fitted = learner.fit(problem, config, trial.seed, watch)
        seconds = time.monotonic() - began
        result = _scored(run, problem, trial, fitted, seconds)
    except TunesmithError as error:
        result = Result(trial, "failed", str(error), fit_seconds=time.monotonic() - began)
    except Exception as error:
        _write_traceback(run, trial)
        reason = f"{type(error).__name__}: {error}"
        result = Result(trial, "failed", reason, fit_seconds=time.monotonic() - began)
    if curve:
        others.append(Curve(trial.number, tuple(curve), stopped))
    if stopped and result.status == "done":
        reason = f"the {stopper} rule: others were better by then"
        result = replace(result, status="stopped", reason=reason)
    frozen = FROZEN.rows - before.rows
    notes |= {"frozen_rows": f"{frozen:,} rows run through frozen blocks"} if frozen else {}
    result = replace(
        result,
        curve=tuple(sign * value for _, value in curve),
        progress=tuple(place for place, _ in curve),
        stored_seconds=min(result.fit_seconds, FROZEN.stored_seconds - before.stored_seconds),
        notes=notes,
    )
    run.journal.write("result", **facts(result))
    return result


def _clear(checkpoint: Path) -> None:
    """Take away what a trial that was killed has left, but for the state it may go on from."""
    kept = (checkpoint, checkpoint.with_name(f".{checkpoint.name}.old"))
    for inner in checkpoint.parent.glob("*") if checkpoint.parent.is_dir() else ():
        if inner in kept:
            continue
        shutil.rmtree(inner) if inner.is_dir() else inner.unlink()


def _scored(run: Run, problem: Problem, trial: Trial, fitted: Fitted, fit_seconds: float) -> Result:
    """Score a model on the valid rows, save it, open it again, and time its answers."""
    valid = problem.part("valid")
    prediction = fitted.predict(valid)
    if not np.isfinite(prediction.array()).all():
        raise TunesmithError("it answers with numbers that are not finite; it has diverged")
    value = score(
        problem.metric,
        problem.truth("valid"),
        prediction,
        seed=run.seed,
        resamples=TRIAL_RESAMPLES,
    )
    folder = run.folder.trial(trial.number) / "model"
    folder.mkdir(parents=True)
    fitted.save(folder)
    rows = np.arange(min(TIMED_ROWS, len(valid)))
    with FROZEN.checking():
        opened = learners[trial.learner].load(folder)
        opened.predict(valid.take(rows[:1]))  # the first call allots memory
        began = time.monotonic()
        again = opened.predict(valid.take(rows))
        seconds = (time.monotonic() - began) / len(rows)
    wanted = prediction.take(rows).array()
    if np.abs(again.array() - wanted).max() > SAVED_TOLERANCE * max(1.0, np.abs(wanted).max()):
        raise TunesmithError("its saved form answers otherwise than the model that was saved")
    return Result(
        trial,
        "done",
        score=value,
        prediction=prediction,
        fit_seconds=fit_seconds,
        predict_seconds=seconds,
        size_bytes=sum(file.stat().st_size for file in folder.iterdir()),
        folder=str(folder),
    )


def _write_traceback(run: Run, trial: Trial) -> None:
    folder = run.folder.trial(trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
