"""The final model of a run as code that stands alone, and whether that code scores the same."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import (
    RunFolder,
    cannot_write,
    read_json,
    recover_folder,
    write_bytes,
    write_json,
)
from tunesmith.data.readers._bytes import is_url
from tunesmith.evaluate.scores import score
from tunesmith.export import exporters
from tunesmith.export._answers import Answers, answers
from tunesmith.export._data import Reading, reading
from tunesmith.export._scores import Measure, measure
from tunesmith.export._script import write
from tunesmith.learners._folded import open_model
from tunesmith.pipeline import architectures
from tunesmith.pipeline.after import After
from tunesmith.pipeline.export_models import Chosen, models, part
from tunesmith.pipeline.few import refuse_few
from tunesmith.pipeline.fit import fingerprint, framed
from tunesmith.pipeline.labelling import refuse_labels
from tunesmith.pipeline.request import Request, source_name

SCRIPT, REQUIREMENTS, SPLIT, FACTS = "train.py", "requirements.txt", "split.json", "export.json"
QUICK_SECONDS = 120.0
"""A script that is forecast to run for less is run unless that is refused."""
START_SECONDS = 5.0
PATIENCE, LEAST_PATIENCE = 20.0, 600.0
"""A script is ended after so many times its forecast, or so many seconds."""
SMALLER_TORCH = """\
# On Linux without a GPU a smaller build of torch serves as well. To have it, first run
# pip install "{torch}" --index-url https://download.pytorch.org/whl/cpu
"""
EXACT_MINOR = frozenset({"torch", "torchvision"})
"""Packages whose next minor version is another build; see docs/dependencies.md."""


def export_code(
    folder: Path, out: Path, *, source: Any = None, check: bool | None = None
) -> dict[str, Any]:
    """Write the final model of a run as `train.py`, with requirements.txt, split.json, export.json
    and the architecture of its network, into a new or empty folder; gives what export.json holds.

    Args:
        source: The file of the data, where the run was fitted from an object in memory or the file
            has moved.
        check: Whether the script is run and its score compared with the run's; by default where
            that is forecast to take less than two minutes.

    Raises:
        DataError: The run has no final model, or its data is gone or has changed.
        ConfigError: The folder is not empty, or no model of the run can be written as code.
    """
    run = RunFolder.open(folder)
    best, summary = recover_folder(run.best), folder / "summary.json"
    if not best.is_dir() or not summary.is_file():
        raise DataError(f"{folder} has no final model yet. Go on: tunesmith resume {folder}")
    _refuse_full(out)
    problem, place = _problem(run, source)
    refuse_labels(problem, {"Export as code": True})
    refuse_few(problem, {"Export as code": True})
    chosen, left_out = models(problem, run, best, read_json(summary)["leaderboard"])
    metric, how, aside = _metric(problem, best)
    after = _after(problem, best, aside, whole=not left_out)
    files = _files(place)
    how_read = reading(place, files, problem.data)
    written = write(
        problem,
        how_read,
        how_read.table(files),
        [(part(problem, c), c.weight) for c in chosen],
        metric=metric,
        measure=how,
        version=metadata.version("tunesmith"),
        after=after,
    )
    forecast = round(_forecast(chosen), 1)
    facts: dict[str, Any] = {
        "run": str(folder.absolute()),
        "models": [c.told() for c in chosen],
        "left_out": left_out,
        "notes": aside,
        "metric": metric,
        "winner": _winner(problem, run, best, metric, chosen, whole=not left_out),
        "forecast_seconds": forecast,
    }
    _write(out, written.code, written.packages, problem)
    architectures.hand_on(best, out)
    wants_check = forecast < QUICK_SECONDS if check is None else check
    facts |= _checked(out, facts) if wants_check else {"script": None, "agrees": None}
    write_json(out / FACTS, facts)
    return facts


def _refuse_full(out: Path) -> None:
    try:
        if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(
                f"{out} exists already and is not an empty folder. Nothing was overwritten: name "
                "another."
            )
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error


def _problem(run: RunFolder, source: Any) -> tuple[Problem, str]:
    """The problem of a run, framed again, and where its data lies.

    Raises:
        DataError: The data is gone, or not as it was.
        ConfigError: It was an object in memory.
    """
    request = Request.read(run.path)
    request.refuse_nested(run.path, "export")
    place = request.source if source is None else source_name(source)
    if not place:
        raise ConfigError(
            f"{run.path} was fitted from an object in memory, and a script reads a file. Save the "
            "same rows as .parquet or .csv and name that file: export_code(folder, source=...), or "
            "--data FILE."
        )
    asked = replace(request, metric=None, own_metric=False) if request.own_metric else request
    problem = framed(lambda stage: None, place, asked, None)
    before = read_json(run.path / "problem.json")
    if before.get("fingerprint") != fingerprint(problem):
        raise DataError(
            f"{place} does not hold what this run was fitted to ({_count(before)} rows then, "
            f"{len(problem.data):,} now, or other cells or kinds of columns). A script that reads "
            "it would not give the run's score: bring the old data back, or name it with --data."
        )
    return replace(problem, metric=str(before["metric"])), place


def _count(before: Mapping[str, Any]) -> str:
    return f"{sum(before.get('rows', {}).values()):,}"


def _files(place: str) -> tuple[str, ...]:
    if is_url(place) or os.path.exists(place) or not glob.has_magic(place):
        return (place,)
    return tuple(p for p in sorted(glob.glob(place, recursive=True)) if os.path.isfile(p))


def _metric(problem: Problem, best: Path) -> tuple[str, Measure, list[str]]:
    """The metric that the script prints: the run's own where it can be written, else the first of
    those that were reported."""
    scored = read_json(best / "metrics.json").get("test", {})
    for name in (problem.metric, *scored):
        found = measure(name, len(problem.classes))
        if found is not None and name in scored:
            aside = f"the metric {problem.metric!r} is not written as code: {name} is in its place"
            return name, found, [] if name == problem.metric else [aside]
    raise DataError(f"{best} holds no score on test rows that a script could give again.")


def _after(problem: Problem, best: Path, aside: list[str], *, whole: bool) -> Answers:
    """What becomes of the mean of the answers; what was learned for the mean of all models is not
    for one of them."""
    learned = After.from_json(read_json(best / "predictor.json").get("after"))
    if whole:
        return answers(problem, learned.calibration, learned.weights)
    if learned.calibration or learned.weights:
        aside.append(
            "calibration and threshold are left out: they were learned for models that are not here"
        )
    return answers(problem)


def _winner(
    problem: Problem,
    run: RunFolder,
    best: Path,
    metric: str,
    chosen: Sequence[Chosen],
    *,
    whole: bool,
) -> dict[str, Any] | None:
    """What the script should score on the test rows: as the run said, or, where it fits another
    model, as that model answers them; None where its files are gone."""
    if whole:
        return dict(read_json(best / "metrics.json")["test"][metric])
    place = run.trial(chosen[0].trial) / "model"
    if not place.is_dir():
        return None
    learner = "stack" if chosen[0].below else chosen[0].learner
    given = problem.priced("test", open_model(learner, place).predict(problem.part("test")))
    weights = problem.weight("test")
    found = score(metric, problem.truth("test"), given, seed=problem.seed, weights=weights)
    return {"score": found.value, "low": found.low, "high": found.high, "rows": found.rows}


def _forecast(chosen: Sequence[Chosen]) -> float:
    every = {one.trial: one for c in chosen for one in c.every()}
    return START_SECONDS + sum(c.seconds * exporters[c.learner].slower for c in every.values())


def _write(out: Path, code: str, packages: Sequence[str], problem: Problem) -> None:
    split = {name: [int(row) for row in rows] for name, rows in problem.parts.items()}
    write_bytes(out / SCRIPT, code.encode())
    write_bytes(out / REQUIREMENTS, _requirements(packages).encode())
    folds = [[int(row) for row in held] for _, held in problem.folds]
    told = json.dumps({"rows": len(problem.data), **split, **({"folds": folds} if folds else {})})
    write_bytes(out / SPLIT, told.encode())


def _requirements(packages: Sequence[str]) -> str:
    told = SMALLER_TORCH.format(torch=_range("torch")) if "torch" in packages else ""
    return told + "".join(f"{_range(package)}\n" for package in packages)


def _range(package: str) -> str:
    """The versions of a package that are compatible with the one here."""
    try:
        major, minor = re.findall(r"\d+", metadata.version(package))[:2]
    except (metadata.PackageNotFoundError, ValueError):
        return package
    return f"{package}~={major}.{minor}{'.0' if package in EXACT_MINOR else ''}"


def _checked(out: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Run the script in a process of its own, and compare."""
    limit = max(LEAST_PATIENCE, PATIENCE * facts["forecast_seconds"])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str((out / SCRIPT).absolute()), "--out", folder]
        began = time.monotonic()
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=limit, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired:
            return {"script": {"failed": f"it was ended after {limit:.0f} s"}, "agrees": False}
        seconds = time.monotonic() - began
        file = Path(folder) / "score.json"
        if ran.returncode or not file.is_file():
            told = " ".join(ran.stderr.strip().splitlines()[-1:]) or f"status {ran.returncode}"
            return {"script": {"failed": told}, "agrees": False}
        value = float(read_json(file)["score"])
    winner = facts["winner"]
    agrees = None if winner is None else bool(winner["low"] <= value <= winner["high"])
    return {"script": {"score": value, "seconds": round(seconds, 1)}, "agrees": agrees}


__all__ = ["Reading", "export_code"]
