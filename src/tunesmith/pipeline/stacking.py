"""Stacking: models over the answers that the trials gave out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import ConfigError, TunesmithError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem, Result, Rows, Trial
from tunesmith.core.seeds import derive
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_whole, open_model
from tunesmith.learners.stack import StackConfig, Stacked, over
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import candidates, closing_seconds
from tunesmith.pipeline.trial import scored

MOST_LEVELS = 2
FEWEST_BASES, MOST_BASES = 2, 8
TOPS = (("pool", False), ("lightgbm", True))
"""What answers over the others, and whether it sees the inputs too: a weight for each, and trees
that may trust one model here and another there. Both may only follow an answer, never go against
it: answers out of fold lean away from the label, and who may turn them round learns labels that
nothing foretells."""
LEAST_SECONDS = 0.5


def check_stack(wanted: object) -> int:
    """Levels of stacking.

    Raises:
        ConfigError: It is not False, True, 1 or 2.
    """
    if wanted in (False, True, 1, 2) and not isinstance(wanted, float):
        return int(wanted)
    raise ConfigError(f"auto_stack is False, True, or a number of levels, 1 or 2; not {wanted!r}.")


def stacked(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    levels: int,
    recorded: Callable[[Trial], Result | None],
) -> Iterator[Result]:
    """The stacks of one level after the other, each as a trial. The bases of the first are the
    trials that may answer together, of the second also the stacks of the first. None without folds:
    answers for rows that a model has learned would flatter it. What was `recorded` is not made
    again."""
    if not levels:
        return
    if problem.several:
        run.note("nothing is stacked: that is not built for several labels a row")
        return
    if not problem.folds:
        run.note("nothing is stacked: that needs answers out of fold; ask for folds (--folds 5)")
        return
    known = [r for r in candidates(problem, results) if _is_base(r)][:MOST_BASES]
    number = max((r.trial.number for r in results), default=0)
    before = {str(r.trial.config): r for r in results if r.trial.learner == "stack" and r.score}
    opened: dict[int, Fitted] = {}  # before the folder of one that falls behind is cleared
    for level in range(1, levels + 1):
        if len(known) < FEWEST_BASES:
            run.note("nothing is stacked: fewer than two models are there")
            return
        for base in known:
            if base.trial.number not in opened:
                opened[base.trial.number] = open_model(base.trial.learner, Path(base.folder))
        found = []
        for top, with_inputs in TOPS:
            if not _can(top, problem):
                continue
            trial = _trial(run, number + 1, known, top, level, with_inputs)
            if str(trial.config) in before:
                found.append(before[str(trial.config)])
                continue
            number += 1
            result = recorded(trial) or _one(run, problem, known, opened, trial)
            if result.score is not None:
                found.append(result)
            yield result
        known = [*(r for r in found if Path(r.folder).is_dir()), *known][:MOST_BASES]


def _can(top: str, problem: Problem) -> bool:
    """Whether a learner can be put over answers: of many classes trees cannot be held to follow."""
    if top == "pool":
        return True
    return len(problem.classes) <= 2 and not learners[top].suits(problem)


def _is_base(result: Result) -> bool:
    is_whole = result.trial.share == 1 and result.prediction is not None
    return is_whole and result.trial.learner not in ("majority", "stack")


def _trial(
    run: Run, number: int, bases: Sequence[Result], top: str, level: int, with_inputs: bool
) -> Trial:
    names = ", ".join(str(base.trial.number) for base in bases)
    config = to_dict(StackConfig(top, names, level, with_inputs))
    reason = f"{top} over the answers of trials {names}, given out of fold"
    return Trial(number, "stack", config, reason, derive(run.seed, "trial", number))


def _one(
    run: Run,
    problem: Problem,
    bases: Sequence[Result],
    opened: Mapping[int, Fitted],
    trial: Trial,
) -> Result:
    """Fit the top on what the bases answered, score and save it with them."""
    facts = {"trial": trial.number, "learner": trial.learner, "backbone": ""}
    run.journal.write("trial", **facts, reason=trial.reason, config=dict(trial.config))
    began = run.clock.elapsed()
    seconds = run.clock.left() - closing_seconds(run, problem, bases)
    name, with_inputs = str(trial.config["learner"]), bool(trial.config["with_inputs"])
    watch = Watch(Clock(max(LEAST_SECONDS, seconds), run.clock.now), lambda s, p: True, run.offline)
    try:
        kept = problem.inputs if with_inputs else ()
        answers = [base.prediction for base in bases if base.prediction is not None]
        above = _above(problem, answers, kept)
        learner = learners[name]
        pins = {"rising": len(bases)} if with_inputs else {}
        top, unseen = fit_whole(learner, above, default(learner.config, pins), trial.seed, watch)
        below = tuple((base.trial.learner, opened[base.trial.number]) for base in bases)
        model = Stacked(below, name, top, tuple(kept))
        return scored(run, problem, trial, model, unseen, run.clock.elapsed() - began)
    except TunesmithError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    return Result(trial, "failed", reason, fit_seconds=run.clock.elapsed() - began)


def _above(problem: Problem, answers: Sequence[Prediction], kept: Sequence[str]) -> Problem:
    """The problem of the top: the rows that do not test, numbered anew, with the answers as
    inputs, and beside them what the costs need."""
    rows = problem.parts["valid"]
    data = over(problem.data.take(rows), answers, kept)
    target = problem.data.column(problem.target)
    name = target.name
    while name in data.names:
        name += "'"
    inputs, costs = data.names, problem.costs
    amounts = [c for c in (costs.columns if costs else ()) if c not in inputs]
    beside = problem.data.take(rows).with_columns(amounts)
    cells = {**data.cells, **beside.cells, name: problem.data.values(problem.target)[rows]}
    columns = (*data.columns, *beside.columns, replace(target, name=name))
    data = replace(data, columns=columns, cells=cells)
    folds = tuple((_places(rows, train), _places(rows, held)) for train, held in problem.folds)
    every = _places(rows, rows)
    return replace(
        problem,
        data=data,
        target=name,
        inputs=inputs,
        parts={"train": every, "valid": every, "test": every[:0]},
        folds=folds,
        leaked=every[:0],
        weights=None if problem.weights is None else problem.weights[rows],
    )


def _places(among: Rows, rows: Rows) -> Rows:
    found: Rows = among.searchsorted(rows)
    return found
