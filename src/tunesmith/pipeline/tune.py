"""Tuning: cheap models first, then a search over configs, until time or trials run out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tunesmith.core.clock import UNLIMITED
from tunesmith.core.contracts import Curve
from tunesmith.core.records import Candidate, Problem, Trial
from tunesmith.learners import learners
from tunesmith.nn.shards import active
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline.hanging import limit_of
from tunesmith.pipeline.history import Better, History
from tunesmith.pipeline.plan import Pins
from tunesmith.pipeline.propose import Proposals
from tunesmith.pipeline.recorded import NOTHING, Recorded
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.sharing import told_of_sharing
from tunesmith.pipeline.sides import side_read
from tunesmith.pipeline.souping import souped
from tunesmith.pipeline.stacking import stacked
from tunesmith.pipeline.standing import (
    SHARE_OF_SPARE,
    SHARE_WHILE_OTHERS_WAIT,
    soup_groups,
    soup_seconds,
    spare_seconds,
    stack_seconds,
)
from tunesmith.pipeline.trial import Fitting, Job
from tunesmith.run import runners

MOST_OF_SPARE = 0.9
LEAST_SECONDS = 0.1


def tune(
    run: Run,
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    pins: Pins,
    better: Better,
    search: str | Sequence[str] = "auto",
    stopper: str = "median",
    goals: Sequence[str] = (),
    recorded: Recorded = NOTHING,
    cache: bool = True,
) -> tuple[Results, bool]:
    """Results of every trial, in order, and whether Ctrl-C ended it early (what there was by then
    is kept). `better` is told the results so far whenever the best one changed. What is recorded of
    a run before is gone through in the same order, and not run again."""
    history = History(run, problem, better, recorded)
    proposals = Proposals(run, problem, candidates, pins, history, search, stopper, goals)
    work = Fitting(
        problem,
        run.folder,
        run.seed,
        run.offline,
        run.depths,
        stopper,
        cache,
        run.clock.now,
    )
    interrupted = False
    sharing = told_of_sharing(run, candidates)
    if sharing:
        run.note(sharing)
    name = run.runner or ("processes" if run.workers else "here")
    try:
        jobs = _jobs(run, problem, proposals, history)
        for result in runners[name].run(jobs, work, _hear(run), run.places):
            proposals.tell(history.add(result))
    except KeyboardInterrupt:
        if not history.results.ranked():
            raise
        interrupted = True
        run.note("interrupted: the best model so far is kept")
        return history.results, interrupted
    try:
        _soup(run, problem, history)
        _stack(run, problem, history)
    except KeyboardInterrupt:
        interrupted = True
        run.note("interrupted: the best model so far is kept")
    return history.results, interrupted


def _soup(run: Run, problem: Problem, history: History) -> None:
    """The means of the weights of fine-tuned networks, where there are several of a kind."""
    if not soup_groups(problem, history.results):
        return
    run.stage("averaging weights", soup_seconds(run, problem, history.results))
    for result in souped(run, problem, history.results, history.recorded.known):
        history.add(result)


def _stack(run: Run, problem: Problem, history: History) -> None:
    """Models over the answers of the others, where they are asked for and there is anything."""
    if not run.stack_levels or not history.results.ranked():
        return
    run.stage("stacking", stack_seconds(run))
    known = history.recorded.known
    for result in stacked(run, problem, history.results, run.stack_levels, known):
        history.add(result)


def _hear(run: Run) -> Callable[[str, Mapping[str, Any]], None]:
    """What is told of trials goes into the journal; what another process counted, to the counts of
    this one."""

    def hear(kind: str, told: Mapping[str, Any]) -> None:
        if kind != "tally":
            run.journal.write(kind, **told)
            return
        store = active()
        for counts, grown in ((FROZEN, told["frozen"]), (store and store.counts, told["store"])):
            for name, value in grown.items() if counts is not None else ():
                setattr(counts, name, getattr(counts, name) + value)

    return hear


def _share(name: str, waiting: int) -> float:
    """Of the spare time, what a trial of a learner gets while so many candidates wait."""
    learner = learners[name]
    if learner.uses_all_time:
        return SHARE_OF_SPARE
    return SHARE_WHILE_OTHERS_WAIT if waiting and learner.ends_in_time else MOST_OF_SPARE


def _is_fair(trial: Trial, history: History, other: Curve) -> bool:
    """Whether the course of another trial says what this one should have come to by now: not where
    that one saw larger pictures."""
    seen = history.at_place(trial.learner, other.number).trial.config
    mine, its = (side_read(trial.learner, config) for config in (trial.config, seen))
    return mine >= its


def _jobs(
    run: Run, problem: Problem, proposals: Proposals, history: History
) -> Iterator[Job | None]:
    """The trials that are to be run, each with the time there is for it; of those that are recorded
    the result is noted here."""
    for trial in proposals:
        if trial is None:
            yield None
            continue
        known = history.recorded.known(trial)
        if known is not None:
            proposals.tell(history.add(known))
            continue
        seconds = UNLIMITED
        if run.clock.has_deadline():
            spare = spare_seconds(run, problem, history.results)
            seconds = max(LEAST_SECONDS, _share(trial.learner, proposals.waiting) * spare)
        place = history.place(trial)
        others = (one for one in history.curves(trial.learner) if one.number != place)
        others = (one for one in others if _is_fair(trial, history, one))
        limit = limit_of(problem, history.results, trial.learner, seconds)
        yield Job(trial, seconds, tuple(others), place, limit)
