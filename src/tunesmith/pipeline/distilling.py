"""Distillation: the models of a fit in one small model, and what that loses in score."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.errors import TunesmithError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Problem, Result
from tunesmith.core.runfolder import replace_folder
from tunesmith.core.space import to_dict
from tunesmith.evaluate.calibration import Calibration
from tunesmith.evaluate.scores import paired_gain, score
from tunesmith.learners._folded import open_model
from tunesmith.metrics import get
from tunesmith.pipeline import artifact
from tunesmith.pipeline.after import After, learn
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.halving import SMALLER
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.teacher import Lesson, Teacher
from tunesmith.pipeline.teaching import Taught, teach, usual_students
from tunesmith.pipeline.trial import TIMED_ROWS as TRIAL_ROWS
from tunesmith.pipeline.trial import timed
from tunesmith.pipeline.validation import Validation
from tunesmith.pipeline.worth import standing, verdict

FOLDER = "distilled"
SCORING_SECONDS = 1.0
"""What scoring and saving a student may take beyond its fit."""
TIMED_ROWS = 256
LEVEL = 0.95


def student_facts(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    chosen: Blend,
    after: After,
    answers: Prediction,
    facts: Mapping[str, Any],
    *,
    seconds: float,
) -> dict[str, Any]:
    """What the summary of a fit tells of a student, where one is asked for. Whatever goes wrong,
    the model is saved.

    Args:
        answers: Of the model, for the test rows.
    """
    if not (run.distill or run.smaller):
        return {}
    run.stage("distilling", seconds)
    clock = run.clock
    if clock.has_deadline():
        spare = clock.left() - run.reserve_seconds() - SCORING_SECONDS
        clock = Clock(min(seconds, spare), clock.now)
    try:
        teacher = Teacher.of(chosen, after, answers)
        place = run.folder.path
        lesson = Lesson((*usual_students(problem), SMALLER) if run.smaller else ())
        told = distil(problem, teacher, results, lesson, place, facts, clock, run.offline)
    except KeyboardInterrupt:
        run.note("interrupted: nothing is distilled; the model is saved")
        return {}
    except Exception as error:  # the model is saved, whatever went wrong
        kind = "" if isinstance(error, TunesmithError) else f"{type(error).__name__}: "
        run.note(f"nothing is distilled: {kind}{error}")
        return {}
    if run.smaller and not run.distill and told["among"]["beaten_by"]:
        shutil.rmtree(place / FOLDER, ignore_errors=True)
        why = f"no smaller model is kept: {verdict(told['among'])}"
        told = {**told, "folder": None, "message": f"{why} ({told['message']})"}
    elif run.smaller:
        told = {**told, "message": f"{told['message']}; {verdict(told['among'])}"}
    run.note(told["message"])
    return {"distilled": told}


def distil(
    problem: Problem,
    teacher: Teacher,
    results: Sequence[Result],
    lesson: Lesson,
    place: Path,
    facts: Mapping[str, Any],
    clock: Clock,
    offline: bool,
) -> dict[str, Any]:
    """Teach, save the student as an artifact in the folder `distilled` of a place, and tell its
    score on the test rows beside that of the teacher, with what both take to hold and to ask.

    Args:
        facts: The summary of the fit.

    Raises:
        TunesmithError: No student can learn this, or not in the time.
    """
    desk, new = place / f".{FOLDER}.desk", place / f".{FOLDER}.new"
    for folder in (desk, new):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        desk.mkdir()
        taught = teach(problem, teacher, results, lesson, clock, offline=offline, desk=desk)
        best = taught.best
        assert best.folder is not None
        answers = best.fitted.predict(taught.judged.part("valid"))
        known = Validation.of(taught.judged)
        after = learn(known, answers, clock, _calibration(problem, best.temperature))
        told = _told(problem, teacher, taught, after, best.folder, results)
        backbone = str(getattr(best.config, "backbone", ""))
        members = (Member(best.learner, backbone, best.folder, 1.0, 0),)
        own = _own_facts(facts, problem, told, backbone)
        profile = artifact.profile_in(place / "best")
        artifact.save(new, problem, members, {"test": told}, own, after, lambda model: profile)
        replace_folder(new, place / FOLDER)
    finally:
        for folder in (desk, new):
            shutil.rmtree(folder, ignore_errors=True)
    return told


def _calibration(problem: Problem, temperature: float) -> Calibration | None:
    """What brings the answers of a student of softened ones back to a temperature of one."""
    if temperature == 1 or not problem.classes:
        return None
    count = len(problem.classes)
    return Calibration("temperature", (temperature,) * count, (0.0,) * count)


def _told(
    problem: Problem,
    teacher: Teacher,
    taught: Taught,
    after: After,
    folder: Path,
    results: Sequence[Result],
) -> dict[str, Any]:
    best, alone = taught.best, taught.alone
    opened = open_model(best.learner, folder)
    test, truth, weights = problem.part("test"), problem.truth("test"), problem.weight("test")
    mine = problem.priced("test", after.apply(opened.predict(test)))
    theirs = teacher.tested
    if theirs is None:
        theirs = problem.priced("test", teacher.predict(test))
    own = score(problem.metric, truth, mine, seed=problem.seed, resamples=300, weights=weights)
    against = get(problem.metric).score(truth, theirs, weights)
    plain = problem.priced("test", best.predict(test))
    valid = taught.judged.part("valid")
    among = standing(
        *(problem, taught.judged, results, best.predict(valid)),
        seconds=timed(opened, valid.take(np.arange(min(TRIAL_ROWS, len(valid)))))[1],
        size_bytes=best.size_bytes,
    )
    labels = None
    if alone is not None:
        labels = _gain(problem, plain, problem.priced("test", alone.predict(test)))
    found = {
        "learner": best.learner,
        "config": to_dict(best.config),
        "temperature": best.temperature,
        "folder": FOLDER,
        "score": own.value,
        "interval": [own.low, own.high],
        "against": against,
        "models": teacher.count,
        **_gain(problem, mine, theirs),
        "rows": len(truth),
        "size_mb": best.size_bytes / 1e6,
        "against_size_mb": teacher.size_bytes / 1e6,
        "ms_per_row": 1000 * _row_seconds(opened, test),
        "against_ms_per_row": 1000 * _row_seconds(teacher, test),
        "over_labels_alone": labels,
        "fit_seconds": best.fit_seconds,
        "among": among,
        "learned_from": {
            "labelled": len(taught.judged.parts["train"]),
            "answered": taught.lessons.answered,
            "unlabelled": taught.lessons.unlabelled,
            "made": taught.lessons.made,
        },
        "left_out": dict(taught.left_out),
    }
    return {**found, "message": message(problem.metric, found)}


def _gain(problem: Problem, mine: Prediction, theirs: Prediction) -> dict[str, float]:
    """On the test rows, with its interval; below zero is a loss."""
    gain, low, high = paired_gain(
        get(problem.metric),
        problem.truth("test"),
        mine,
        theirs,
        seed=problem.seed,
        resamples=1000,
        level=LEVEL,
        weights=problem.weight("test"),
    )
    return {"gain": gain, "low": low, "high": high}


class _Answers(Protocol):
    def predict(self, data: Dataset) -> Prediction: ...


def _row_seconds(model: _Answers, data: Dataset) -> float:
    """What a row takes in a batch, once the first call has allotted its memory."""
    rows = np.arange(min(TIMED_ROWS, len(data)))
    model.predict(data.take(rows[:1]))
    began = time.monotonic()
    model.predict(data.take(rows))
    return (time.monotonic() - began) / len(rows)


def message(metric: str, told: Mapping[str, Any]) -> str:
    """What a student is worth, as a sentence."""
    models = told["models"]
    of = f"{models} models" if models > 1 else "the model"
    text = (
        f"distilled into one {told['learner']}: {metric} {told['score']:.4f} against "
        f"{told['against']:.4f} of {of}, {told['gain']:+.4f} [{told['low']:+.4f}, "
        f"{told['high']:+.4f}] on {told['rows']:,} test rows; {told['size_mb']:.2f} MB against "
        f"{told['against_size_mb']:.2f}, {told['ms_per_row']:.3f} ms a row against "
        f"{told['against_ms_per_row']:.3f}"
    )
    is_smaller = told["size_mb"] < told["against_size_mb"]
    if told["low"] <= 0 <= told["high"]:
        return f"{text}: {'smaller and ' if is_smaller else ''}tied with it on these rows"
    return text if is_smaller else f"{text}: no smaller"


def _own_facts(
    facts: Mapping[str, Any], problem: Problem, told: Mapping[str, Any], backbone: str
) -> dict[str, Any]:
    """The facts of a fit as a student's own artifact tells them."""
    best = {
        "trial": None,
        "learner": told["learner"],
        "backbone": backbone,
        "members": 1,
        "config": told["config"],
    }
    return {
        **facts,
        "metric": problem.metric,
        "score": told["score"],
        "interval": told["interval"],
        "score_rows": told["rows"],
        "score_is": "test: rows that selected nothing",
        "score_without_leaks": None,
        "model_is": f"one {told['learner']}, distilled from {told['models']} models",
        "best": best,
        "distilled": dict(told),
    }
