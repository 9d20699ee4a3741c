"""One fit, top to bottom: read, frame, plan, tune, blend, and the proof at the end."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.events import Held, Journal, Listener
from tunesmith.core.pins import read_pins
from tunesmith.core.records import Budget, Candidate, Problem, Result
from tunesmith.core.runfolder import (
    RunFolder,
    is_full,
    read_json,
    recover_folder,
    write_json,
)
from tunesmith.data.read import read
from tunesmith.metrics import get
from tunesmith.nn.shards import MEMORY_BYTES, Store, open_store, using
from tunesmith.nn.tally import FROZEN, Tally
from tunesmith.pipeline import nested, shaping
from tunesmith.pipeline.few import refuse_few
from tunesmith.pipeline.finish import NEW, finish, save_best
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.goals import check_goals
from tunesmith.pipeline.halving import GOALS
from tunesmith.pipeline.interpretable import learner_of
from tunesmith.pipeline.labelling import NOT_DONE, refuse_labels
from tunesmith.pipeline.plan import check_search, check_wanted, fixed, plan, whole_names
from tunesmith.pipeline.recorded import NOTHING, Recorded, has_ended, last_second, past
from tunesmith.pipeline.request import Request, refuse_far_pictures, refuse_network
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.shaping import START, Opened
from tunesmith.pipeline.sides import begun_small
from tunesmith.pipeline.standing import closing_seconds, rank
from tunesmith.pipeline.tune import tune
from tunesmith.search import named
from tunesmith.stoppers import stoppers

Metric = str | Callable[[Any, Any], float]


def fit(
    source: Any,
    request: Request,
    *,
    folder: Path,
    metric: Metric | None = None,
    listeners: Sequence[Listener] = (),
    started: float | None = None,
) -> Path:
    """Fit, and give the run folder; its `best` is the artifact.

    Raises:
        TunesmithError: The data or an option cannot be used; nothing is left behind then.
    """
    clock = _clock(request.budget, time.monotonic() if started is None else started)
    pins = read_pins(request.pins)
    check_wanted(request.wanted, pins)
    check_workers(request.workers, request.own_metric)
    _ = learner_of(request.interpretable)
    fixed = shaping.with_given(request.architecture, whole_names(pins), request.wanted)
    request = replace(request, pins=fixed, goals=check_goals(request.goals))
    _ = named(request.search), stoppers[request.stopper]  # wrong names are told before all else
    refuse_network(source, request.offline)
    place = RunFolder.create(folder)
    run = _run(place, request, clock, listeners)
    with place.held():
        try:
            request.write(place.path)
            problem = framed(run.stage, source, request, metric)
            _tell_problem(run, problem)
            _search(run, problem, request, None)
        except BaseException as error:
            _tidy(place)
            _translate(run, error)
            raise
    return place.path


def resume(
    folder: Path,
    *,
    more: Budget | None = None,
    source: Any = None,
    metric: Metric | None = None,
    listeners: Sequence[Listener] = (),
    started: float | None = None,
) -> Path:
    """Go on with a run that was cut short, or with one that has ended, for some more time or
    trials.

    Args:
        source: The data, where the run was fitted from an object in memory or has moved.
        metric: The callable, where the run's metric was one.

    Raises:
        TunesmithError: It cannot go on; the run stays as it is.
    """
    began = time.monotonic() if started is None else started
    place = RunFolder.open(folder)
    request = Request.read(place.path)
    source = request.source or None if source is None else source
    if source is None:
        raise ConfigError(
            f"{folder} was fitted from an object in memory, which is gone. Give the data again: "
            "resume(folder, source=...), or --data FILE."
        )
    if request.own_metric and not callable(metric):
        raise ConfigError(
            f"{folder} was selected by a metric of your own. Give it again: "
            "resume(folder, metric=...)."
        )
    refuse_network(source, request.offline)
    with place.held():
        nested.check_more(request.nested, more)
        if has_ended(place) and more is None:
            raise ConfigError(
                f"{folder} has come to its end. Give it more: --budget 10m, or --trials 10."
            )
        spent = max(last_second(place), nested.spent_seconds(place))
        clock = _clock(request.budget, began - spent)
        held = Held(place.journal, clock, tuple(listeners))
        run = replace(_run(place, request, clock, listeners), journal=held)
        problem = framed(run.stage, source, request, metric)
        _refuse_other_data(place, problem)
        recorded = past(place, problem)
        request = request.extended(more, spent=spent, trials=recorded.count)
        held.let_go()
        request.write(place.path)
        run = _run(place, request, replace(clock, limit_seconds=request.budget.seconds), listeners)
        run.journal.write("resumed", trials=recorded.count, after_seconds=round(spent, 3))
        try:
            _search(run, problem, request, recorded)
        except BaseException as error:
            shutil.rmtree(place.path / NEW, ignore_errors=True)
            _translate(run, error)
            raise
    return place.path


def check_workers(workers: int | None, own_metric: bool) -> None:
    """Refuse a number of processes that cannot be.

    Raises:
        ConfigError: Says why.
    """
    if workers is None:
        return
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise ConfigError(f"The number of workers is a whole number above 0, not {workers!r}.")
    if own_metric:
        raise ConfigError(
            "A metric of your own is known to this process alone. Leave `workers` away, or name "
            "one of the built-in metrics."
        )


def _clock(budget: Budget, start: float) -> Clock:
    return Clock(budget.seconds, time.monotonic, start)


def _run(place: RunFolder, request: Request, clock: Clock, listeners: Sequence[Listener]) -> Run:
    journal = Journal(place.journal, clock, tuple(listeners))
    run = Run(place, journal, clock, request.seed, request.offline)
    # a search of architectures for more than the score ends with half of the best one
    asked = request.architecture
    is_searched = asked is True or (isinstance(asked, Mapping) and START in asked)
    smaller = is_searched and not request.nested and bool(GOALS & {*request.goals})
    return replace(
        run,
        most_trials=request.budget.trials,
        workers=request.workers,
        stack_levels=request.auto_stack,
        distill=request.distill,
        smaller=smaller,
        sensitive=request.sensitive,
        interpretable=learner_of(request.interpretable),
    )


def framed(
    stage: Callable[[str], None], source: Any, request: Request, metric: Metric | None
) -> Problem:
    """The problem that a request asks of a source; `stage` is told what begins."""
    stage("reading")
    bad_rows: Any = request.bad_rows
    target = request.target if isinstance(request.target, str) else None
    data = read(source, kinds=request.kinds, bad_rows=bad_rows, target=target)
    refuse_far_pictures(data, request.offline)
    for name in request.sensitive:
        data.column(name)
    stage("framing and audit")
    problem = frame(
        data,
        request.target,
        task=request.task,
        metric=metric if request.own_metric else request.metric,
        group=request.group,
        time=request.time_column,
        split=request.split,
        folds=request.folds,
        costs=request.costs,
        weights=request.weights,
        nested=request.nested,
        label_delimiter=request.label_delimiter,
        seed=request.seed,
    )
    refuse_labels(problem, {"--sensitive": request.sensitive, "--distill": request.distill})
    refuse_few(problem, {"--auto-stack": request.auto_stack, "--distill": request.distill})
    return problem


def _refuse_other_data(place: RunFolder, problem: Problem) -> None:
    """A run goes on with the rows that it began with.

    Raises:
        DataError: They are others.
    """
    file = place.path / "problem.json"
    if not file.is_file():
        _tell_facts(place, problem)
        return
    before = read_json(file)
    if before.get("fingerprint") == fingerprint(problem):
        return
    rows = sum(before.get("rows", {}).values())
    now = len(problem.rows)
    raise DataError(
        f"{problem.data.source} does not hold what this run began with ({rows:,} rows then, "
        f"{now:,} now, or other cells). Its scores would not mean the same: bring the old data "
        "back, or begin a new run with tunesmith fit."
    )


def _translate(run: Run, error: BaseException) -> None:
    """A full disk, in words.

    Raises:
        DataError: It was that.
    """
    if is_full(error) and not isinstance(error, DataError):
        raise DataError(_full(run, str(error))) from error


def _search(run: Run, problem: Problem, request: Request, recorded: Recorded | None) -> None:
    """The procedure, and that of every outer fold, all with one activation store."""
    store = open_store() if request.cache else Store(None, MEMORY_BYTES)
    before = replace(FROZEN)
    with using(store):
        try:
            _procedure(run, problem, request, recorded or NOTHING)
        finally:
            _tell_store(run, store, before)


def _procedure(run: Run, problem: Problem, request: Request, recorded: Recorded) -> None:
    """Plan, tune, and finish; with outer folds the same on the rows of each, before the end."""
    outer = nested.outer_folds(problem, request)
    if not (run.folder.path / "problem.json").is_file():
        _tell_facts(run.folder, problem)
    tuning = nested.own_share(run, request.nested)
    planned = _planned(tuning, problem, request)
    candidates = planned.candidates
    if planned.reason and any("backbone" in one.config for one in candidates):
        reasons = {**problem.reasons, "architecture": planned.reason}
        problem = replace(problem, reasons=reasons)
    depths = {c.config["depth"] for c in candidates if "depth" in c.config}
    tuning = replace(tuning, depths=tuple(sorted(depths)))
    is_proven = (run.folder.path / "summary.json").is_file()
    tuning.stage("tuning", tuning.clock.left() - closing_seconds(tuning, problem, ()))
    results, interrupted = tune(
        tuning,
        problem,
        candidates,
        pins=shaping.widened(request.pins or {}, planned.learners),
        search=request.search,
        stopper=request.stopper,
        goals=request.goals,
        cache=request.cache,
        recorded=recorded,
        better=lambda found: None if is_proven else save_best(run, problem, found),
    )
    _refuse_full_disk(run, results)
    if not rank(problem, results):
        raise DataError(_all_failed(results))
    run = replace(run, depths=tuning.depths, most_trials=tuning.most_trials)
    answered = None
    if outer:
        end = nested.end_seconds(run, problem, results)
        answered = nested.answer(run, problem, request, outer, _procedure, end)
        interrupted |= answered.is_interrupted
    finish(run, problem, results, may_refit=not interrupted, outer=answered)


def _planned(run: Run, problem: Problem, request: Request) -> Opened:
    """What is to be tried first, and whose architecture is searched: as planned before, or planned
    now."""
    file, pins = run.folder.path / "candidates.json", request.pins or {}
    if file.is_file():
        told = read_json(file)
        before = tuple(Candidate(**one) for one in told["candidates"])
        return Opened(tuple(told.get("opened", ())), before, told.get("architecture", ""))
    candidates, notes = plan(
        problem,
        wanted=request.wanted,
        asked=request.interpretable if isinstance(request.interpretable, str) else "",
        beside=shaping.beside(request.architecture, problem) if request.wanted is None else (),
        pins=pins,
        clock=run.clock,
        offline=run.offline,
    )
    asked, wanted = request.architecture, request.wanted
    found = shaping.opened(asked, run, problem, candidates, pins, wanted)
    names = sorted({candidate.learner for candidate in found.candidates})
    whole = shaping.widened(pins, found.learners)
    check_search(request.search, names, problem, whole, max(1, len(request.goals)))
    limit = run.clock.limit_seconds
    small = begun_small(
        found.candidates,
        problem,
        pins,
        lambda name: fixed(name, problem, pins, limit),
        run.clock,
        request.search,
    )
    found = replace(found, candidates=small)
    for text in notes:
        run.note(text)
    if any("backbone" in one.config for one in found.candidates):
        run.journal.write("reason", about="architecture", text=found.reason)
    every = [vars(candidate) for candidate in found.candidates]
    told = {"candidates": every, "opened": found.learners, "architecture": found.reason}
    write_json(file, told)
    return found


def _tell_store(run: Run, store: Store, before: Tally) -> None:
    """What the activation store did, and what was run through frozen blocks all the same."""
    run.journal.write(
        "store",
        folder=str(store.folder or "memory"),
        **vars(store.counts),
        frozen_rows=FROZEN.rows - before.rows,
        frozen_block_rows=FROZEN.block_rows - before.block_rows,
        checked_rows=FROZEN.checked_rows - before.checked_rows,
    )
    if store.trouble:
        run.note(f"the activation store took nothing more: {store.trouble}; the fit went on")
    if store.counts.broken_shards:
        run.note(
            f"{store.counts.broken_shards} files of the activation store were not as they were "
            "written; they were removed and computed again"
        )


def _tidy(place: RunFolder) -> None:
    """After a failure only a whole model is worth keeping."""
    shutil.rmtree(place.path / NEW, ignore_errors=True)
    if not recover_folder(place.best).exists():
        place.remove()


def _refuse_full_disk(run: Run, results: Sequence[Result]) -> None:
    """Trials that a full disk ended say nothing about their models.

    Raises:
        DataError: There was one.
    """
    full = [result for result in results if result.status == "failed" and is_full(result.reason)]
    if full:
        told = f"trial {full[0].trial.number} ({full[0].trial.learner}): {full[0].reason}"
        raise DataError(_full(run, told))


def _full(run: Run, told: str) -> str:
    kept = recover_folder(run.folder.best)
    kept_told = f" The best model so far is kept in {kept}." if kept.exists() else ""
    return (
        f"The disk of {run.folder.path} is full: {told.partition('. Free')[0]}. Free some space or "
        f"choose another folder with --folder.{kept_told}"
    )


def _tell_problem(run: Run, problem: Problem) -> None:
    for finding in problem.findings:
        run.journal.write(
            "finding",
            check=finding.check,
            message=finding.message,
            count=finding.count,
            rows=[int(row) for row in finding.rows],
        )
    for about in ("task", "metric", "split", "inputs"):
        run.journal.write(
            "reason", about=about, text=f"{_value(problem, about)}{problem.reasons[about]}"
        )
    if problem.several:
        run.note(NOT_DONE)
    _tell_facts(run.folder, problem)


def _tell_facts(place: RunFolder, problem: Problem) -> None:
    write_json(place.path / "problem.json", _problem_facts(problem))


def fingerprint(problem: Problem) -> str:
    """A hash of the cells of the inputs, the target and the weights, in the order of the rows, and
    of who is in which part."""
    found = hashlib.sha256()
    weights = (problem.weights_column,) if problem.weights_column else ()
    for name in (problem.target, *problem.inputs, *weights):
        cells = problem.data.values(name)
        found.update(name.encode(errors="backslashreplace"))
        if cells.dtype == object:
            for cell in cells:
                found.update(repr(cell).encode(errors="backslashreplace"))
        else:
            found.update(np.ascontiguousarray(cells).tobytes())
    for part in sorted(problem.parts):
        found.update(problem.parts[part].tobytes())
    return found.hexdigest()


def _value(problem: Problem, about: str) -> str:
    return {"task": f"{problem.task}: ", "metric": f"{problem.metric}: "}.get(about, "")


def _problem_facts(problem: Problem) -> dict[str, Any]:
    return {
        "source": problem.data.source,
        "fingerprint": fingerprint(problem),
        "task": problem.task,
        "target": problem.target,
        "inputs": problem.inputs,
        "classes": problem.classes,
        "label_form": problem.label_form.plain() if problem.label_form else None,
        "metric": problem.metric,
        "higher_is_better": get(problem.metric).higher_is_better,
        "seed": problem.seed,
        "rows": {name: len(rows) for name, rows in problem.parts.items()},
        "folds": len(problem.folds),
        "parts": {
            name: [int(line) for line in problem.data.lines[rows]]
            for name, rows in problem.parts.items()
        },
        "columns": [vars(column) for column in problem.data.columns],
        "reasons": dict(problem.reasons),
        "findings": [{**vars(f), "rows": [int(row) for row in f.rows]} for f in problem.findings],
        "leaked": [int(line) for line in problem.data.lines[problem.leaked]],
    }


def _all_failed(results: Sequence[Result]) -> str:
    told = "; ".join(f"{r.trial.learner}: {r.reason}" for r in results[:5])
    return f"No model could be fitted in the budget. {told or 'There was no time for any'}."
