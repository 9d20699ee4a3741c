"""One fit, top to bottom: read, frame, plan, tune, blend, and the proof at the end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.events import Journal, Listener
from tunesmith.core.pins import read_pins
from tunesmith.core.records import Budget, Problem, Result, Score
from tunesmith.core.runfolder import RunFolder, is_full, recover_folder, replace_folder, write_json
from tunesmith.data.read import read
from tunesmith.data.readers._bytes import is_url
from tunesmith.nn.shards import MEMORY_BYTES, Store, open_store, using
from tunesmith.nn.tally import FROZEN, Tally
from tunesmith.pipeline import artifact
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.blend import (
    Blend,
    Proof,
    answer_test,
    blend,
    prove,
    refit,
    winner_reason,
)
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import Pins, check_search, check_wanted, plan, whole_names
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import best_backbone, leaderboard, rank
from tunesmith.pipeline.tune import tune
from tunesmith.search import named
from tunesmith.stoppers import stoppers
from tunesmith.tasks import tasks

NEW = ".best.new"
"""Where an artifact is written before it takes the place of `best`."""


def fit(
    source: Any,
    target: str,
    *,
    budget: Budget,
    folder: Path,
    task: str | None = None,
    metric: str | Callable[[Any, Any], float] | None = None,
    seed: int = 0,
    offline: bool = False,
    kinds: Mapping[str, Any] | None = None,
    group: str | None = None,
    time_column: str | None = None,
    split: str | None = None,
    wanted: Sequence[str] | None = None,
    pins: Pins | None = None,
    bad_rows: Any = "stop",
    listeners: Sequence[Listener] = (),
    started: float | None = None,
    cache: bool = True,
    search: str | Sequence[str] = "auto",
    stopper: str = "median",
) -> Path:
    """Fit, and give the run folder; its `best` is the artifact.

    Raises:
        TunesmithError: The data or an option cannot be used; nothing is left behind then.
    """
    clock = Clock(budget.seconds, time.monotonic, time.monotonic() if started is None else started)
    pins = read_pins(pins)
    check_wanted(wanted, pins)
    pins = whole_names(pins)
    _ = named(search), stoppers[stopper]  # a wrong name is told before a byte is read
    if offline and is_url(source) and not source.startswith(("file:", "memory:")):
        raise ConfigError(
            f"{source} lies on another machine, and --offline opens no socket. Bring the file here "
            "first, or leave --offline away."
        )
    place = RunFolder.create(folder)
    run = Run(place, Journal(place.journal, clock, tuple(listeners)), clock, seed, offline)
    run = replace(run, most_trials=budget.trials)
    try:
        run.stage("reading")
        data = read(source, kinds=kinds, bad_rows=bad_rows, target=target)
        run.stage("framing and audit")
        problem = frame(
            data,
            target,
            task=task,
            metric=metric,
            group=group,
            time=time_column,
            split=split,
            seed=seed,
        )
        _tell_problem(run, problem)
        store = open_store() if cache else Store(None, MEMORY_BYTES)
        with using(store):
            _search(run, problem, wanted, pins, store, search, stopper)
    except BaseException as error:
        _tidy(place)
        if is_full(error) and not isinstance(error, DataError):
            raise DataError(_full(run, str(error))) from error
        raise
    return place.path


def _search(
    run: Run,
    problem: Problem,
    wanted: Sequence[str] | None,
    pins: Pins,
    store: Store,
    search: str | Sequence[str],
    stopper: str,
) -> None:
    """Plan, tune, and finish, all with one activation store."""
    before = replace(FROZEN)
    candidates, notes = plan(
        problem, wanted=wanted, pins=pins, clock=run.clock, offline=run.offline
    )
    check_search(search, sorted({c.learner for c in candidates}), problem, pins)
    for text in notes:
        run.note(text)
    write_json(run.folder.path / "candidates.json", [vars(c) for c in candidates])
    depths = {c.config["depth"] for c in candidates if "depth" in c.config}
    run = replace(run, depths=tuple(sorted(depths)))
    run.stage("tuning")
    results, interrupted = tune(
        run,
        problem,
        candidates,
        pins=pins,
        search=search,
        stopper=stopper,
        better=lambda found: _save_best(run, problem, found),
    )
    _refuse_full_disk(run, results)
    if not rank(problem, results):
        raise DataError(_all_failed(results))
    try:
        _finish(run, problem, results, may_refit=not interrupted)
    finally:
        _tell_store(run, store, before)


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
    write_json(run.folder.path / "problem.json", _problem_facts(problem))


def _value(problem: Problem, about: str) -> str:
    return {"task": f"{problem.task}: ", "metric": f"{problem.metric}: "}.get(about, "")


def _problem_facts(problem: Problem) -> dict[str, Any]:
    return {
        "source": problem.data.source,
        "task": problem.task,
        "target": problem.target,
        "inputs": problem.inputs,
        "classes": problem.classes,
        "metric": problem.metric,
        "seed": problem.seed,
        "rows": {name: len(rows) for name, rows in problem.parts.items()},
        "parts": {
            name: [int(line) for line in problem.data.lines[rows]]
            for name, rows in problem.parts.items()
        },
        "columns": [vars(column) for column in problem.data.columns],
        "reasons": dict(problem.reasons),
        "findings": [{**vars(f), "rows": [int(row) for row in f.rows]} for f in problem.findings],
        "leaked": [int(line) for line in problem.data.lines[problem.leaked]],
    }


def _save_best(run: Run, problem: Problem, results: Sequence[Result]) -> None:
    """Put the best single model so far into `best`, with its validation score."""
    best = rank(problem, results)[0]
    alone = Blend((best,), (1.0,), "the best so far", best.prediction)  # type: ignore[arg-type]
    assert best.score is not None
    facts = _summary(run, problem, results, alone, best.score, None, "validation, not final")
    _put(run, problem, alone.members(), {"validation": _plain(best.score)}, facts)


def _put(
    run: Run,
    problem: Problem,
    members: Sequence[Member],
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    new = run.folder.path / NEW
    shutil.rmtree(new, ignore_errors=True)
    artifact.save(new, problem, members, metrics, facts)
    replace_folder(new, run.folder.best)


def _all_failed(results: Sequence[Result]) -> str:
    told = "; ".join(f"{r.trial.learner}: {r.reason}" for r in results[:5])
    return f"No model could be fitted in the budget. {told or 'There was no time for any'}."


def _finish(run: Run, problem: Problem, results: Sequence[Result], *, may_refit: bool) -> None:
    """Blend, prove on the rows kept apart, refit where there is time, save."""
    run.stage("blending")
    chosen = blend(problem, results)
    run.stage("scoring the kept-apart rows")
    answers = answer_test(problem, chosen)
    names = [problem.metric, *tasks[problem.task].metrics(problem.classes)]
    clock = run.clock.until(run.reserve_seconds())
    proof = prove(problem, answers, list(dict.fromkeys(names)), clock)
    final = proof.scores[problem.metric]
    run.journal.write("final", metric=problem.metric, **_plain(final))
    if proof.without_leaks is not None:
        run.note(
            f"without the {len(set(problem.leaked) & set(problem.parts['test'])):,} leaked rows: "
            f"{problem.metric} {proof.without_leaks}"
        )
    reasons = _reasons(problem, chosen, results)
    for name in ("backbone", "winner"):
        if name in reasons:
            run.journal.write("reason", about=name, text=reasons[name])
    problem = replace(problem, reasons=reasons)
    summary = partial(_summary, run, problem, results, chosen, final, proof)
    facts = summary("the model that was scored")
    _put(run, problem, chosen.members(), _metrics(problem, chosen, proof, facts), facts)
    if may_refit:
        run.stage("fitting to all rows")
        members, count = refit(run, problem, chosen)
        if count:
            run.stage("saving")
            facts = summary(
                f"{count} of {len(members)} models fitted again to all rows after the score was "
                "taken"
            )
            _put(run, problem, members, _metrics(problem, chosen, proof, facts), facts)
    _clear(run)
    write_json(run.folder.path / "leaderboard.json", leaderboard(problem, results))
    weights = {str(m.trial): m.weight for m in chosen.members()}
    write_json(run.folder.path / "ensemble.json", {"weights": weights, "reason": chosen.reason})
    facts = {**facts, "seconds": round(run.clock.elapsed(), 3)}
    write_json(run.folder.path / "summary.json", facts)
    run.journal.write("end", seconds_used=facts["seconds"])


def _metrics(
    problem: Problem, chosen: Blend, proof: Proof, facts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "validation": [_plain(r.score) for r in chosen.results if r.score is not None],
        "test": {name: _plain(value) for name, value in proof.scores.items()},
        "test_confusion": {"classes": problem.classes, "counts": proof.confusion},
        "test_without_leaks": None if not proof.without_leaks else _plain(proof.without_leaks),
        "about": facts["model_is"],
    }


def _clear(run: Run) -> None:
    for folder in (run.folder.path / "trials").glob("*/refit"):
        shutil.rmtree(folder, ignore_errors=True)


def _reasons(problem: Problem, chosen: Blend, results: Sequence[Result]) -> dict[str, str]:
    found = {
        **problem.reasons,
        "task": f"{problem.task}: {problem.reasons['task']}",
        "metric": f"{problem.metric}: {problem.reasons['metric']}",
        "winner": winner_reason(problem, chosen, results),
    }
    backbone = _backbone_reason(problem, results)
    return found | ({"backbone": backbone} if backbone else {})


def _backbone_reason(problem: Problem, results: Sequence[Result]) -> str:
    name = best_backbone(problem, results)
    if not name:
        return ""
    probes = [r for r in rank(problem, results) if r.trial.learner == "probe"]
    best: dict[str, Result] = {}
    for result in probes:
        best.setdefault(str(result.trial.config["backbone"]), result)
    told = [f"{one} {result.score}" for one, result in best.items()]
    if len(told) == 1:
        return f"{told[0].split(' ')[0]}: the one whose frozen features were tried ({told[0]})"
    return f"{name}: its frozen features scored best on validation rows ({', '.join(told)})"


def _summary(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    chosen: Blend,
    final: Score,
    proof: Proof | None,
    about: str,
) -> dict[str, Any]:
    """The facts of a fit, as `fit --json` prints them."""
    first = chosen.results[0]
    assert first.score is not None
    clean = proof.without_leaks if proof else None
    return {
        "folder": str(run.folder.path),
        "task": problem.task,
        "target": problem.target,
        "metric": problem.metric,
        "score": final.value,
        "interval": [final.low, final.high],
        "score_rows": final.rows,
        "score_is": "test: rows that selected nothing" if proof else "validation",
        "score_without_leaks": None if clean is None else _plain(clean),
        "validation": _plain(first.score),
        "model_is": about,
        "seconds": round(run.clock.elapsed(), 3),
        "trials": len(results),
        "best": {
            "trial": first.trial.number,
            "learner": first.trial.learner,
            "backbone": str(first.trial.config.get("backbone", "")),
            "members": len(chosen.results),
            "config": dict(first.trial.config),
        },
        "rows": {name: len(rows) for name, rows in problem.parts.items()},
        "reasons": dict(problem.reasons),
        "findings": [
            {"check": f.check, "message": f.message, "count": f.count} for f in problem.findings
        ],
        "leaderboard": leaderboard(problem, results),
    }


def _plain(value: Score) -> dict[str, Any]:
    return {"score": value.value, "low": value.low, "high": value.high, "rows": value.rows}
