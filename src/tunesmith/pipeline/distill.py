"""Another model of a run than its final one: a small one that has learned what that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.core.clock import Clock
from tunesmith.core.errors import DataError
from tunesmith.core.predictions import mix
from tunesmith.core.records import Budget, Dataset, Problem, Result
from tunesmith.core.runfolder import RunFolder, read_json, recover_folder, write_json
from tunesmith.data.read import read
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.after import After
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.distilling import FOLDER, distil
from tunesmith.pipeline.few import refuse_few
from tunesmith.pipeline.labelling import refuse_labels
from tunesmith.pipeline.recorded import past
from tunesmith.pipeline.reframed import reframed
from tunesmith.pipeline.request import Request
from tunesmith.pipeline.soft_labels import columns_of
from tunesmith.pipeline.teacher import Lesson, Teacher


def distill(
    folder: Path,
    *,
    students: tuple[str, ...] = (),
    temperature: float = 1.0,
    unlabelled: Any = None,
    source: Any = None,
    budget: str | float | None = None,
) -> Path:
    """Distil the final model of a run, and give the folder of the student; the run's summary tells
    of it as `distilled`. The teacher is the model that was scored, before it was fitted again to
    all rows, so that the test rows are new to both.

    Args:
        students: Who is to learn, each tried; by default `usual_students`.
        temperature: Probabilities are learned to the power 1 / temperature.
        unlabelled: Rows to learn from as well, with the input columns; anything `fit` takes.
        source: The data of the run, where it was an object in memory or has moved.
        budget: Time for it.

    Raises:
        DataError: The run has no final model, its models are gone, or the data is not as it was.
        ConfigError: An option cannot be, or no student can learn this.
        BudgetError: Not in the time.
    """
    clock = Clock(Budget.parse(budget).seconds)
    lesson = Lesson(students, temperature)
    lesson.check()
    run = RunFolder.open(folder)
    best, summary = recover_folder(run.best), folder / "summary.json"
    if not best.is_dir() or not summary.is_file():
        raise DataError(f"{folder} has no final model yet. Go on: tunesmith resume {folder}")
    request = Request.read(folder)
    request.refuse_nested(folder, "distil")
    with run.held(), using(open_store() if request.cache else None):
        problem = reframed(folder, request, source, call="distill", purpose="a student's score")
        refuse_labels(problem, {"Distillation": True})
        refuse_few(problem, {"Distillation": True})
        results = [*past(run, problem).results.values()]
        after = After.from_json(read_json(best / "predictor.json").get("after"))
        teacher = Teacher.of(_blend(folder, results), after)
        if unlabelled is not None:
            lesson = replace(lesson, unlabelled=_rows(unlabelled, problem))
        facts = read_json(summary)
        told = distil(problem, teacher, results, lesson, folder, facts, clock, request.offline)
        write_json(summary, {**facts, "distilled": told})
    return folder / FOLDER


def _blend(folder: Path, results: list[Result]) -> Blend:
    """Who answered together when the run was scored.

    Raises:
        DataError: A model of theirs is gone.
    """
    weights = {int(trial): w for trial, w in read_json(folder / "ensemble.json")["weights"].items()}
    last = {result.trial.number: result for result in results}
    chosen = [last[number] for number in weights if number in last]
    is_whole = all(result.folder and Path(result.folder).is_dir() for result in chosen)
    if not is_whole or len(chosen) < len(weights):
        raise DataError(
            f"The models of the trials of {folder} are gone; only the final one is left, which may "
            "know the test rows by now. Distil within the fit: fit(..., distill=True), --distill."
        )
    answers = [result.prediction for result in chosen if result.prediction is not None]
    kept = [weights[result.trial.number] for result in chosen]
    return Blend(tuple(chosen), tuple(kept), "as it was scored", mix(answers, kept))


def _rows(source: Any, problem: Problem) -> Dataset:
    """Rows without labels as the problem has them."""
    names = columns_of(problem)
    like = [problem.data.column(name) for name in names]
    return read(source, like=like).with_columns(names)
