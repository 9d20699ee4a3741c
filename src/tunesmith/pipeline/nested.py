"""Nested validation: the whole procedure (plan, search, blend, calibration) once more in every
outer fold, on the rows of the others, to answer those that it leaves out.

`nested/0` … of a run are the run folders of the folds.

Source: Varma & Simon, "Bias in error estimation when using cross-validation for model selection",
BMC Bioinformatics 2006; Cawley & Talbot, "On over-fitting in model selection and subsequent
selection bias in performance evaluation", JMLR 2010.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError, TunesmithError
from tunesmith.core.events import Journal, read_journal
from tunesmith.core.records import Budget, Part, Problem, Result, Rows
from tunesmith.core.runfolder import RunFolder, is_full
from tunesmith.core.seeds import derive
from tunesmith.data.audit import audit
from tunesmith.data.folds import folds, forward
from tunesmith.data.split import split
from tunesmith.pipeline.folds import crossed, fold_count, together
from tunesmith.pipeline.frame import without_test
from tunesmith.pipeline.labelling import audited
from tunesmith.pipeline.outer import ANSWERS, Fold, Outer, pooled, read_fold
from tunesmith.pipeline.recorded import Recorded, has_ended, last_second, past
from tunesmith.pipeline.request import Request
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import closing_seconds, rank, refit_seconds
from tunesmith.tasks import tasks

FOLDER = "nested"
MOST = 20
Procedure = Callable[[Run, Problem, Request, Recorded], None]
Divided = tuple[tuple[Rows, Rows], ...]


def check_nested(
    wanted: object, split_column: str | None, budget: Budget, *, distill: bool = False
) -> int:
    """The number of outer folds, 0 for none.

    Raises:
        ConfigError: It cannot be, or does not go with the other options.
    """
    if wanted in (None, False, 0):
        return 0
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not 2 <= wanted <= MOST:
        raise ConfigError(
            f"The number of outer folds (--nested) is a whole number from 2 to {MOST}, or 0 for "
            f"none, not {wanted!r}."
        )
    if split_column is not None:
        raise ConfigError(
            f"--nested draws who tests, and --split {split_column!r} says who does. Give only one "
            "of them."
        )
    if distill:
        raise ConfigError(
            "--nested keeps no rows apart that a student could be scored on. Leave --nested or "
            "--distill away."
        )
    if budget.trials is not None and budget.trials <= wanted:
        raise ConfigError(
            f"--nested {wanted} shares the trials among {wanted} outer folds and the model itself: "
            f"{budget.trials} are too few. Ask for at least {wanted + 1} trials, better "
            f"{10 * (wanted + 1)}, or for fewer outer folds."
        )
    return wanted


def check_more(nested: int, more: Budget | None) -> None:
    """Raises:
    ConfigError: More time or trials are asked for a run with outer folds.
    """
    if nested and more is not None:
        raise ConfigError(
            "A run with --nested goes on to its end, and cannot be given more: its outer folds "
            "would have searched less than its model. Leave --budget and --trials away, or begin "
            "a new run with more."
        )


def outer_folds(problem: Problem, request: Request) -> Divided:
    """The rows that each outer fold learns from, and those that it answers: stratified, equal rows
    and groups together; by time, with older rows before each. None where none are asked for.

    Raises:
        DataError: The rows cannot be divided so.
    """
    count, every = request.nested, problem.rows
    if not count:
        return ()
    if request.time_column:
        found = forward(problem.data.values(request.time_column)[every], count=count)
        return tuple((every[before], every[held]) for before, held in found)
    drawn = folds(
        every,
        strata=tasks[problem.task].strata(problem.data.values(problem.target)[every]),
        groups=together(problem, every),
        count=count,
        seed=derive(problem.seed, "outer"),
    )
    if len(drawn) < count:
        raise DataError(
            f"The rows of {problem.data.source} fall into {len(drawn)} group(s) that must stay "
            f"together, too few for {count} outer folds. Ask for fewer with --nested."
        )
    return drawn


def own_share(run: Run, count: int) -> Run:
    """The run with what the search of the model itself may take: as much as that of each outer
    fold. Once the folds have begun it has had its time."""
    if not count:
        return run
    if run.most_trials is not None:
        run = replace(run, most_trials=run.most_trials - count * (run.most_trials // (count + 1)))
    if not run.clock.has_deadline():
        return run
    left, has_begun = run.clock.left(), (run.folder.path / FOLDER).exists()
    return replace(run, clock=run.clock.until(left if has_begun else left * count / (count + 1)))


def end_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What is kept for the end of the run, after its outer folds."""
    best = rank(problem, results)[0]
    return closing_seconds(run, problem, results) + (
        0.0 if problem.folds else refit_seconds(problem, best)
    )


def answer(
    run: Run,
    problem: Problem,
    request: Request,
    outer: Divided,
    procedure: Procedure,
    end: float,
) -> Outer:
    """What the procedure answers in every outer fold; a fold that has ended before is read.

    Raises:
        DataError: No fold could be answered.
    """
    found: list[Fold] = []
    is_interrupted = False
    for number, (rest, held) in enumerate(outer):
        named = f"outer fold {number + 1} of {len(outer)}"
        try:
            own, place = _problem(problem, request, rest, held), _folder(run, number)
            if not (has_ended(place) and (place.path / ANSWERS).is_file()):
                share = max(0.0, run.clock.left() - end) / (len(outer) - number)
                _run_fold(run, own, request, place, number, named, share, procedure)
            found.append(read_fold(place, own, number))
            is_interrupted = not has_ended(place)
        except KeyboardInterrupt:
            is_interrupted = True
        except TunesmithError as error:
            if is_full(error):
                raise
            run.note(f"{named} is left out: {error}")
            continue
        if is_interrupted:
            run.note(f"interrupted: {len(found)} of {len(outer)} outer folds are answered")
            break
        _tell(run, problem, found[-1], named)
    if found:
        return pooled(problem, found, len(outer), is_interrupted=is_interrupted)
    if is_interrupted:
        raise KeyboardInterrupt
    raise DataError(
        f"None of the {len(outer)} outer folds could be answered in the budget: there is no final "
        f"score. The model is kept in {run.folder.best}. Give more time, or leave --nested "
        "away."
    )


def _tell(run: Run, problem: Problem, fold: Fold, named: str) -> None:
    value, inner = fold.summary["score"], fold.summary["validation"]["score"]
    run.note(
        f"{named}: {problem.metric} {value:.4f} on {len(fold.rows):,} rows that its run had not "
        f"seen, {inner:.4f} on its validation rows"
    )


def _folder(run: Run, number: int) -> RunFolder:
    path = run.folder.path / FOLDER / str(number)
    if (path / "run.json").is_file():
        return RunFolder.open(path)
    shutil.rmtree(path, ignore_errors=True)
    return RunFolder.create(path)


def _run_fold(
    run: Run,
    problem: Problem,
    request: Request,
    place: RunFolder,
    number: int,
    named: str,
    share: float,
    procedure: Procedure,
) -> None:
    spent = last_second(place)
    run.stage(named, share)
    run.journal.write("outer", fold=number, after_seconds=spent)
    limit = spent + share if run.clock.has_deadline() else run.clock.limit_seconds
    clock = Clock(limit, run.clock.now, run.clock.now() - spent)
    trials = request.budget.trials
    child = replace(
        run,
        folder=place,
        journal=Journal(place.journal, clock),
        clock=clock,
        most_trials=None if trials is None else trials // (request.nested + 1),
        sensitive=(),
        is_outer=True,
    )
    with place.held():
        recorded = past(place, problem)
        if spent:
            child.journal.write("resumed", trials=recorded.count, after_seconds=round(spent, 3))
        procedure(child, problem, replace(request, nested=0), recorded)


def spent_seconds(place: RunFolder) -> float:
    """When the last event of the outer fold under way was, by the clock of the run; 0 where none
    had begun."""
    if not place.journal.is_file():
        return 0.0
    began = [event for event in read_journal(place.journal) if event.kind == "outer"]
    if not began:
        return 0.0
    last = began[-1]
    fold = RunFolder(Path(place.path / FOLDER / str(last.facts["fold"])))
    return last.seconds + max(0.0, last_second(fold) - float(last.facts["after_seconds"]))


def _problem(problem: Problem, request: Request, rest: Rows, held: Rows) -> Problem:
    """The problem of an outer fold: `held` test, and the rest is divided as that of a run of its
    own would be."""
    parts: dict[Part, Rows] = {"train": rest, "valid": rest[:0], "test": held}
    if problem.folds:
        own = crossed(replace(problem, parts=parts, folds=()), count=fold_count(problem))
        seen = parts
    else:
        own = replace(problem, parts={**_divided(problem, request, rest), "test": held})
        seen = dict(own.parts)
    values = own.data.values(own.target)
    truth, classes = audited(values, own.encode(values), own.classes, own.label_form)
    leaked = audit(
        *(own.data, own.target, own.inputs, truth, classes),
        seen,
        unlabelled=rest[:0],
        seed=own.seed,
    ).leaked
    return replace(own, leaked=leaked)


def _divided(problem: Problem, request: Request, rest: Rows) -> dict[Part, Rows]:
    """Who of the rest trains and who selects."""
    data, groups = problem.data, problem.groups
    parts, _ = split(
        len(rest),
        strata=tasks[problem.task].strata(data.values(problem.target)[rest]),
        groups=None if groups is None else groups[rest].astype(object),
        times=data.values(request.time_column)[rest] if request.time_column else None,
        seed=problem.seed,
    )
    return {name: rest[rows] for name, rows in without_test(parts).items()}
