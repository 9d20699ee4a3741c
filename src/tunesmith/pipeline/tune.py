"""Tuning: cheap models first, then a search over configs, until time or trials run out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Curve
from tunesmith.core.records import Candidate, Problem, Result, Trial
from tunesmith.core.runfolder import recover_folder
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.pipeline.plan import Pins
from tunesmith.pipeline.propose import Proposals
from tunesmith.pipeline.recorded import NOTHING, Recorded, write_result
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import facts, keepers, rank, spare_seconds
from tunesmith.pipeline.trial import run_trial
from tunesmith.run import runners

SHARE_OF_SPARE = 0.7
"""What a learner that fills all its time gets of it, so that something is left for the next."""
MOST_OF_SPARE = 0.9
Better = Callable[[Sequence[Result]], None]


def tune(
    run: Run,
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    pins: Pins,
    better: Better,
    search: str | Sequence[str] = "auto",
    stopper: str = "median",
    runner: str = "here",
    recorded: Recorded = NOTHING,
) -> tuple[tuple[Result, ...], bool]:
    """Results of every trial, in order, and whether Ctrl-C ended it early (what there was by then
    is kept). `better` is told the results so far whenever the best one changed. What is recorded of
    a run before is gone through in the same order, and not run again."""
    history = _History(run, problem, better, recorded)
    proposals = Proposals(run, problem, candidates, pins, history.results, search, recorded)
    work = _worker(run, problem, history, stopper)
    interrupted = False
    try:
        for result in runners[runner].run(iter(proposals), work):
            proposals.tell(result)
            history.add(result)
    except KeyboardInterrupt:
        if not history.done():
            raise
        interrupted = True
        run.note("interrupted: the best model so far is kept")
    return tuple(history.results), interrupted


@dataclass
class _History:
    """Results so far, and who is best."""

    run: Run
    problem: Problem
    better: Better
    recorded: Recorded = NOTHING
    results: list[Result] = field(default_factory=list)
    curves: dict[str, list[Curve]] = field(default_factory=dict)
    _best: int = -1

    def done(self) -> list[Result]:
        return [result for result in self.results if result.score is not None]

    def best(self) -> Result | None:
        ranked = rank(self.problem, self.results)
        return ranked[0] if ranked else None

    def add(self, result: Result) -> None:
        """Note a result; tell `better` where it is the best so far, and new."""
        self.results.append(result)
        is_old = self.recorded.results.get(result.trial.number) is result
        if not is_old:
            write_result(self.run.folder, result)
        best = self.best()
        if best is not None and best.trial.number != self._best:
            self._best = best.trial.number
            if is_old and recover_folder(self.run.folder.best).exists():
                return
            self.run.journal.write("best", metric=self.problem.metric, **facts(best))
            self.better(self.results)
        kept = keepers(self.problem, self.results)
        for old in self.done():
            if all(old is not one for one in kept):
                shutil.rmtree(old.folder, ignore_errors=True)


def _worker(
    run: Run, problem: Problem, history: _History, stopper: str
) -> Callable[[Trial], Result]:
    def work(trial: Trial) -> Result:
        others = history.curves.setdefault(trial.learner, [])
        if history.recorded.holds(trial):
            known = history.recorded.results[trial.number]
            _remember_curve(problem, known, others)
            return known
        clock = run.clock
        if clock.has_deadline():
            spare = spare_seconds(run, problem, history.results)
            share = SHARE_OF_SPARE if learners[trial.learner].uses_all_time else MOST_OF_SPARE
            clock = Clock(max(0.1, share * spare), clock.now)
        return run_trial(run, problem, trial, clock, stopper, others)

    return work


def _remember_curve(problem: Problem, result: Result, others: list[Curve]) -> None:
    """The curve of a trial of before, for the stopper, as `run_trial` would have left it."""
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    points = zip(result.progress, (sign * value for value in result.curve), strict=True)
    if result.curve:
        others.append(Curve(result.trial.number, tuple(points), result.status == "stopped"))
